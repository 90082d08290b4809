//! For the flood test only: packets from invented addresses, and a table for comparison.
//!
//! The packet that one repeat of a test run leaves behind is what the next one finds. So the feeder sees
//! where a connection went, and can answer as the backend would.

use aya_ebpf::{
    Global,
    bindings::{BPF_ANY, xdp_action},
    btf_maps::LruHashMap,
    macros::{btf_map, xdp},
    programs::XdpContext,
};

use crate::{NEXT, TARGET};

/// What stands in an IPv4 packet without options, from the source address on, that begins a TCP segment.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Ends {
    source: u32,
    destination: u32,
    source_port: u16,
    destination_port: u16,
    sequence: u32,
    acknowledged: u32,
    _offset: u8,
    flags: u8,
}

/// Offset of [`Ends`] behind an Ethernet header.
const ENDS: usize = 14 + 12;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// Odd, so that different numbers give different addresses.
const MIX: u32 = 0x9e37_79b1;

/// Segments of each source in turn: as in `tests/src/flood/feed.rs`.
#[unsafe(no_mangle)]
static KIND: Global<u32> = Global::new(0);
const SYNS: u32 = 0;
const ACKS: u32 = 1;

/// The service's address, as it stands in a header.
#[unsafe(no_mangle)]
static SERVICE: Global<u32> = Global::new(0);

/// Client address -> what its backend would be; for [`limpet_lru`].
#[btf_map]
static CLIENTS: LruHashMap<u32, u32, 1> = LruHashMap::new();

/// Changes the packet and goes on to the program under test.
#[xdp(frags)]
fn limpet_flood(ctx: XdpContext) -> u32 {
    change(&ctx);
    // SAFETY: the context is the one that the kernel called us with.
    unsafe { TARGET.tail_call(&ctx, 0) };
    xdp_action::XDP_ABORTED
}

#[inline(always)]
fn change(ctx: &XdpContext) -> Option<()> {
    let next = NEXT.get_ptr_mut(0)?;
    // SAFETY: the test runs on one CPU.
    let count = unsafe { *next };
    // SAFETY: as above.
    unsafe { *next = count.wrapping_add(1) };
    let ends = ends(ctx)?;
    match KIND.load() {
        SYNS => begin(ends, count, SYN),
        ACKS => begin(ends, count, ACK),
        _ => match count % 3 {
            0 => begin(ends, count / 3, SYN),
            // The backend: to where the packet came from, with a number of its own.
            1 => turn(ends, SYN | ACK, count.wrapping_mul(MIX)),
            // Whoever has that address does not see the answer, and guesses.
            _ => turn(ends, ACK, count.wrapping_mul(MIX).rotate_left(7)),
        },
    }
    Some(())
}

/// A segment of the source with this number, from the upper half of all addresses.
#[inline(always)]
fn begin(ends: &mut Ends, number: u32, flags: u8) {
    let mixed = number.wrapping_mul(MIX);
    ends.source = (mixed | 1 << 31).to_be();
    ends.source_port = (1024 + (mixed >> 5) as u16 % 60_000).to_be();
    ends.destination = SERVICE.load();
    ends.destination_port = 80u16.to_be();
    ends.flags = flags;
    ends.acknowledged = mixed.rotate_left(13);
}

/// A segment from where the last one went to where it came from.
#[inline(always)]
fn turn(ends: &mut Ends, flags: u8, number: u32) {
    (ends.source, ends.destination) = (ends.destination, ends.source);
    (ends.source_port, ends.destination_port) = (ends.destination_port, ends.source_port);
    ends.flags = flags;
    ends.sequence = number;
    ends.acknowledged = number;
}

#[inline(always)]
fn ends(ctx: &XdpContext) -> Option<&mut Ends> {
    let packet = ctx.data();
    if packet + ENDS + size_of::<Ends>() > ctx.data_end() {
        return None;
    }
    // SAFETY: inside the packet, as checked above; of alignment 1; nobody else has a reference to it.
    Some(unsafe { &mut *((packet + ENDS) as *mut Ends) })
}

/// What a balancer does that remembers clients in one least-recently-used table: `XDP_TX` for one that it
/// knows, `XDP_PASS` for one that it has to store.
#[xdp(frags)]
fn limpet_lru(ctx: XdpContext) -> u32 {
    let Some(ends) = ends(&ctx) else { return xdp_action::XDP_ABORTED };
    let client = ends.source;
    // SAFETY: the value is not read.
    if unsafe { CLIENTS.get(&client) }.is_some() {
        return xdp_action::XDP_TX;
    }
    let _stored = CLIENTS.insert(&client, &1, BPF_ANY.into());
    xdp_action::XDP_PASS
}
