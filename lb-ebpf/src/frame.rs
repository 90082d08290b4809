//! The packet cursor: the only pointer arithmetic on packet bytes.

use aya_ebpf::{helpers::bpf_xdp_get_buff_len, programs::XdpContext};
use lb_common::frame::{Frame, Wire};

/// A packet in the hands of the driver.
///
/// The ends of the linear part are loaded once: the verifier ties what a check proved to the very
/// value that was checked, and a second load from the context would be another one.
pub(crate) struct XdpFrame<'a> {
    ctx: &'a XdpContext,
    start: usize,
    end: usize,
}

impl<'a> XdpFrame<'a> {
    #[inline(always)]
    pub(crate) fn new(ctx: &'a XdpContext) -> Self {
        Self { ctx, start: ctx.data(), end: ctx.data_end() }
    }

    /// Index of the interface the packet came in by.
    #[inline(always)]
    pub(crate) fn ingress_index(&self) -> u32 {
        self.ctx.ingress_ifindex() as u32
    }

    /// A pointer to `T` at `offset`, if it lies wholly between `data` and `data_end`.
    #[inline(always)]
    fn at<T>(&self, offset: usize) -> Option<*mut T> {
        let start = self.start + offset;
        // SAFETY: no packet lies at address 0. Said here, as it is checked again otherwise where the
        // pointer becomes a reference.
        unsafe { core::hint::assert_unchecked(start != 0) };
        (start + size_of::<T>() <= self.end).then_some(start as *mut T)
    }
}

impl Frame for XdpFrame<'_> {
    #[inline(always)]
    fn read<T: Wire>(&self, offset: usize) -> Option<T> {
        // SAFETY: `at` checked the bounds, any bytes are a `T` (`Wire`), and the read is unaligned.
        self.at(offset).map(|from: *mut T| unsafe { from.read_unaligned() })
    }

    #[inline(always)]
    fn view<T: Wire>(&self, offset: usize) -> Option<&T> {
        const { assert!(align_of::<T>() == 1) };
        // SAFETY: `at` checked the bounds, any bytes are a `T` (`Wire`), and any address is aligned.
        self.at(offset).map(|at: *mut T| unsafe { &*at })
    }

    #[inline(always)]
    fn write<T: Wire>(&mut self, offset: usize, value: T) -> Option<()> {
        // SAFETY: `at` checked the bounds, and the write is unaligned.
        self.at(offset).map(|to: *mut T| unsafe { to.write_unaligned(value) })
    }

    #[inline(always)]
    fn holds(&self, bytes: usize) -> bool {
        // Volatile, and not `start` and `end`: from those the compiler would conclude that later checks
        // in `at` can't fail and leave them out, and the verifier, which can't follow, would refuse the
        // accesses ("invalid access to packet").
        // SAFETY: the context is the one that the kernel called us with.
        let ends = unsafe { &*self.ctx.ctx };
        // SAFETY: the field of a live reference.
        let start = unsafe { (&raw const ends.data).read_volatile() };
        // SAFETY: as above.
        let end = unsafe { (&raw const ends.data_end).read_volatile() };
        // Only a multi-buffer packet is longer than its linear part; most never ask the helper.
        // SAFETY: as above.
        bytes <= (end - start) as usize || bytes as u64 <= unsafe { bpf_xdp_get_buff_len(self.ctx.ctx) }
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        self.ingress_index()
    }
}
