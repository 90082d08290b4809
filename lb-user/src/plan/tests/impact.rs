//! What an assessment says is what then happens.

use std::{collections::BTreeMap, time::Duration};

use lb_common::{
    net::{Address as _, Ip, V4},
    stage::connect,
    state::{self, BackendId, Pin, SessionKey},
    tables::{Store, Tables as _},
    time::Tick,
};
use proptest::prelude::*;

use super::{carry_out, inputs, model, service, tables};
use crate::{
    health::BackendKey,
    model::{PersistBy, Service},
    plan::{
        Assessment, Impact, State,
        impact::{Cause, Load},
        plan,
    },
};

const NOW: Tick = Tick(100_000);

/// Never a prefix's own address: if prefixes are told in place of addresses, its session becomes its neighbours', and
/// the assessment, which sees one session after the other, doesn't know.
fn client(number: u8) -> Ip {
    V4::from_bytes([10, 9, number / 16, number | 1]).widen()
}

/// One service, or none: its backends with their ports, its prefix length (0: by connection), and its timeout in
/// minutes.
type Shape = Option<(BTreeMap<u8, bool>, u8, u64)>;

fn shape() -> impl Strategy<Value = Shape> {
    let backends = prop::collection::btree_map(1u8..6, prop::bool::weighted(0.9), 1..5);
    let prefix = prop_oneof![6 => Just(32u8), 1 => Just(28), 1 => Just(0)];
    let some = (backends, prefix, prop_oneof![3 => Just(30u64), 1 => Just(5)]);
    prop_oneof![9 => some.prop_map(Some), 1 => Just(None)]
}

fn services(shape: &Shape) -> Vec<Service> {
    let Some((backends, prefix, minutes)) = shape else { return Vec::new() };
    let list: Vec<_> = backends.keys().map(|&n| (n, 100)).collect();
    let mut web = service("web", 80, &list);
    for (backend, stays) in web.backends.iter_mut().zip(backends.values()) {
        backend.port = Some(if *stays { 8080 } else { 8081 });
    }
    web.persistence.by = match prefix {
        0 => PersistBy::Connection,
        &prefix_v4 => PersistBy::ClientIp { prefix_v4, prefix_v6: 64 },
    };
    web.persistence.idle_timeout = Duration::from_secs(minutes * 60);
    vec![web]
}

proptest! {
    #[test]
    fn who_is_said_to_move_moves(
        before in shape(),
        after in shape(),
        homes in prop::collection::vec((0u8..200, 0usize..8, 0u64..40), 1..40),
    ) {
        let mut tables = tables();
        tables.now.set(NOW);
        let (state, ..) = carry_out(&mut tables, &State::default(), &model(services(&before)), &inputs());
        let ids: Vec<_> = state.backends.values().map(|backend| (backend.id, backend.recipe.generation)).collect();
        let Some((_, entry)) = tables.services.iter().find(|(key, _)| key.is_service()) else { return Ok(()) };
        let entry = *entry;
        let mut stored = BTreeMap::new();
        for (number, home, idle) in homes {
            if let Some(&(id, generation)) = ids.get(home) {
                let seen = Tick(NOW.0 - Tick::covering(idle * 60_000_000_000));
                let key = SessionKey { scope: entry.scope, client: client(number).masked(entry.client_mask) };
                let connections = idle + 1;
                let pin = Pin { seen, connections, ..Pin::new(id, generation, seen) };
                stored.insert(key.client.bytes(), (number, key, pin));
            }
        }
        let live = |pin: &Pin| !pin.expired(NOW, entry.idle_ticks, entry.lifetime_ticks);
        for (_, key, pin) in stored.values() {
            tables.insert_session(Store::Pins, key, pin);
        }

        let wanted = model(services(&after));
        let next = plan(&state, &wanted, &inputs()).unwrap().next;
        let mut assessment = Assessment::new(&state, &next, &tables.settings, NOW);
        stored.values().for_each(|(_, key, pin)| assessment.session(key, pin));
        let Impact { total, moved, loads, biggest } = assessment.finish();

        let (state, ..) = carry_out(&mut tables, &state, &wanted, &inputs());
        let names: BTreeMap<_, _> = state.backends.iter().map(|(key, backend)| (backend.id, key)).collect();
        let mut expected: BTreeMap<&BackendKey, u64> = BTreeMap::new();
        let mut moves = 0;
        let service = tables.services.iter().find(|(key, _)| key.is_service()).map(|(_, entry)| *entry);
        // Of a prefix it is not known which of its clients come.
        let is_told = |it: &state::Service| it.client_mask.masked(entry.client_mask) == it.client_mask;
        let by_address = service.filter(|it| it.policy.has(state::Policy::BY_CLIENT) && is_told(it));
        for (_, key, pin) in stored.values().filter(|(.., pin)| live(pin)) {
            let goes_to = by_address.and_then(|service| connect::expected(&tables, &service, key.client, 0));
            moves += u64::from(goes_to != Some(pin.backend));
            if let Some(id) = goes_to {
                *expected.entry(names[&id]).or_default() += 1;
            }
        }
        prop_assert_eq!(total, stored.values().filter(|(.., pin)| live(pin)).count() as u64);
        prop_assert_eq!(moved.values().sum::<u64>(), moves, "{:?}", moved);
        prop_assert_eq!(biggest.len() as u64, moves.min(Impact::NAMED as u64));
        prop_assert!(biggest.is_sorted_by_key(|hit| std::cmp::Reverse(hit.connections)));
        for (name, Load { after, .. }) in &loads {
            prop_assert_eq!(*after, expected.get(name).copied().unwrap_or_default(), "{:?}", name);
        }
        prop_assert_eq!(loads.values().map(|load| load.before).sum::<u64>(), total);
    }
}

