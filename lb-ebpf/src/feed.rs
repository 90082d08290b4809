//! For `cargo xtask bench`, `bench-path` and the flood test only: changes the packet between two repeats of a test run, then
//! jumps into the program under test. What that costs is measured with the pass-all program behind it, and taken off.
//!
//! The kernel hands the same packet to every repeat, as the last one left it. So to meet many connections,
//! each repeat is given another IPv4 source; and what a repeat has wrapped must be unwrapped.
#![no_std]
#![no_main]
#![expect(clippy::needless_pass_by_value, reason = "the attribute `xdp` hands the context over by value")]

mod flood;
mod floor;
mod frame;
mod path;
mod segment;

use aya_ebpf::{
    Global,
    bindings::xdp_action,
    btf_maps::{Array, ProgramArray},
    helpers::{bpf_xdp_adjust_head, bpf_xdp_get_buff_len},
    macros::{btf_map, xdp},
    programs::XdpContext,
};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Offset of the IPv4 source address behind an Ethernet header.
const SOURCE: usize = 14 + 12;
/// Offset of the source port behind an IPv4 header without options.
const PORT: usize = 14 + 20;
/// Clients take turns: consecutive packets come from different ones. A power of two.
const CLIENTS: u32 = 16_384;

/// Number of different sources, after which the first comes again; set by the loader.
#[unsafe(no_mangle)]
static SOURCES: Global<u32> = Global::new(1);

/// 0 -> the number of the next source; set by the loader.
#[btf_map]
static NEXT: Array<u32, 1> = Array::new();

/// 0 -> the program under test; set by the loader.
#[btf_map]
static TARGET: ProgramArray<1> = ProgramArray::new();

/// Changes the packet's source and goes on to the program under test.
#[xdp(frags)]
fn limpet_feed(ctx: XdpContext) -> u32 {
    vary(&ctx);
    // SAFETY: the context is the one that the kernel called us with.
    unsafe { TARGET.tail_call(&ctx, 0) };
    xdp_action::XDP_ABORTED
}

/// Bytes of the packet that is to be measured; set by the loader.
#[unsafe(no_mangle)]
static LENGTH: Global<u32> = Global::new(0);

/// Its Ethernet type, in network order; set by the loader.
#[unsafe(no_mangle)]
static TYPE: Global<u32> = Global::new(0);

/// Takes off what the last repeat put before the packet, and goes on to the program under test.
///
/// The helpers are called where there is nothing to take off, too: so they cost the same with the pass-all program
/// behind it.
#[xdp(frags)]
fn limpet_unwrap(ctx: XdpContext) -> u32 {
    // SAFETY: the context is the one that the kernel called us with.
    let grown = unsafe { bpf_xdp_get_buff_len(ctx.ctx) } as i32 - LENGTH.load() as i32;
    // SAFETY: as above.
    unsafe { bpf_xdp_adjust_head(ctx.ctx, grown) };
    let packet = ctx.data();
    if packet + ETHERNET > ctx.data_end() {
        return xdp_action::XDP_ABORTED;
    }
    // SAFETY: inside the packet, as checked above; unaligned.
    unsafe { (packet as *mut u64).write_unaligned(0x0202_0000_0000_0002) };
    // SAFETY: as above.
    unsafe { ((packet + 8) as *mut u32).write_unaligned(0) };
    // SAFETY: as above.
    unsafe { ((packet + 12) as *mut u16).write_unaligned(TYPE.load() as u16) };
    // SAFETY: the context is the one that the kernel called us with.
    unsafe { TARGET.tail_call(&ctx, 0) };
    xdp_action::XDP_ABORTED
}

#[inline(always)]
fn vary(ctx: &XdpContext) -> Option<()> {
    let next = NEXT.get_ptr_mut(0)?;
    // SAFETY: a bench runs on one CPU.
    let number = unsafe { *next };
    let following = if number + 1 >= SOURCES.load() { 0 } else { number + 1 };
    // SAFETY: as above.
    unsafe { *next = following };

    let packet = ctx.data();
    if packet + PORT + size_of::<u16>() > ctx.data_end() {
        return None;
    }
    let address = 0x0a00_0000 | (number % CLIENTS);
    let port = 1024 + (number / CLIENTS) as u16;
    // SAFETY: inside the packet, as checked above; unaligned.
    unsafe { ((packet + SOURCE) as *mut u32).write_unaligned(address.to_be()) };
    // SAFETY: as above.
    unsafe { ((packet + PORT) as *mut u16).write_unaligned(port.to_be()) };
    Some(())
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here panics; see the packet program.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
