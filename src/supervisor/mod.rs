//! The main thread and the workers.