/// Each session counts once, under what keeps it from going on.
#[test]
fn causes() {
    let backends = [(1, 100), (2, 100), (3, 100)];
    let shapes = |change: &dyn Fn(&mut Service)| {
        let mut web = service("web", 80, &backends);
        change(&mut web);
        model(vec![web])
    };
    let moved = |wanted| {
        let mut tables = tables();
        let (state, ..) = carry_out(&mut tables, &State::default(), &shapes(&|_| {}), &inputs());
        let next = plan(&state, &wanted, &inputs()).unwrap().next;
        let mut assessment = Assessment::new(&state, &next, &tables.settings, NOW);
        let backend = &state.backends[&super::key("web", 2)];
        let scope = state.services.values().find(|it| it.entry.scope != 0).unwrap().entry.scope;
        for number in 0..100 {
            let seen = Tick(NOW.0 - 30);
            let pin = Pin { seen, ..Pin::new(backend.id, backend.recipe.generation, seen) };
            assessment.session(&SessionKey { scope, client: client(number) }, &pin);
        }
        // Of no backend that is there, so it decides nothing.
        let key = SessionKey { scope, client: client(200) };
        assessment.session(&key, &Pin::new(BackendId(30), 1, NOW));
        let impact = assessment.finish();
        assert_eq!(impact.total, 100);
        impact.moved
    };
    assert_eq!(moved(shapes(&|_| {})), BTreeMap::new());
    assert_eq!(moved(shapes(&|web| web.backends[1].weight = 1)), BTreeMap::new());
    assert_eq!(moved(shapes(&|web| drop(web.backends.remove(0)))), BTreeMap::new());
    assert_eq!(moved(shapes(&|web| drop(web.backends.remove(1)))), [(Cause::BackendRemoved, 100)].into());
    let replaced = moved(shapes(&|web| web.backends[1].port = Some(1)));
    assert_eq!(replaced, [(Cause::BackendReplaced, 100)].into());
    assert_eq!(moved(model(Vec::new())), [(Cause::ServiceRemoved, 100)].into());
    let by_connection = moved(shapes(&|web| web.persistence.by = PersistBy::Connection));
    assert_eq!(by_connection, [(Cause::Persistence, 100)].into());
    // Some get the same backend by the hash again.
    let shorter = moved(shapes(&|web| web.persistence.idle_timeout = Duration::from_secs(10)));
    assert!((40..90).contains(&shorter[&Cause::Timeout]) && shorter.len() == 1, "{shorter:?}");
}

/// Ten backends with live sessions: one more moves nobody, and one less only those that it had. The packet path's own
/// answer is asked, before and after.
#[test]
fn one_more_moves_nobody_and_one_less_only_its_own() {
    let ten: Vec<_> = (1..=10).map(|n| (n, 100)).collect();
    let eleven: Vec<_> = (1..=11).map(|n| (n, 100)).collect();
    let mut nine = ten.clone();
    nine.remove(3);
    for (backends, gone) in [(eleven, None), (nine, Some(super::key("web", 4)))] {
        let mut tables = tables();
        tables.now.set(NOW);
        let (state, ..) =
            carry_out(&mut tables, &State::default(), &model(vec![service("web", 80, &ten)]), &inputs());
        let entry = |tables: &lb_common::host::HostTables| {
            *tables.services.iter().find(|(key, _)| key.is_service()).unwrap().1
        };
        let (before, mut homes) = (entry(&tables), BTreeMap::new());
        for number in 0..4_000_u32 {
            let client = V4::from_bytes((0x0a40_0000 | number).to_be_bytes()).widen();
            let id = connect::expected(&tables, &before, client, 0).unwrap();
            let generation = tables.backends[id.0 as usize].generation;
            let key = SessionKey { scope: before.scope, client };
            tables.insert_session(Store::Pins, &key, &Pin::new(id, generation, NOW));
            homes.insert(client.bytes(), (client, id, generation));
        }

        let wanted = model(vec![service("web", 80, &backends)]);
        let next = plan(&state, &wanted, &inputs()).unwrap().next;
        let mut assessment = Assessment::new(&state, &next, &tables.settings, NOW);
        for (client, id, generation) in homes.values() {
            let key = SessionKey { scope: before.scope, client: *client };
            assessment.session(&key, &Pin::new(*id, *generation, NOW));
        }
        let told: u64 = assessment.finish().moved.values().sum();
        let gone = gone.map(|key| state.backends[&key].id);
        let own = homes.values().filter(|(_, id, _)| Some(*id) == gone).count() as u64;
        assert_eq!(told, own);
        assert!(gone.is_none() || (300..500).contains(&own), "{own} of 4,000 on one of ten");

        carry_out(&mut tables, &state, &wanted, &inputs());
        let after = entry(&tables);
        for (client, id, _) in homes.values() {
            let goes_to = connect::expected(&tables, &after, *client, 0);
            assert_eq!(goes_to == Some(*id), Some(*id) != gone, "{client:?} of {id:?} goes to {goes_to:?}");
        }
    }
}
