//! Waits until the packets under way have come to their end.

use std::{thread, time::Duration};

/// `MEMBARRIER_CMD_GLOBAL` (include/uapi/linux/membarrier.h).
const GLOBAL: libc::c_long = 1;
/// Thousands of times what a packet takes.
const LONG: Duration = Duration::from_millis(100);

/// Returns when every packet that was in the packet program at the call has left it: what they found in the
/// maps is out of use then, where nobody can find it any more.
///
/// A packet program runs within an RCU read-side section, and the system call waits for all of these
/// (`synchronize_rcu` in kernel/sched/membarrier.c, Linux 4.3). Kernels that run CPUs without a tick refuse
/// it; there a time is waited in which a packet is long done.
pub(super) fn wait() {
    // SAFETY: plain numbers, no memory.
    if unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) } != 0 {
        thread::sleep(LONG);
    }
}
