//! The XDP program: an entry point over [`lb_common::engine`], with BPF maps for tables.
#![no_std]
#![no_main]
#![expect(clippy::needless_pass_by_value, reason = "the attribute `xdp` hands the context over by value")]

mod aside;
mod clock;
mod frame;
mod maps;
mod tables;

use aya_ebpf::{bindings::xdp_action, helpers::bpf_redirect, macros::xdp, programs::XdpContext};
use lb_common::engine::{self, Fate, Verdict};

use crate::{
    frame::XdpFrame,
    maps::{NEW, PROGRAMS, RARE},
    tables::BpfTables,
};

/// Balances what is for a service, passes everything else.
#[xdp(frags)]
fn limpet(ctx: XdpContext) -> u32 {
    let fate = engine::common(&mut XdpFrame::new(&ctx), &BpfTables);
    conclude(&ctx, fate)
}

/// What [`limpet`] leaves to it: a program of its own, as is the next, so that none takes stack, nor
/// instructions that the verifier walks, from the others.
#[xdp(frags)]
fn limpet_rare(ctx: XdpContext) -> u32 {
    let fate = engine::rare(&mut XdpFrame::new(&ctx), &BpfTables);
    conclude(&ctx, fate)
}

/// SYNs, and connections that the other two don't know.
#[xdp(frags)]
fn limpet_new(ctx: XdpContext) -> u32 {
    let fate = engine::fresh(&mut XdpFrame::new(&ctx), &BpfTables);
    conclude(&ctx, fate)
}

#[inline(always)]
fn conclude(ctx: &XdpContext, mut fate: Fate) -> u32 {
    // Most are sent, and asked nothing else.
    if !fate.is_sent() {
        // A call each, and not one with a variable: to a place that it knows the kernel jumps directly, which is
        // some 20 ns less where indirect jumps are guarded (retpolines).
        if fate == Fate::NEW {
            // SAFETY: the context is the one that the kernel called us with.
            unsafe { PROGRAMS.tail_call(ctx, NEW) };
            // The daemon fills the places before it attaches.
            return xdp_action::XDP_ABORTED;
        }
        if fate == Fate::RARE {
            // SAFETY: as above.
            unsafe { PROGRAMS.tail_call(ctx, RARE) };
            // Or the compiler would make one call of both.
            return core::hint::black_box(xdp_action::XDP_ABORTED);
        }
        if fate.wants_answer() {
            fate = fate.answered(&mut XdpFrame::new(ctx), &BpfTables);
        }
    }
    log(ctx, fate.reason());
    match fate.conclude(&BpfTables) {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Send { ifindex } if ifindex == ctx.ingress_ifindex() as u32 => xdp_action::XDP_TX,
        // SAFETY: the helper takes plain numbers; it returns XDP_REDIRECT or XDP_ABORTED.
        Verdict::Send { ifindex } => unsafe { bpf_redirect(ifindex, 0) as u32 },
    }
}

/// Passes everything. A veth delivers packets that its peer sent with XDP_TX or redirect only if it
/// has an XDP program itself; the demo and the tests attach this one.
#[xdp(frags)]
fn limpet_pass(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

// Not inlined: its locals would lie below those of the whole packet path.
#[cfg(feature = "log")]
#[inline(never)]
fn log(ctx: &XdpContext, reason: lb_common::reason::Reason) {
    aya_log_ebpf::debug!(ctx, "{}", reason.name());
}

#[cfg(not(feature = "log"))]
#[inline(always)]
fn log(_ctx: &XdpContext, _reason: lb_common::reason::Reason) {}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing on the packet path panics: indexing is checked away by the compiler or goes through
    // `Option`. A panic that stayed in would be a loop that the verifier refuses.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
