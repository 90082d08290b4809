//! Time that goes by at once: every stamp is moved back instead of the clock forward.
//!
//! The kernel's clock can't be set. But the packet path only ever looks at differences, so a table whose
//! stamps are older is a table some time later, in the kernel as on the host.

use std::rc::Rc;

use lb_common::{
    host::HostTables,
    shared::Word,
    state::{Bucket, Budget, Ghost, Health, Meter, Pin, Port, flow::Entry},
    time::Tick,
};

/// Moves the stamps of flows.
pub fn flows(buckets: &[Bucket], now: Tick, by: i32) {
    for way in buckets.iter().flat_map(|bucket| &bucket.ways) {
        let entry = way.entry();
        if !entry.is_empty() {
            let seen = now.0.wrapping_sub(entry.idle(now)).wrapping_add_signed(by);
            let came_by = (0..8).find(|&ingress| entry.came_by(ingress)).unwrap_or(0);
            way.refresh(entry, Entry::new(entry.target(), entry.phase(), Tick(seen)).by(came_by));
        }
    }
}

/// Moves the stamps of source ports.
pub fn ports(ports: &[Port], by: i32) {
    for port in ports {
        let stamp = port.stamp();
        if stamp.is_taken() {
            assert!(port.claim(stamp, stamp.used(moved(stamp.seen(), by))), "nobody else is here");
        }
    }
}

/// Expenses, as of another tick.
pub const fn budget(mut budget: Budget, by: i32) -> Budget {
    budget.tick = budget.tick.saturating_add_signed(by);
    budget.full = budget.full.saturating_add_signed(by);
    budget
}

/// A backend's state, as of another tick.
pub const fn health(word: u32, by: i32) -> u32 {
    Health::from_word(word).word(moved(Health::since(word), by))
}

/// What clients are recognised by, as of another tick.
pub fn ghosts(ghosts: &[Word], now: Tick, by: i32) {
    for place in ghosts {
        let ghost = Ghost(place.load());
        if ghost.0 != 0 {
            let seen = Tick(now.0.wrapping_sub(ghost.idle(now)).wrapping_add_signed(by));
            place.store(ghost.used(seen).0);
        }
    }
}

/// Answers that were sent, as of another tick.
pub const fn meter(mut meter: Meter, by: i32) -> Meter {
    meter.tick = moved(meter.tick, by);
    meter
}

/// A session with its times moved.
pub fn pin(pin: Pin, by: i32) -> Pin {
    Pin { created: moved(pin.created, by), seen: moved(pin.seen, by), ..pin }
}

/// Moves all stamps of the host's tables.
pub fn host(tables: &mut HostTables, by: i32) {
    flows(&tables.flows, tables.now.get(), by);
    flows(&tables.fragments, tables.now.get(), by);
    ports(&tables.ports, by);
    ghosts(&tables.ghosts, tables.now.get(), by);
    for word in &mut tables.health {
        *word = health(*word, by);
    }
    tables.answers.set(meter(tables.answers.get(), by));
    tables.budget.set(budget(tables.budget.get(), by));
    for sessions in &tables.sessions {
        for session in sessions.borrow_mut().values_mut() {
            *session = Rc::new(pin(session.load(), by).into());
        }
    }
}

const fn moved(tick: Tick, by: i32) -> Tick {
    Tick(tick.0.saturating_add_signed(by))
}
