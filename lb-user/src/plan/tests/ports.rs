//! Services of several ports, and ports that come, go and change hands.

use super::{State, Step, carry_out, inputs, model, plan, service, tables};
use crate::model::{Model, Ports, Service};

fn with_ports(ports: &[u16]) -> Model {
    model(vec![Service { ports: Ports::from(ports.to_vec()), ..service("web", 0, &[(1, 1), (2, 1)]) }])
}

#[test]
fn several_ports_share_one_slot_table() {
    let mut tables = tables();
    let model = with_ports(&[80, 443, 8443]);
    let plan = plan(&State::default(), &model, &inputs()).unwrap();
    let written =
        plan.steps.iter().filter(|step| matches!(step, Step::PutService { table: Some(_), .. })).count();
    assert_eq!(written, 1);
    let (state, changes, _) = carry_out(&mut tables, &State::default(), &model, &inputs());
    assert_eq!(changes[2], "add service web at 192.0.2.1:80,443,8443/tcp");
    let entries: Vec<_> =
        tables.services.iter().filter(|(key, _)| key.is_service()).map(|(_, entry)| entry).collect();
    assert_eq!(entries.len(), 3);
    assert!(
        entries
            .iter()
            .all(|entry| (entry.slots_base, entry.scope) == (entries[0].slots_base, entries[0].scope))
    );
    let (again, changes, steps) = carry_out(&mut tables, &state, &model, &inputs());
    assert_eq!((changes.len(), steps, again), (0, 0, state));
}

/// Ports come and go, also the first and the only one: the backends stay what they are, and so do their
/// connections.
#[test]
fn ports_that_change_leave_backends_alone() {
    let mut tables = tables();
    let one = |port| {
        let mut model = with_ports(&[port]);
        // What the configuration makes of a backend without a port.
        model.services[0].backends.iter_mut().for_each(|backend| backend.port = Some(port));
        model
    };
    let kept = |ports: &[u16]| {
        let mut model = with_ports(ports);
        model.services[0].backends.iter_mut().for_each(|backend| backend.port = None);
        model
    };
    let (mut state, ..) = carry_out(&mut tables, &State::default(), &one(80), &inputs());
    let backends = |state: &State| state.backends.values().map(|it| (it.id, it.recipe)).collect::<Vec<_>>();
    let before = backends(&state);
    for (model, expected) in [
        (kept(&[80, 443]), &["service web: add port 443"][..]),
        (kept(&[443, 80]), &[]),
        (kept(&[443, 8443]), &["service web: add port 8443", "service web: remove port 80"]),
        (
            kept(&[0]),
            &["service web: add port any", "service web: remove port 443", "service web: remove port 8443"],
        ),
        (one(443), &["service web: add port 443", "service web: remove port any"]),
    ] {
        let (next, changes, _) = carry_out(&mut tables, &state, &model, &inputs());
        assert_eq!(changes, expected);
        assert_eq!(backends(&next), before);
        state = next;
    }
    let (_, changes, _) = carry_out(&mut tables, &state, &with_ports(&[443]), &inputs());
    assert_eq!(changes.len(), 2, "another port of the servers: {changes:?}");
}

#[test]
fn a_port_may_go_to_another_service() {
    let mut tables = tables();
    let two = |web: &[u16], shop: &[u16]| {
        let service = |name: &str, ports: &[u16]| Service {
            ports: Ports::from(ports.to_vec()),
            ..service(name, 0, &[(1, 1), (2, 1)])
        };
        model(vec![service("web", web), service("shop", shop)])
    };
    let (state, ..) = carry_out(&mut tables, &State::default(), &two(&[80, 443], &[81]), &inputs());
    let (_, changes, _) = carry_out(&mut tables, &state, &two(&[80], &[81, 443]), &inputs());
    assert_eq!(changes, ["service shop: add port 443"]);
}
