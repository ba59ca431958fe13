//! The operating system: the only room with unsafe code (`sys`).
