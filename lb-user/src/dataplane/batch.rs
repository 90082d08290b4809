//! Many entries of a map with few system calls (`BPF_MAP_*_BATCH`; hashes and arrays Linux 5.6, tries and arrays
//! with values of each CPU's own 5.13). One by one an entry costs one to write and two to read, and a walk starts
//! again when the current key vanishes.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    thread,
};

use lb_common::state::Plain;

/// Entries asked for at a time; a hash bucket must fit.
const CHUNK: usize = 4096;
/// `enum bpf_cmd` (include/uapi/linux/bpf.h).
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
/// As above.
const BPF_MAP_UPDATE_BATCH: libc::c_long = 26;
/// As above.
const BPF_MAP_DELETE_BATCH: libc::c_long = 27;
/// Attempts to write that get nowhere for want of memory, one after the other, before that is believed.
const MOST_IN_VAIN: u32 = 1000;

/// `union bpf_attr`, the part for batches.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

impl Attributes {
    /// Runs a batch command on the map behind `map`.
    ///
    /// # Safety
    /// The addresses are those of memory that is as long as the command, the counts and the map's sizes say.
    unsafe fn run(&mut self, command: libc::c_long, map: BorrowedFd<'_>) -> io::Result<()> {
        self.map_fd = map.as_raw_fd() as u32;
        let attributes = std::ptr::from_mut(self);
        // SAFETY: the attributes have the kernel's layout; what they point to is the caller's affair.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<Self>()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Writes every entry of `keys` and `values` to the map behind `map`: one value for each key, or where each CPU has its
/// own, one for each of them.
///
/// # Errors
/// The system call's; earlier entries are written then.
pub(super) fn update<K: Plain, V: Plain>(map: BorrowedFd<'_>, keys: &[K], values: &[V]) -> io::Result<()> {
    assert!(values.len().is_multiple_of(keys.len().max(1)), "as many values for each key");
    let each = values.len() / keys.len().max(1);
    let (mut written, mut in_vain) = (0, 0);
    while written < keys.len() {
        let (keys, values) = (&keys[written..], &values[each * written..]);
        let mut attributes = Attributes {
            keys: keys.as_ptr() as u64,
            values: values.as_ptr() as u64,
            count: keys.len() as u32,
            ..Attributes::default()
        };
        // SAFETY: keys and values have the sizes that the map was verified to have, and are only read.
        let Err(error) = (unsafe { attributes.run(BPF_MAP_UPDATE_BATCH, map) }) else { break };
        // Each CPU's stock of entries is refilled by an interrupt, for which some machines leave no time
        // within a batch (kernel/bpf/memalloc.c). It is there when the system call is over.
        in_vain += 1;
        if error.raw_os_error() != Some(libc::ENOMEM) || in_vain > MOST_IN_VAIN {
            return Err(error);
        }
        // The count says how many were written, or is as it was.
        let count = attributes.count as usize;
        if (1..keys.len()).contains(&count) {
            (written, in_vain) = (written + count, 0);
        }
        thread::yield_now();
    }
    Ok(())
}

/// Removes every entry of `keys` from the map behind `map`.
///
/// # Errors
/// The system call's, also where a key is not there; earlier entries are removed then.
pub(super) fn delete<K: Plain>(map: BorrowedFd<'_>, keys: &[K]) -> io::Result<()> {
    let mut attributes =
        Attributes { keys: keys.as_ptr() as u64, count: keys.len() as u32, ..Attributes::default() };
    // SAFETY: keys have the size that the map was verified to have, and are only read.
    unsafe { attributes.run(BPF_MAP_DELETE_BATCH, map) }
}

/// Calls `each` for every entry of the hash or trie behind `map`, whose keys are `K` and values `V`.
/// Entries that come or go meanwhile may be missed.
///
/// # Errors
/// The system call's.
pub(super) fn for_each<K: Plain + Copy, V: Plain + Copy>(
    map: BorrowedFd<'_>,
    (zero_key, zero_value): (K, V),
    mut each: impl FnMut(&K, &V),
) -> io::Result<()> {
    let mut keys = vec![zero_key; CHUNK];
    let mut values = vec![zero_value; CHUNK];
    // Where the kernel is in its walk: in a hash the number of a bucket, 32 bits, in a trie a key.
    const { assert!(size_of::<K>() >= size_of::<u32>()) };
    let (mut position, mut next) = (zero_key, zero_key);
    let mut first = true;
    loop {
        let mut attributes = Attributes {
            in_batch: if first { 0 } else { &raw const position as u64 },
            out_batch: &raw mut next as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: CHUNK as u32,
            ..Attributes::default()
        };
        // SAFETY: keys and values have room for `count` entries of the sizes that the map was verified to
        // have, the positions for a key, and any bytes are a `K` or a `V`.
        let last = match unsafe { attributes.run(BPF_MAP_LOOKUP_BATCH, map) } {
            Ok(()) => false,
            // The walk has come to its end; the entries before it count.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
            Err(error) => return Err(error),
        };
        for (key, value) in keys.iter().zip(&values).take(attributes.count as usize) {
            each(key, value);
        }
        if last {
            return Ok(());
        }
        (position, first) = (next, false);
    }
}
