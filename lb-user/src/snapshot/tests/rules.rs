//! Which sessions hold.

use lb_common::{
    net::{Be16, Ip},
    state::{Backend, BackendId, Health, Policy, Service, ServiceKey},
    tables::Store,
    time::Tick,
};

use super::{
    super::{Entry, Home, Moment, Restored, Room, Snapshot, Tally, read, restore},
    WRITTEN, bytes, entry, home,
};
use crate::plan::{self, BackendState, ServiceState, State};

const ROOM: Room = Room { pins: 100, affinity: 100 };
/// Up for half a minute.
const UPTIME: Tick = Tick(28);

/// Service `web` with `homes`, ids from 1 on, idle timeout of 600 s and lifetime of an hour.
fn installed(homes: &[Home]) -> State {
    let mut state = State::default();
    for (id, home) in (1..).zip(homes) {
        let recipe = Backend { generation: 7, ifindex: 3, ..home.recipe };
        let backend = BackendState { id: BackendId(id), recipe, health: Health::Up, weight: None };
        state.backends.insert(home.key.clone(), backend);
    }
    let ticks = |seconds: u64| Tick::covering(seconds * 1_000_000_000);
    let entry = Service {
        scope: plan::scope("web"),
        idle_ticks: ticks(600),
        lifetime_ticks: ticks(3600),
        policy: Policy::BY_CLIENT,
        ..Service::default()
    };
    let key = ServiceKey::new(Ip::default(), Be16::new(80), 6);
    state.services.insert(key, ServiceState { entry, table: None });
    state
}

fn snapshot(homes: &[Home], pins: &[Entry]) -> Snapshot {
    let pins: Vec<_> = pins.iter().map(|&entry| (Store::Pins, entry)).collect();
    read(&*bytes(homes, &pins)).unwrap()
}

/// `away` seconds after the snapshot, on a machine that was started meanwhile.
fn at(away: u64) -> Moment {
    Moment { wall: WRITTEN + away, tick: UPTIME }
}

fn clients(restored: &Restored) -> Vec<Ip> {
    restored.pins.iter().map(|(key, _)| key.client).collect()
}

#[test]
fn sessions_go_on_where_they_were() {
    let homes = [home(1), home(2)];
    let snapshot = snapshot(&homes, &[entry(1, 0, 100, 50), entry(2, 1, 100, 0)]);
    // Ids are given anew.
    let restored = restore(&snapshot, &installed(&[home(2), home(1)]), at(60), ROOM);
    assert_eq!(restored.tally, Tally { restored: 2, ..Tally::default() });
    for ((key, pin), (number, id, idle)) in restored.pins.iter().zip([(1, 2, 110), (2, 1, 60)]) {
        assert_eq!(key.client, entry(number, 0, 0, 0).client);
        assert_eq!((pin.backend, pin.generation), (BackendId(id), 7));
        let (age, idled) = (UPTIME.since(pin.created), UPTIME.since(pin.seen));
        assert!(Tick::seconds(age) <= 160.0 && Tick::seconds(age) > 158.0, "{age}");
        assert!(Tick::seconds(idled) <= f64::from(idle) && Tick::seconds(idled) > f64::from(idle) - 2.0);
    }
}

#[test]
fn time_away_counts() {
    let homes = [home(1)];
    let sessions = [entry(1, 0, 100, 0), entry(2, 0, 100, 99), entry(3, 0, 3_100, 0)];
    let snapshot = snapshot(&homes, &sessions);
    let left = |away| clients(&restore(&snapshot, &installed(&homes), at(away), ROOM)).len();
    assert_eq!([0, 499, 503, 590, 603].map(left), [3, 3, 1, 1, 0]);
    let tally = restore(&snapshot, &installed(&homes), at(503), ROOM).tally;
    assert_eq!(tally, Tally { restored: 1, expired: 2, ..Tally::default() });
}

#[test]
fn a_clock_that_was_set_back_counts_as_one_that_stood_still() {
    let homes = [home(1)];
    let snapshot = snapshot(&homes, &[entry(1, 0, 3_000, 500), entry(2, 0, 3_000, 610)]);
    let back = Moment { wall: WRITTEN - 86_400, tick: UPTIME };
    let restored = restore(&snapshot, &installed(&homes), back, ROOM);
    assert_eq!(restored.tally, Tally { restored: 1, expired: 1, ahead_s: 86_400, ..Tally::default() });
    let (_, pin) = restored.pins[0];
    assert!((498.0..=500.0).contains(&Tick::seconds(UPTIME.since(pin.seen))));
}

#[test]
fn nobody_inherits_by_a_name_or_an_address_alone() {
    let homes = [home(1), home(2), home(3)];
    let sessions: Vec<_> = (0..3).map(|number| entry(number, number, 100, 50)).collect();
    let snapshot = snapshot(&homes, &sessions);
    let other_address = Home::new(home(1).key, &home(9).recipe);
    let other_name = Home::new(home(8).key, &home(2).recipe);
    let other_port = Home::new(home(3).key, &Backend { port: Be16::new(1), ..home(3).recipe });
    let restored = restore(&snapshot, &installed(&[other_address, other_name, other_port]), at(0), ROOM);
    assert_eq!(restored.tally, Tally { gone: 1, changed: 2, ..Tally::default() });
    let moved = |change: fn(&mut Backend)| {
        let mut other = home(1);
        change(&mut other.recipe);
        restore(&snapshot, &installed(&[other]), at(0), ROOM).tally.changed
    };
    assert_eq!(moved(|recipe| recipe.forwarding = 2), 1);
    assert_eq!(moved(|recipe| recipe.protocol = 17), 1);
    assert_eq!(moved(|recipe| recipe.service_address = recipe.address), 1);
    assert_eq!(moved(|recipe| recipe.ifindex = 5), 0);
}

#[test]
fn a_service_that_keeps_no_sessions_any_more_gets_none() {
    let snapshot = snapshot(&[home(1)], &[entry(1, 0, 100, 50)]);
    let mut state = installed(&[home(1)]);
    for service in state.services.values_mut() {
        service.entry.policy = Policy::default();
    }
    assert_eq!(restore(&snapshot, &state, at(0), ROOM).tally, Tally { gone: 1, ..Tally::default() });
}

#[test]
fn small_maps_get_those_seen_last() {
    let homes = [home(1)];
    let sessions: Vec<_> = [40, 10, 50, 20, 30].map(|idle| entry(idle, 0, 100, idle)).into();
    let snapshot = snapshot(&homes, &sessions);
    let restored = restore(&snapshot, &installed(&homes), at(0), Room { pins: 3, affinity: 0 });
    assert_eq!(restored.tally, Tally { restored: 3, no_room: 2, ..Tally::default() });
    // The oldest first.
    assert_eq!(clients(&restored), [30, 20, 10].map(|number| entry(number, 0, 0, 0).client));
}

#[test]
fn sessions_of_a_lost_name_are_left() {
    let mut snapshot =
        snapshot(&[home(1), home(2)], &[entry(1, 0, 9, 9), entry(2, 1, 9, 9), entry(3, 5, 9, 9)]);
    snapshot.homes.remove(&1);
    let restored = restore(&snapshot, &installed(&[home(1), home(2)]), at(0), ROOM);
    assert_eq!(restored.tally, Tally { restored: 1, unknown: 2, ..Tally::default() });
}
