//! For `cargo xtask bench` and the flood test only: gives each repeat of a test run another IPv4 source, then jumps into
//! the program under test.
//!
//! The kernel hands the same packet to every repeat of a test run, so the only way to meet many
//! connections is to change the packet between two repeats. What that costs is measured with the
//! pass-all program behind it, and taken off.
#![no_std]
#![no_main]
#![expect(clippy::needless_pass_by_value, reason = "the attribute `xdp` hands the context over by value")]

mod flood;

use aya_ebpf::{
    Global,
    bindings::xdp_action,
    btf_maps::{Array, ProgramArray},
    macros::{btf_map, xdp},
    programs::XdpContext,
};

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
