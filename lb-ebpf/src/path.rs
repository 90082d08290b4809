//! For `cargo xtask bench-path` only: both ends of a path, and the least that can be between them.
//!
//! Frames come from live test runs. The kernel uses their memory again, and what it holds then is what the last
//! way has made of it: each header field that a balancer or an answer changes is written anew.

use aya_ebpf::{
    Global,
    bindings::xdp_action,
    btf_maps::PerCpuArray,
    helpers::{bpf_get_smp_processor_id, bpf_redirect},
    macros::{btf_map, xdp},
    programs::XdpContext,
};

use crate::segment::{ACK, SYN, Segment, fold, halves};

const IPV4: u16 = 0x0800u16.to_be();
const TCP: u8 = 6;
/// Bits of a source address below the number of the CPU that it belongs to.
const CPU_SHIFT: u32 = 12;
/// What each side counts from: it says this number in its SYN, and the next one from then on.
const FIRST: u32 = 1;

/// Flows of each CPU; set by the loader.
#[unsafe(no_mangle)]
static FLOWS: Global<u32> = Global::new(1);

/// The first source address, host order.
#[unsafe(no_mangle)]
static CROWD: Global<u32> = Global::new(0);

/// Where frames go, as it stands in a header.
#[unsafe(no_mangle)]
static TARGET_ADDRESS: Global<u32> = Global::new(0);

/// The same, the port.
#[unsafe(no_mangle)]
static TARGET_PORT: Global<u16> = Global::new(0);

/// The two Ethernet addresses of frames that leave, as they stand in a header; at the other end, the first must be
/// that of frames that come.
#[unsafe(no_mangle)]
static PATH_MACS: Global<[u32; 3]> = Global::new([0; 3]);

/// The flags of the TCP header.
#[unsafe(no_mangle)]
static FLAGS: Global<u8> = Global::new(0);

/// One's-complement sums of what stays the same in the IPv4 header, and in the pseudo-header and the segment.
#[unsafe(no_mangle)]
static PATH_SUMS: Global<[u32; 2]> = Global::new([0; 2]);

/// Where frames must be addressed to when they arrive: an address and the bits of it that count, as they stand in a
/// header.
#[unsafe(no_mangle)]
static EXPECTED: Global<[u32; 2]> = Global::new([0; 2]);

/// Of this protocol.
#[unsafe(no_mangle)]
static EXPECTED_PROTOCOL: Global<u8> = Global::new(0);

/// Interface that [`limpet_path_redirect`] sends to.
#[unsafe(no_mangle)]
static BEHIND: Global<u32> = Global::new(0);

/// 0 -> the flow that is next on this CPU.
#[btf_map]
static TURN: PerCpuArray<u32, 1> = PerCpuArray::new();

/// [`ARRIVED`], [`OPENED`] or [`STRAY`] -> number of frames; read by the loader.
#[btf_map]
static SEEN: PerCpuArray<u64, 3> = PerCpuArray::new();
/// As they should.
const ARRIVED: u32 = 0;
/// The same, and were answered.
const OPENED: u32 = 1;
/// Elsewhere than they should.
const STRAY: u32 = 2;

/// Makes the frame the next flow's, and sends it out of the interface that it is said to have come in by.
#[xdp]
fn limpet_path_source(mut ctx: XdpContext) -> u32 {
    match vary(&mut ctx) {
        Some(()) => xdp_action::XDP_TX,
        None => xdp_action::XDP_ABORTED,
    }
}

#[inline(always)]
fn vary(ctx: &mut XdpContext) -> Option<()> {
    let turn = TURN.get_ptr_mut(0)?;
    // SAFETY: this CPU's own element.
    let number = unsafe { *turn };
    let following = if number + 1 >= FLOWS.load() { 0 } else { number + 1 };
    // SAFETY: as above.
    unsafe { *turn = following };
    // SAFETY: the helper only tells a number.
    let cpu = unsafe { bpf_get_smp_processor_id() };

    let frame = Segment::of(ctx)?;
    let ([ip, tcp], flags) = (PATH_SUMS.load(), FLAGS.load());
    let source = (CROWD.load() | cpu << CPU_SHIFT | number).to_be();
    let port = (1024 + number as u16).to_be();
    let next = if flags == SYN { [FIRST, 0] } else { [FIRST + 1; 2] };
    frame.macs = PATH_MACS.load();
    frame.network = IPV4;
    frame.ttl = 64;
    frame.check = fold(ip + halves(source));
    frame.source = source;
    frame.destination = TARGET_ADDRESS.load();
    frame.source_port = port;
    frame.destination_port = TARGET_PORT.load();
    [frame.sequence, frame.acknowledged] = next.map(u32::to_be);
    frame.flags = flags;
    frame.tcp_check = fold(tcp + halves(source) + u32::from(port));
    Some(())
}

/// Counts what arrives, answers those that begin a connection, and drops the others.
#[xdp]
fn limpet_path_sink(mut ctx: XdpContext) -> u32 {
    let Some(frame) = Segment::of(&mut ctx) else { return xdp_action::XDP_PASS };
    if frame.network != IPV4 {
        return xdp_action::XDP_PASS;
    }
    let (mac, [address, mask]) = (PATH_MACS.load(), EXPECTED.load());
    let is_ours = frame.macs[0] == mac[0]
        && frame.macs[1] as u16 == mac[1] as u16
        && frame.destination & mask == address
        && frame.protocol == EXPECTED_PROTOCOL.load();
    let fate = match is_ours {
        false => STRAY,
        true if frame.protocol == TCP && frame.flags == SYN => OPENED,
        true => ARRIVED,
    };
    if let Some(count) = SEEN.get_ptr_mut(fate) {
        // SAFETY: this CPU's own element.
        unsafe { *count += 1 };
    }
    if fate != OPENED {
        return xdp_action::XDP_DROP;
    }
    answer(frame);
    xdp_action::XDP_TX
}

/// Makes a SYN its own answer.
#[inline(always)]
fn answer(frame: &mut Segment) {
    let [to, between, from] = frame.macs;
    let low = |word: u32| word & 0xffff;
    // Six bytes of each: one word and a half.
    frame.macs = [between >> 16 | from << 16, from >> 16 | to << 16, to >> 16 | low(between) << 16];
    frame.turn();
    let next = FIRST + 1;
    frame.acknowledged = next.to_be();
    frame.flags = SYN | ACK;
    // What was turned round leaves the sum as it was, and what is new was zero.
    let new = u32::from((next as u16).to_be()) + u32::from(u16::from(ACK).to_be());
    frame.tcp_check = fold(u32::from(!frame.tcp_check) + new);
}

/// Sends everything on, unseen.
#[xdp]
fn limpet_path_redirect(_ctx: XdpContext) -> u32 {
    // SAFETY: the helper takes any index.
    unsafe { bpf_redirect(BEHIND.load(), 0) as u32 }
}
