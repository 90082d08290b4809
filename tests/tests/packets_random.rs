//! The same random packets on the host engine and in the kernel: same fate, bytes and counters at
//! every step.

use std::{env, time::Duration};

use lb_common::{reason::Reason, state::BackendId, tables::Store};
use limpet_tests::packets::{
    kernel::{Kernel, pin_to, settle, tick},
    random::{GEOMETRY, Source, Step},
    table::{Action, Host, World},
};

/// Steps in a sequence.
const STEPS: usize = 40_000;
/// Sessions expire and connections age at a tick's end: one is waited for after this many.
const TICK: usize = 10_000;
/// Environment variable that names a seed to run again.
const SEED: &str = "LIMPET_TEST_SEED";

#[test]
fn both_worlds_agree() {
    // The first CPU's walk over source ports starts where the host engine's does.
    pin_to(0);
    let seed = env::var(SEED).map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    let (mut kernel, mut host) = (Kernel::new(GEOMETRY), Host::new(GEOMETRY));
    host.sides = kernel.sides();
    let mut source = Source::new(seed);
    for site in source.sites.clone() {
        site.install(&mut kernel);
        site.install(&mut host);
    }
    let mut fates = [0; 4];
    for number in 0..STEPS {
        let place = format!("step {number} of {SEED}={seed}");
        if number % TICK == 0 {
            kernel.wait(1);
        }
        match source.step() {
            Step::Change(change) => {
                change.apply(&mut kernel);
                change.apply(&mut host);
            }
            Step::Packet(frame, side) => {
                settle(Duration::from_millis(50));
                host.tables.now.set(tick());
                let (here, there) = (host.run(&frame, side), kernel.run(&frame, side));
                assert_eq!(tick(), host.tables.now.get(), "the test was held up; {place}");
                let same = same_action(here.action, there.action) && here.bytes == there.bytes;
                assert!(same, "{place}: {frame:02x?} by {side:?}\nhost   {here:02x?}\nkernel {there:02x?}");
                assert_eq!(host.reasons(), kernel.reasons(), "{place}: {frame:02x?} by {side:?}");
                fates[match here.action {
                    Action::Pass => 0,
                    Action::Drop => 1,
                    Action::Tx => 2,
                    Action::Redirect(_) => 3,
                }] += 1;
                if host.last == Reason::ToBackend {
                    source.note(&here.bytes);
                }
            }
        }
    }
    for id in (0..16).map(BackendId) {
        assert_eq!(host.traffic(id), kernel.traffic(id), "traffic of {id:?}; {SEED}={seed}");
    }
    assert_eq!(sessions(&host), sorted(kernel.sessions()), "{SEED}={seed}");
    // A sequence in which nothing happens shows nothing.
    assert!(
        fates.iter().all(|&fate| fate > STEPS / 100),
        "pass, drop, tx, redirect: {fates:?}; {SEED}={seed}"
    );
    let idle: Vec<_> = host.reasons().into_iter().filter(|(_, count)| *count == 0).collect();
    let idle: Vec<_> = idle.into_iter().map(|(reason, _)| reason).collect();
    // A thousand answers in a tick are a test of their own, and test runs leave room before packets.
    assert_eq!(idle, [Reason::TooBig, Reason::NoHeadroom], "never counted; {SEED}={seed}");
}

fn same_action(here: Action, there: Action) -> bool {
    match (here, there) {
        // The kernel's result does not say where to.
        (Action::Redirect(_), Action::Redirect(_)) => true,
        (here, there) => here == there,
    }
}

type Stored = (Store, lb_common::net::Ip, BackendId);

fn sessions(host: &Host) -> Vec<Stored> {
    let stores = [Store::Pins, Store::Affinity].into_iter().zip(&host.tables.sessions);
    let mut all = Vec::new();
    for (store, sessions) in stores {
        all.extend(sessions.borrow().iter().map(|(key, pin)| (store, key.client, pin.load().backend)));
    }
    sorted(all)
}

fn sorted(mut sessions: Vec<Stored>) -> Vec<Stored> {
    sessions.sort_by_key(|(store, client, id)| (*store == Store::Pins, *client, *id));
    sessions
}
