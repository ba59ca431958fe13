//! What the linker marks as never written once its addresses are filled in (PT_GNU_RELRO): tables of functions and texts.

use nix::libc::{self, c_int, c_void};

/// Takes the right to write there away from this program, for the rest of its life. A dynamic loader has done that already; in
/// a static program of musl nobody does. Where it fails, everything is as before.
pub(crate) fn protect() {
    // SAFETY: `first` is what the call asks for, and reads only what it is given.
    unsafe { libc::dl_iterate_phdr(Some(first), std::ptr::null_mut()) };
}

/// The program itself is the first to be told of; what comes after it is its loader's.
unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: the caller gives a good pointer to the program's headers and their number.
    let (base, headers) = unsafe {
        let info = &*info;
        (info.dlpi_addr as usize, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    // SAFETY: takes a number only.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    for header in headers.iter().filter(|header| header.p_type == libc::PT_GNU_RELRO) {
        let start = base + header.p_vaddr as usize;
        // The pages that it has for itself, as musl's own loader reckons.
        let (start, end) = (start & !(page - 1), (start + header.p_memsz as usize) & !(page - 1));
        if start < end {
            // SAFETY: these pages are this program's, and by the linker's word nobody writes there after the start.
            unsafe { libc::mprotect(start as *mut c_void, end - start, libc::PROT_READ) };
        }
    }
    1
}
