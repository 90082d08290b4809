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

use crate::{
    NEXT, TARGET,
    segment::{ACK, SYN, Segment, fold, halves},
};

/// Odd, so that different numbers give different addresses.
const MIX: u32 = 0x9e37_79b1;

/// Segments of each source in turn: as in `tests/src/flood/feed.rs`.
#[unsafe(no_mangle)]
static KIND: Global<u32> = Global::new(0);
const SYNS: u32 = 0;
const ACKS: u32 = 1;
const LIVE: u32 = 3;

/// The service's address, as it stands in a header.
#[unsafe(no_mangle)]
static SERVICE: Global<u32> = Global::new(0);

/// The two Ethernet addresses, as they stand in a header.
#[unsafe(no_mangle)]
static MACS: Global<[u32; 3]> = Global::new([0; 3]);

/// One's-complement sums of what stays the same in the IPv4 header, and in the pseudo-header and the segment.
#[unsafe(no_mangle)]
static SUMS: Global<[u32; 2]> = Global::new([0; 2]);

/// Client address -> what its backend would be; for [`limpet_lru`].
#[btf_map]
static CLIENTS: LruHashMap<u32, u32, 1> = LruHashMap::new();

/// Changes the packet and goes on to the program under test. Where there is none, the packet leaves by the
/// interface that it is said to have come in by.
#[xdp(frags)]
fn limpet_flood(mut ctx: XdpContext) -> u32 {
    change(&mut ctx);
    // SAFETY: the context is the one that the kernel called us with.
    unsafe { TARGET.tail_call(&ctx, 0) };
    xdp_action::XDP_TX
}

#[inline(always)]
fn change(ctx: &mut XdpContext) -> Option<()> {
    let next = NEXT.get_ptr_mut(0)?;
    // SAFETY: the test runs on one CPU.
    let count = unsafe { *next };
    // SAFETY: as above.
    unsafe { *next = count.wrapping_add(1) };
    let segment = Segment::of(ctx)?;
    match KIND.load() {
        SYNS => begin(segment, count, SYN),
        ACKS => begin(segment, count, ACK),
        LIVE => {
            begin(segment, count, SYN);
            finish(segment);
        }
        _ => match count % 3 {
            0 => begin(segment, count / 3, SYN),
            // The backend: to where the packet came from, with a number of its own.
            1 => turn(segment, SYN | ACK, count.wrapping_mul(MIX)),
            // Whoever has that address does not see the answer, and guesses.
            _ => turn(segment, ACK, count.wrapping_mul(MIX).rotate_left(7)),
        },
    }
    Some(())
}

/// A segment of the source with this number, from the upper half of all addresses.
#[inline(always)]
fn begin(segment: &mut Segment, number: u32, flags: u8) {
    let mixed = number.wrapping_mul(MIX);
    segment.source = (mixed | 1 << 31).to_be();
    segment.source_port = (1024 + (mixed >> 5) as u16 % 60_000).to_be();
    segment.destination = SERVICE.load();
    segment.destination_port = 80u16.to_be();
    segment.flags = flags;
    segment.acknowledged = mixed.rotate_left(13);
}

/// Writes the Ethernet addresses and both checksums anew: a frame that comes round again holds what its last way has made of it.
#[inline(always)]
fn finish(segment: &mut Segment) {
    let ([ip, tcp], source) = (SUMS.load(), halves(segment.source));
    segment.macs = MACS.load();
    segment.check = fold(ip + source);
    segment.tcp_check = fold(tcp + source + u32::from(segment.source_port) + halves(segment.acknowledged));
}

/// A segment from where the last one went to where it came from.
#[inline(always)]
fn turn(segment: &mut Segment, flags: u8, number: u32) {
    segment.turn();
    segment.flags = flags;
    segment.sequence = number;
    segment.acknowledged = number;
}

/// What a balancer does that remembers clients in one least-recently-used table: `XDP_TX` for one that it
/// knows, `XDP_PASS` for one that it has to store.
#[xdp(frags)]
fn limpet_lru(mut ctx: XdpContext) -> u32 {
    let Some(segment) = Segment::of(&mut ctx) else { return xdp_action::XDP_ABORTED };
    let client = segment.source;
    // SAFETY: the value is not read.
    if unsafe { CLIENTS.get(client) }.is_some() {
        return xdp_action::XDP_TX;
    }
    let _stored = CLIENTS.insert(client, 1, BPF_ANY.into());
    xdp_action::XDP_PASS
}
