//! The packet cursor: the only pointer arithmetic on packet bytes.

use aya_ebpf::{
    helpers::{bpf_csum_diff, bpf_xdp_adjust_head, bpf_xdp_adjust_tail, bpf_xdp_get_buff_len},
    programs::XdpContext,
};
use lb_common::{
    frame::{Frame, Pair, TAG, Wire, WireMac},
    net::{Address, Mac, V4, V6},
    packet::Packet,
};

/// Offset of the first tag, or of the type where there is none.
const TYPE: usize = size_of::<Pair<WireMac>>();

/// A packet in the hands of the driver.
///
/// The ends of the linear part are loaded once: the verifier ties what a check proved to the very
/// value that was checked, and a second load from the context would be another one.
pub(crate) struct XdpFrame<'a> {
    ctx: &'a XdpContext,
    /// First byte of the packet.
    front: usize,
    /// Bytes of tags that were stepped over. Not the difference of two pointers: of that the verifier
    /// knows no bounds.
    tags: usize,
    /// Where offset 0 is: behind the front by the tags.
    start: usize,
    end: usize,
    /// Bytes of the linear part.
    linear: usize,
}

impl<'a> XdpFrame<'a> {
    #[inline(always)]
    pub(crate) fn new(ctx: &'a XdpContext) -> Self {
        // Volatile, and not from the ends below: from those the compiler would conclude that later checks in
        // `at` can't fail and leave them out, and the verifier, which can't follow, would refuse the
        // accesses ("invalid access to packet").
        // SAFETY: the context is the one that the kernel called us with.
        let ends = unsafe { &*ctx.ctx };
        // SAFETY: the field of a live reference.
        let start = unsafe { (&raw const ends.data).read_volatile() };
        // SAFETY: as above.
        let end = unsafe { (&raw const ends.data_end).read_volatile() };
        let linear = (end - start) as usize;
        Self { ctx, front: ctx.data(), tags: 0, start: ctx.data(), end: ctx.data_end(), linear }
    }

    /// A pointer to `T` at `address`, if it lies wholly between `data` and `data_end`.
    #[inline(always)]
    fn at<T>(&self, address: usize) -> Option<*mut T> {
        // SAFETY: no packet lies at address 0. Said here, as it is checked again otherwise where the
        // pointer becomes a reference.
        unsafe { core::hint::assert_unchecked(address != 0) };
        (address + size_of::<T>() <= self.end).then_some(address as *mut T)
    }

    #[inline(always)]
    fn read_at<T: Wire>(&self, address: usize) -> Option<T> {
        // SAFETY: `at` checked the bounds, any bytes are a `T` (`Wire`), and the read is unaligned.
        self.at(address).map(|from: *mut T| unsafe { from.read_unaligned() })
    }

    #[inline(always)]
    fn write_at<T: Wire>(&self, address: usize, value: T) -> Option<()> {
        // SAFETY: `at` checked the bounds, and the write is unaligned.
        self.at(address).map(|to: *mut T| unsafe { to.write_unaligned(value) })
    }

    /// Moves the front by `by` bytes, and the tags with it.
    #[inline(always)]
    fn move_front(&mut self, by: i32) -> Option<()> {
        let tags = self.tags;
        // What the tags are not long enough for is another part of the packet, and is not written back.
        let words = self.read_at::<Pair<u32>>(self.front + TYPE)?;
        // SAFETY: the context is the one that the kernel called us with.
        if unsafe { bpf_xdp_adjust_head(self.ctx.ctx, by) } != 0 {
            return None;
        }
        *self = Self::new(self.ctx);
        if tags >= TAG {
            self.write_at(self.front + TYPE, words.first)?;
            self.skip_tag();
        }
        if tags >= 2 * TAG {
            self.write_at(self.front + TYPE + TAG, words.second)?;
            self.skip_tag();
        }
        Some(())
    }
}

