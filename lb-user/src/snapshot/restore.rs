//! Which sessions of a snapshot still hold, and what they are in the maps.

use std::collections::HashMap;

use lb_common::state::{Pin, Policy, SessionKey};

use super::{Entry, Home, Moment, Snapshot};
use crate::plan::{self, State};

/// How many sessions the maps take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// In `PINS`.
    pub pins: usize,
    /// In `AFFINITY`.
    pub affinity: usize,
}

/// What goes into the maps, the oldest first: an LRU map makes room by what came first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restored {
    /// For `PINS`.
    pub pins: Vec<(SessionKey, Pin)>,
    /// For `AFFINITY`.
    pub affinity: Vec<(SessionKey, Pin)>,
    /// What became of all of them.
    pub tally: Tally,
}

/// What became of a snapshot's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// They hold again.
    pub restored: u64,
    /// Idle for too long or too old by now.
    pub expired: u64,
    /// Their service or backend is gone, or the service keeps no sessions any more.
    pub gone: u64,
    /// Their backend is another one: it has another address or port, or its service another address or forwarding.
    pub changed: u64,
    /// The maps are smaller than they were; those idle for longest were left out.
    pub no_room: u64,
    /// Nobody knows whose they were: that part of the file is damaged.
    pub unknown: u64,
    /// The snapshot is from the future by so many seconds: the wall clock was set back. It counts as written now.
    pub ahead_s: u64,
}

/// Where sessions of a home go.
#[derive(Clone, Copy)]
enum Place {
    At { fresh: Pin, scope: u64, idle_ticks: u32, lifetime_ticks: u32 },
    Gone,
    Changed,
}

/// Decides about every session of `snapshot`, with `state` installed.
#[must_use]
pub fn restore(snapshot: &Snapshot, state: &State, now: Moment, room: Room) -> Restored {
    let timeouts: HashMap<_, _> = state
        .services
        .values()
        // At services of HTTP clients may be known by what is no address.
        .filter(|service| [Policy::BY_CLIENT, Policy::LOCAL].iter().any(|&it| service.entry.policy.has(it)))
        .map(|service| (service.entry.scope, (service.entry.idle_ticks, service.entry.lifetime_ticks)))
        .collect();
    let place = |home: &Home| {
        let scope = plan::scope(&home.key.service);
        let (Some(backend), Some(&(idle_ticks, lifetime_ticks))) =
            (state.backends.get(&home.key), timeouts.get(&scope))
        else {
            return Place::Gone;
        };
        if !plan::same_home(&home.key, &backend.recipe, &home.recipe) {
            return Place::Changed;
        }
        let fresh = Pin::new(backend.id, backend.recipe.generation, now.tick);
        Place::At { fresh, scope, idle_ticks, lifetime_ticks }
    };
    let places = snapshot.homes.iter().map(|(&at, home)| (at, place(home))).collect();
    let mut tally = Tally { ahead_s: snapshot.written.saturating_sub(now.wall), ..Tally::default() };
    let mut decide =
        |entries: &[Entry], room| decide(entries, snapshot.written, &places, now, room, &mut tally);
    let pins = decide(&snapshot.pins, room.pins);
    let affinity = decide(&snapshot.affinity, room.affinity);
    tally.restored = (pins.len() + affinity.len()) as u64;
    Restored { pins, affinity, tally }
}

fn decide(
    entries: &[Entry],
    written: u64,
    places: &HashMap<u32, Place>,
    now: Moment,
    room: usize,
    tally: &mut Tally,
) -> Vec<(SessionKey, Pin)> {
    // A wall clock that was set back counts as one that stood still: ages are those of the moment of writing.
    let away = now.wall.saturating_sub(written);
    let age = |then: u32| written.saturating_sub(then.into()) + away;
    let mut live = Vec::with_capacity(entries.len());
    for entry in entries {
        let (fresh, scope, idle_ticks, lifetime_ticks) = match places.get(&entry.home) {
            Some(&Place::At { fresh, scope, idle_ticks, lifetime_ticks }) => {
                (fresh, scope, idle_ticks, lifetime_ticks)
            }
            Some(Place::Gone) => {
                tally.gone += 1;
                continue;
            }
            Some(Place::Changed) => {
                tally.changed += 1;
                continue;
            }
            None => {
                tally.unknown += 1;
                continue;
            }
        };
        let (created, seen) = (now.tick_before(age(entry.created)), now.tick_before(age(entry.seen)));
        let pin = Pin { created, seen, connections: entry.connections.into(), ..fresh };
        if pin.expired(now.tick, idle_ticks, lifetime_ticks) {
            tally.expired += 1;
        } else {
            live.push((SessionKey { scope, client: entry.client }, pin));
        }
    }
    live.sort_unstable_by_key(|(_, pin)| now.tick.since(pin.seen));
    tally.no_room += live.len().saturating_sub(room) as u64;
    live.truncate(room);
    live.reverse();
    live
}
