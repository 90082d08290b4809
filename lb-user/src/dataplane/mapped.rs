//! An array map in the daemon's memory: read and changed without a system call.

use std::{io, marker::PhantomData, ops::Deref, os::fd::BorrowedFd};

use lb_common::{
    shared::Word,
    state::{Binding, Bucket, Load, Plain, Port},
};
use memmap2::{MmapOptions, MmapRaw};

/// Entries that others may change while a reference to them lives.
///
/// # Safety
/// The type is made of shared words only ([`lb_common::shared::Word`]).
pub(super) unsafe trait Shared: Plain {}

// SAFETY: eight shared words.
unsafe impl Shared for Bucket {}
// SAFETY: eight shared words.
unsafe impl Shared for Binding {}
// SAFETY: a shared word.
unsafe impl Shared for Port {}
// SAFETY: a shared word.
unsafe impl Shared for Word {}
// SAFETY: two shared words.
unsafe impl Shared for Load {}

/// A map that was created with `BPF_F_MMAPABLE`, shared with the packet program.
#[derive(Debug)]
pub(super) struct Mapped<T> {
    memory: MmapRaw,
    entries: usize,
    kind: PhantomData<T>,
}

impl<T: Shared> Mapped<T> {
    /// Maps the array map behind `map`, which has that many `entries`.
    pub(super) fn new(map: BorrowedFd<'_>, entries: u32) -> io::Result<Self> {
        let entries = entries as usize;
        let memory = MmapOptions::new().len(entries * size_of::<T>()).map_raw(&map)?;
        Ok(Self { memory, entries, kind: PhantomData })
    }
}

impl<T: Shared> Deref for Mapped<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the mapping is that long, page-aligned, lives as long as `self`, and its entries are
        // made of shared words, which others may change at any time.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast::<T>(), self.entries) }
    }
}
