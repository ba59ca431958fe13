//! What is known of rsync.
