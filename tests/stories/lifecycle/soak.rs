//! Many syncs and many reloads leave irsync as it was: `scripts/test soak` tells it with 100,000 and 1,000 of them.

use crate::common::{is_emulated, wait_until, Irsync, Rig};
use std::fs;

/// What a process has of what could run out, as far as it is not for a moment only.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// RssAnon of proc(5): a fork shares the pages for a moment, and they count all the same.
    anonymous_kib: u64,
    descriptors: usize,
    threads: usize,
}

impl Size {
    fn of(pid: i32) -> Size {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it has gone");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("no RssAnon");
        let count = |folder: &str| fs::read_dir(format!("/proc/{pid}/{folder}")).expect("it has gone").count();
        Size {
            anonymous_kib: line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("no number"),
            descriptors: count("fd"),
            threads: count("task"),
        }
    }

    /// The least of each.
    fn min(self, other: Size) -> Size {
        Size {
            anonymous_kib: self.anonymous_kib.min(other.anonymous_kib),
            descriptors: self.descriptors.min(other.descriptors),
            threads: self.threads.min(other.threads),
        }
    }
}

/// glibc's allocator keeps what it was given back, for each thread anew, and that grows for thousands of reloads. With these each allocation
/// is a mapping of its own, one page at least, and gone when it is freed: one that is forgotten, however small, counts as 4 KiB.
/// Other allocators know nothing of them.
const PAGE_FOR_EACH_ALLOCATION: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "1"), ("MALLOC_ARENA_MAX", "1")];
/// What the moment of the measurement changes: seen were 8 KiB. 50 reloads that forget one allocation each leave 200 KiB.
const MOMENT_KIB: u64 = 64;

struct Soak {
    rig: Rig,
    irsync: Irsync,
}

impl Soak {
    fn runs(&self) -> u64 {
        self.runs_of("quick")
    }

    fn runs_of(&self, job: &str) -> u64 {
        self.rig.status(job, "runs").and_then(|runs| runs.parse().ok()).unwrap_or(0)
    }

    /// Waits for so many more syncs, some at a time, so that only a standstill is an error; what irsync has between them.
    fn sync(&self, count: u64) -> Size {
        let end = self.runs() + count;
        let mut size = Size::of(self.irsync.pid());
        while self.runs() < end {
            let some = (self.runs() + 10).min(end);
            wait_until("the next syncs", || {
                size = size.min(Size::of(self.irsync.pid()));
                self.runs() >= some
            });
        }
        size
    }

    /// Each reload changes a job, and adds or removes another.
    fn reload(&self, count: u64) {
        for n in 0..count {
            let other = if n % 2 == 0 { "[other]\nsource = /there\ndestination = DIR/other\n" } else { "" };
            self.rig.ini(&format!("{KEYS}[quick]\noptions = -rlt --timeout={}\n{QUICK}{BROKEN}{other}", 100 + n % 9));
            let output = self.rig.run(&["reload"]);
            assert!(output.status.success(), "{output:?}");
        }
    }
}

const KEYS: &str = "rsync = true\nlog_level = warn\ndurable = no\ninterval = 10ms\n";
const QUICK: &str = "source = /there\ndestination = DIR/quick\nrun_after = true\n";
/// It fails each time.
const BROKEN: &str = "[broken]\nrsync = false\nsource = /there\ndestination = DIR/broken\n";

#[test]
fn many_syncs_and_reloads_leave_irsync_as_it_was() {
    // The memory would be the emulator's.
    if is_emulated("soak") {
        return;
    }
    let asked = std::env::var("IRSYNC_SOAK").unwrap_or_else(|_| "200 50".into());
    let counts: Vec<u64> = asked.split(' ').map(|count| count.parse().expect("IRSYNC_SOAK: SYNCS RELOADS")).collect();
    let &[syncs, reloads] = &counts[..] else { panic!("IRSYNC_SOAK: SYNCS RELOADS") };
    let rig = Rig::new("soak");
    rig.ini(&format!("{KEYS}[quick]\n{QUICK}{BROKEN}"));
    let mut command = rig.command(&["run"]);
    command.envs(PAGE_FOR_EACH_ALLOCATION);
    let irsync = rig.start_command(command);
    let mut soak = Soak { rig, irsync };
    // What is allocated once is there after these, and the history of the job that fails is full.
    soak.sync(100);
    soak.reload(50);
    wait_until("a full history", || soak.runs_of("broken") > 60);
    let before = soak.sync(100);
    let after_syncs = soak.sync(syncs);
    soak.reload(reloads);
    let after_reloads = soak.sync(100);
    println!("before {before:?}\nafter {syncs} syncs {after_syncs:?}\nafter {reloads} reloads {after_reloads:?}");
    for after in [after_syncs, after_reloads] {
        assert!(after.anonymous_kib <= before.anonymous_kib + MOMENT_KIB, "memory: {before:?} {after:?}");
        assert!(after.descriptors <= before.descriptors, "descriptors: {before:?} {after:?}");
        assert!(after.threads <= before.threads, "threads: {before:?} {after:?}");
    }
    soak.irsync.stop();
    soak.rig.assert_nothing_left();
}
