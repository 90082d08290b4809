//! Memory that the allocator keeps after large work: loading the packet program leaves 20 MiB of it, reading a long file
//! more. glibc gives free pages back only from the end of its heap, unless it is asked.

/// Gives free pages back to the system.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, leaves what is in use as it is, and may be called at any time (MT-Safe, malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}
