//! For `cargo xtask bench` only: programs that do one thing of all that the packet program does, and so say what nothing
//! built of these parts gets below.

use aya_ebpf::{
    Global,
    bindings::xdp_action,
    btf_maps::{Array, HashMap},
    macros::{btf_map, xdp},
    programs::XdpContext,
};
use lb_common::{
    net::{Address as _, V4},
    packet::Packet,
    parse,
};

use crate::frame::XdpFrame;

/// Mapped into memory like the flow table, so that a line is a cache line; its size is set by the loader.
const MMAPABLE: usize = 0x400;

/// Number of lines, or keys, less one; set by the loader.
#[unsafe(no_mangle)]
static MASK: Global<u32> = Global::new(0);

/// Lines of 64 bytes; as many as the loader says, a power of two.
#[btf_map]
static LINES: Array<[u64; 8], 1, MMAPABLE> = Array::new();

/// Keys of the size of a session's; as many as the loader says.
#[btf_map]
static KEYS: HashMap<[u64; 3], u64, 1> = HashMap::new();

/// Reads the headers as the packet program does.
#[xdp(frags)]
fn limpet_floor_parse(ctx: XdpContext) -> u32 {
    packet(&ctx).map_or(xdp_action::XDP_ABORTED, |_| xdp_action::XDP_PASS)
}

/// 1 if all keys that are looked up are there, 0 if none is; set by the loader.
#[unsafe(no_mangle)]
static THERE: Global<u32> = Global::new(1);

/// Looks one key up in a hash map.
#[xdp(frags)]
fn limpet_floor_hash(ctx: XdpContext) -> u32 {
    let Some(packet) = packet(&ctx) else { return xdp_action::XDP_ABORTED };
    let key = [place(&packet).into(), 0, 1];
    // SAFETY: what is found is compared with nothing and not kept.
    let found = unsafe { KEYS.get(key) }.is_some();
    if found == (THERE.load() != 0) { xdp_action::XDP_PASS } else { xdp_action::XDP_DROP }
}

/// Reads one line.
#[xdp(frags)]
fn limpet_floor_line(ctx: XdpContext) -> u32 {
    let Some(line) = packet(&ctx).and_then(|packet| LINES.get(place(&packet))) else {
        return xdp_action::XDP_ABORTED;
    };
    if line[0] == u64::MAX { xdp_action::XDP_DROP } else { xdp_action::XDP_PASS }
}

/// 0 -> what [`limpet_floor_wait`] read last.
#[btf_map]
static LAST: Array<u64, 1> = Array::new();

/// Reads one line, and waits for it: which one it is depends on what was read for the packet before.
#[xdp(frags)]
fn limpet_floor_wait(ctx: XdpContext) -> u32 {
    let Some(last) = LAST.get_ptr_mut(0) else { return xdp_action::XDP_ABORTED };
    // All lines are zero, which the processor does not know.
    // SAFETY: a bench runs on one CPU.
    let line = packet(&ctx).and_then(|packet| LINES.get(place(&packet) ^ unsafe { *last } as u32));
    let Some(line) = line else { return xdp_action::XDP_ABORTED };
    // SAFETY: as above.
    unsafe { *last = line[0] };
    xdp_action::XDP_PASS
}

/// Writes one line.
#[xdp(frags)]
fn limpet_floor_write(ctx: XdpContext) -> u32 {
    let Some(line) = packet(&ctx).and_then(|packet| LINES.get_ptr_mut(place(&packet))) else {
        return xdp_action::XDP_ABORTED;
    };
    // SAFETY: an element of the map; a bench runs on one CPU.
    unsafe { (*line)[0] = 1 };
    xdp_action::XDP_PASS
}

#[inline(always)]
fn packet(ctx: &XdpContext) -> Option<Packet<V4>> {
    parse::packet(&XdpFrame::new(ctx)).ok()
}

/// A place in a table for the packet's source. Mixed twice: after once, those of consecutive sources are at equal
/// distances, which processors foresee.
#[inline(always)]
fn place(packet: &Packet<V4>) -> u32 {
    let source = u64::from(packet.source.address.word(0)) << 16 | u64::from(packet.source.port.raw());
    let mixed = (source ^ source >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as u32 & MASK.load()
}
