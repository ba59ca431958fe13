//! The same stories with the installed rsync and a real rsync daemon on loopback. Sentences in quotation marks are from
//! rsync(1) and rsyncd.conf(5), or from what rsync was seen to do where these are silent.

mod atomic;
mod attributes;
mod credentials;
mod deletions;
mod disk;
mod durable;
mod ends;
mod freeze;
mod leftovers;
mod mark;
mod online;
mod report;
mod rollback;
mod server;
mod transfers;
mod verify;

use crate::common::{daemon, Rig};
use std::path::Path;

/// A story with the installed rsync, if there is one.
fn real(story: &'static str) -> Option<Rig> {
    daemon::has_rsync(story).then(|| Rig::new(story))
}

/// An INI with one job, `media`, that runs the installed rsync; `keys` are lines of its section.
fn media(rig: &Rig, source: &str, destination: &str, keys: &str) {
    rig.ini(&format!("rsync = rsync\n[media]\nsource = {source}\ndestination = {destination}\n{keys}\n"));
}

/// Writes a file that does not compress, of this many KiB.
fn big_file(rig: &Rig, name: &str, kib: usize) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let words = (0..kib * 128).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    rig.write(name, words.collect::<Vec<u8>>());
}

fn same(rig: &Rig, one: &str, other: &str) -> bool {
    let read = |name: &str| std::fs::read(rig.path(name)).ok();
    read(one).is_some() && read(one) == read(other)
}

/// Waits until rsync has written some of a file into this folder under its temporary name.
fn wait_mid_file(folder: &Path) {
    crate::common::wait_until("rsync to be in mid-file", || daemon::temporary_size(folder) > 64 << 10);
}
