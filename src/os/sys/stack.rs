//! A thread's stack.

use nix::libc;
use std::mem::MaybeUninit;

/// Room for the rest of this function's frame, for madvise(2)'s, and for x86's red zone of 128 bytes below that. Signal handlers
/// do not count: they run before or after the system call.
const CALLEES: usize = 1024;

/// Gives the kernel back what deeper calls have left on this thread's stack, see madvise(2): a thread that will sleep for
/// long keeps its top pages only. They come back as zeros when they are needed again. Does nothing where the kernel will not
/// (locked memory).
pub fn give_back() {
    let Some(low) = lowest_address() else { return };
    let marker = 0u8;
    let end = (std::ptr::addr_of!(marker) as usize).saturating_sub(CALLEES) & !(page_size() - 1);
    if end > low {
        // SAFETY: the range lies in this thread's own stack and below every frame in use, so nothing in it is live.
        unsafe { libc::madvise(low as *mut libc::c_void, end - low, libc::MADV_DONTNEED) };
    }
}

/// Where this thread's stack ends, above its guard page.
fn lowest_address() -> Option<usize> {
    let mut attributes = MaybeUninit::uninit();
    let (mut low, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes are filled by the first call, and used and destroyed only if it succeeded.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let found = libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        (found == 0).then_some(low as usize)
    }
}

fn page_size() -> usize {
    // SAFETY: sysconf takes a number and gives one.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses so many KiB of the stack.
    #[inline(never)]
    fn dig(kib: usize) -> u64 {
        let room = std::hint::black_box([kib as u8; 1024]);
        let deeper = if kib > 1 { dig(kib - 1) } else { 0 };
        deeper + u64::from(room[kib % 1024])
    }

    /// KiB of this thread's stack that are in memory.
    fn resident() -> usize {
        let low = lowest_address().unwrap();
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{low:x}-");
        let mapping = smaps.lines().skip_while(|line| !line.starts_with(&start));
        let rss = mapping.skip(1).find(|line| line.starts_with("Rss:")).unwrap();
        rss.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn what_deeper_calls_left_is_given_back_and_the_stack_can_be_used_again() {
        let thread = std::thread::Builder::new().stack_size(4096 * 1024).spawn(|| {
            let sum = dig(300);
            let before = resident();
            give_back();
            let after = resident();
            assert!(before >= 300 && after < before - 250, "{before} KiB, then {after}");
            assert_eq!(dig(300), sum);
        });
        thread.unwrap().join().unwrap();
    }
}
