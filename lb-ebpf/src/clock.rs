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
/// nanoseconds of a jiffy and the seconds that the machine was suspended, in its order.
#[xdp]
fn limpet_clock(ctx: XdpContext) -> u32 {
    let frame = XdpFrame::new(&ctx);
    let (Some(nanos), Some(asleep)) = (frame.read::<u32>(0), frame.read::<u32>(4)) else {
        return xdp_action::XDP_ABORTED;
    };
    // SAFETY: the helper takes nothing and returns a number.
    let awake = unsafe { bpf_ktime_get_coarse_ns() };
    CLOCK.set(nanos.into(), jiffies(), awake + u64::from(asleep) * 1_000_000_000);
    xdp_action::XDP_PASS
}

#[inline(always)]
fn jiffies() -> u64 {
    // SAFETY: the helper takes nothing and returns a number. The kernel puts a load in its place.
    unsafe { bpf_jiffies64() }
}
