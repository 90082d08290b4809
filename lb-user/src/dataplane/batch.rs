//! Reads a whole hash map with few system calls (`BPF_MAP_LOOKUP_BATCH`, Linux 5.6). One by one an
//! entry costs two, and the walk starts again when the current key vanishes.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use lb_common::state::Plain;

/// Entries asked for at a time; a hash bucket must fit.
const CHUNK: usize = 4096;
/// `enum bpf_cmd` (include/uapi/linux/bpf.h).
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;

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

/// Calls `each` for every entry of the hash map behind `map`, whose keys are `K` and values `V`.
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
    // Where the kernel is in its walk: a bucket number.
    let (mut position, mut next) = (0u32, 0u32);
    let mut first = true;
    loop {
        let mut attributes = Attributes {
            in_batch: if first { 0 } else { &raw const position as u64 },
            out_batch: &raw mut next as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: CHUNK as u32,
            map_fd: map.as_raw_fd() as u32,
            ..Attributes::default()
        };
        // SAFETY: the attributes have the kernel's layout; keys and values have room for `count`
        // entries of the sizes that the map was verified to have, and any bytes are a `K` or a `V`.
        let result = unsafe {
            libc::syscall(libc::SYS_bpf, BPF_MAP_LOOKUP_BATCH, &raw mut attributes, size_of::<Attributes>())
        };
        let error = (result < 0).then(io::Error::last_os_error);
        let last = match error {
            None => false,
            // The walk has come to its end; the entries before it count.
            Some(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
            Some(error) => return Err(error),
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
