//! The program of `limpet decap`: [`lb_common::decap`] with BPF maps for rules.
#![no_std]
#![no_main]
#![expect(clippy::needless_pass_by_value, reason = "the attribute `xdp` hands the context over by value")]

mod frame;

use core::ptr;

use aya_ebpf::{
    Global,
    bindings::xdp_action,
    btf_maps::{LpmTrie, PerCpuArray, lpm_trie::Key},
    macros::{btf_map, xdp},
    programs::XdpContext,
};
use lb_common::{
    decap::{self, Reason, Rule, Rules},
    net::Be16,
    reason::Kind,
};

use crate::frame::XdpFrame;

/// The words of a [`Rule`] behind the number of bits that count.
type Words = [u32; 5];

/// Prefix of a role and address -> 1; written by the daemon. [`Rule`] is its key.
#[btf_map]
static RULES: LpmTrie<Words, u32, { Rule::ROOM }> = LpmTrie::new();

/// Reason -> number of times; written here, read by the daemon.
#[btf_map]
static COUNTERS: PerCpuArray<u64, { Reason::COUNT }> = PerCpuArray::new();

/// The UDP port of GUE tunnels, host order; set by the loader.
#[unsafe(no_mangle)]
static GUE_PORT: Global<u16> = Global::new(0);

struct BpfRules;

impl Rules for BpfRules {
    #[inline(always)]
    fn gue_port(&self) -> Be16 {
        Be16::new(GUE_PORT.load())
    }

    #[inline(always)]
    fn allows(&self, asked: &Rule) -> bool {
        const { assert!(size_of::<Key<Words>>() == size_of::<Rule>()) };
        // SAFETY: both are six words without padding, the bits that count first; a `Key` needs no alignment.
        let key = unsafe { &*ptr::from_ref(asked).cast::<Key<Words>>() };
        RULES.get(key).is_some()
    }

    #[inline(always)]
    fn count(&self, reason: Reason) {
        if let Some(counter) = COUNTERS.get_ptr_mut(reason as u32) {
            // SAFETY: this CPU's own element.
            unsafe { *counter += 1 };
        }
    }
}

/// Unwraps tunnel packets to this host, passes everything else.
#[xdp(frags)]
fn limpet_decap(ctx: XdpContext) -> u32 {
    match decap::process(&mut XdpFrame::new(&ctx), &BpfRules).kind() {
        Kind::Drop => xdp_action::XDP_DROP,
        _ => xdp_action::XDP_PASS,
    }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here panics; see the packet program.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
