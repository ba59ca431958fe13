//! How the program lies in memory.

use crate::common::{binary, is_emulated, skipped, Rig};
use std::fs;
use std::path::Path;

/// A program header of a 64-bit ELF file, see elf(5).
struct Header {
    kind: u32,
    address: u64,
}

const LOAD: u32 = 1;
const GNU_RELRO: u32 = 0x6474_e552;

fn headers(file: &[u8]) -> Vec<Header> {
    let u16_at = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap()) as usize;
    let u64_at = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    let (table, size, count) = (u64_at(32) as usize, u16_at(54), u16_at(56));
    let header =
        |at: usize| Header { kind: u32::from_le_bytes(file[at..at + 4].try_into().unwrap()), address: u64_at(at + 16) };
    (0..count).map(|n| header(table + n * size)).collect()
}

/// What the kernel has mapped for a process: beginning, end, what may be done there, and whose content it is.
fn mappings(pid: i32) -> Vec<(u64, u64, String, String)> {
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let mapping = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = words[0].split_once('-').unwrap();
        (number(start), number(end), words[1].to_owned(), words.get(5).unwrap_or(&"").to_string())
    };
    fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines().map(mapping).collect()
}

#[test]
fn it_lies_elsewhere_at_each_start_and_nobody_writes_to_its_tables() {
    if is_emulated("program-lies") {
        return;
    }
    let file = fs::read(binary()).unwrap();
    if file[4] != 2 || !cfg!(target_endian = "little") {
        return skipped("program-lies", "reads 64-bit programs only");
    }
    let headers = headers(&file);
    let linked = |kind| headers.iter().find(|header| header.kind == kind).expect("such a header").address;
    let rig = Rig::new("program-lies");
    rig.ini("[media]\nsource = /ok\ndestination = DIR/dest\n");
    let mut places = Vec::new();
    for _ in 0..2 {
        let mut irsync = rig.start(&["run"]);
        irsync.wait_log("media: sync success");
        for pid in [irsync.pid(), rig.guard()] {
            let mappings = mappings(pid);
            let file = binary().canonicalize().unwrap();
            let (start, ..) = *mappings.iter().find(|mapping| file == Path::new(&mapping.3)).expect("the program");
            let tables = start - (linked(LOAD) & !4095) + linked(GNU_RELRO);
            let found = mappings.iter().find(|mapping| (mapping.0..mapping.1).contains(&tables)).expect("its tables");
            assert_eq!(found.2, "r--p", "{mappings:#x?}");
            places.push(start);
        }
        irsync.stop();
    }
    let is_random = fs::read_to_string("/proc/sys/kernel/randomize_va_space").map_or(true, |text| text.trim() != "0")
        && fs::read_to_string("/proc/self/personality").map_or(true, |text| {
            // ADDR_NO_RANDOMIZE: a debugger above us wants it so.
            u32::from_str_radix(text.trim(), 16).map_or(true, |bits| bits & 0x0004_0000 == 0)
        });
    if !is_random {
        return skipped("program-lies", "this kernel lays programs at the same place each time");
    }
    assert_ne!(places[0], places[2], "at the same place twice");
}