impl Frame for XdpFrame<'_> {
    #[inline(always)]
    fn read<T: Wire>(&self, offset: usize) -> Option<T> {
        self.read_at(self.start + offset)
    }

    #[inline(always)]
    fn view<T: Wire>(&self, offset: usize) -> Option<&T> {
        const { assert!(align_of::<T>() == 1) };
        // SAFETY: `at` checked the bounds, any bytes are a `T` (`Wire`), and any address is aligned.
        self.at(self.start + offset).map(|at: *mut T| unsafe { &*at })
    }

    #[inline(always)]
    fn write<T: Wire>(&mut self, offset: usize, value: T) -> Option<()> {
        self.write_at(self.start + offset, value)
    }

    #[inline(always)]
    fn macs(&self) -> Option<(Mac, Mac)> {
        let Pair { first, second } = self.read_at::<Pair<WireMac>>(self.front)?;
        Some((first.get(), second.get()))
    }

    #[inline(always)]
    fn set_macs(&mut self, destination: Mac, source: Mac) -> Option<()> {
        self.write_at(self.front, Pair::<WireMac> { first: destination.into(), second: source.into() })
    }

    #[inline(always)]
    fn tags(&self) -> usize {
        self.tags
    }

    #[inline(always)]
    fn step_over(&mut self, tags: usize) {
        // The mask is for the verifier, which knows nothing of what a map holds.
        self.tags = tags & (3 * TAG);
        self.start = self.front + self.tags;
    }

    #[inline(always)]
    fn grow(&mut self, bytes: usize) -> Option<()> {
        self.move_front(-(bytes as i32))
    }

    #[inline(always)]
    fn shrink(&mut self, bytes: usize) -> Option<()> {
        let macs = self.macs();
        self.move_front(bytes as i32)?;
        let (destination, source) = macs?;
        self.set_macs(destination, source)
    }

    #[inline(always)]
    fn truncate(&mut self, end: usize) -> Option<()> {
        let tags = self.tags;
        // SAFETY: the context is the one that the kernel called us with.
        let length = unsafe { bpf_xdp_get_buff_len(self.ctx.ctx) };
        let by = (tags + end) as i64 - length as i64;
        // SAFETY: as above.
        if unsafe { bpf_xdp_adjust_tail(self.ctx.ctx, by as i32) } != 0 {
            return None;
        }
        *self = Self::new(self.ctx);
        self.tags = tags;
        self.start += tags;
        Some(())
    }

    #[inline(always)]
    fn sum(&self, offset: usize, bytes: usize) -> Option<u64> {
        let from = self.start + offset;
        if from + bytes > self.end {
            return None;
        }
        // SAFETY: the bytes lie between `data` and `data_end`; nothing is read where the length is 0.
        let sum = unsafe { bpf_csum_diff(core::ptr::null_mut(), 0, from as *mut u32, bytes as u32, 0) };
        // Negative where the length is not as the contract has it.
        u64::try_from(sum).ok()
    }

    #[inline(always)]
    fn holds(&self, bytes: usize) -> bool {
        let bytes = bytes + self.tags;
        // Only a multi-buffer packet is longer than its linear part; most never ask the helper.
        // SAFETY: the context is the one that the kernel called us with.
        bytes <= self.linear || bytes as u64 <= unsafe { bpf_xdp_get_buff_len(self.ctx.ctx) }
    }

    #[inline(always)]
    fn forget(&self, number: u64) -> u64 {
        limpet_forget(number)
    }

    #[inline(always)]
    fn forget_packet<A: Address>(&self, packet: &mut Packet<A>) {
        let packet = core::ptr::from_mut(packet);
        if A::WORDS == V4::WORDS {
            limpet_forget_v4(packet.cast());
        } else {
            limpet_forget_v6(packet.cast());
        }
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        self.ctx.ingress_ifindex() as u32
    }
}

/// [`Frame::forget`]: of what a global function returns the verifier knows the type only.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn limpet_forget(number: u64) -> u64 {
    // Volatile, or the compiler would see that the call gives nothing new and leave it out.
    // SAFETY: the pointer is a live local's.
    unsafe { (&raw const number).read_volatile() }
}

/// [`Frame::forget_packet`]: a global function may have written whatever it was given.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn limpet_forget_v4(packet: *mut Packet<V4>) -> u64 {
    // Volatile, as above.
    // SAFETY: the pointer is a live local's.
    u64::from(unsafe { (&raw const packet).read_volatile() }.is_null())
}

/// The same for IPv6.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn limpet_forget_v6(packet: *mut Packet<V6>) -> u64 {
    // SAFETY: as for IPv4.
    u64::from(unsafe { (&raw const packet).read_volatile() }.is_null())
}
