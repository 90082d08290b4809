//! The packet path's clock: see [`Clock`].

use aya_ebpf::{
    bindings::xdp_action,
    helpers::generated::{bpf_jiffies64, bpf_ktime_get_coarse_ns},
    macros::xdp,
    programs::XdpContext,
};
use lb_common::{
    frame::Frame as _,
    time::{Clock, Tick},
};

use crate::frame::XdpFrame;

static CLOCK: Clock = Clock::new();

/// The tick of this moment.
#[inline(always)]
pub(crate) fn now() -> Tick {
    CLOCK.tick(jiffies())
}

/// Sets the clock, for all programs of this object. Run once by the daemon, with a "packet" that begins with the
/// nanoseconds of a jiffy in the machine's order.
#[xdp]
fn limpet_clock(ctx: XdpContext) -> u32 {
    let Some(nanos) = XdpFrame::new(&ctx).read::<u32>(0) else { return xdp_action::XDP_ABORTED };
    // SAFETY: the helper takes nothing and returns a number.
    CLOCK.set(nanos.into(), jiffies(), unsafe { bpf_ktime_get_coarse_ns() });
    xdp_action::XDP_PASS
}

#[inline(always)]
fn jiffies() -> u64 {
    // SAFETY: the helper takes nothing and returns a number. The kernel puts a load in its place.
    unsafe { bpf_jiffies64() }
}
