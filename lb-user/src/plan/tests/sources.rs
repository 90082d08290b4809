//! Source addresses, and the outer headers of tunnels.

use super::{carry_out, inputs, model, service, tables};
use crate::{
    model::{Forwarding, Service, Tunnel},
    plan::{Inputs, Sources, State, Step, plan, tunnel},
};

#[test]
fn sources_may_be_appended_only() {
    let sources = |text: &[&str]| Sources::new(text.iter().map(|t| t.parse().unwrap())).unwrap();
    let two = sources(&["192.0.2.1", "192.0.2.2"]);
    let one = sources(&["192.0.2.1"]);
    assert_eq!(one.merged(&two).unwrap(), two);
    assert_eq!(two.merged(&one).unwrap(), two, "connections may still use the second");
    let error = two.merged(&sources(&["192.0.2.2", "192.0.2.1"])).unwrap_err().to_string();
    assert!(error.contains("[nat] source"), "{error}");
}

#[test]
fn outer_headers_come_before_their_backends_and_stay_until_after_them() {
    let configured = |mtu| Tunnel { source: Vec::new(), gue_port: 6080, mtu };
    let wanted = |mtu| {
        let outer = tunnel(&configured(mtu), "10.0.0.2/32".parse().unwrap());
        Inputs { tunnels: [outer, lb_common::state::Tunnel::default()], ..inputs() }
    };
    let services = vec![Service { forwarding: Forwarding::Ipip, ..service("web", 80, &[(1, 1)]) }];
    let (with, without) = (model(services), model(Vec::new()));
    let mut tables = tables();
    let first = plan(&State::default(), &with, &wanted(1500)).unwrap();
    let at = |found: fn(&Step) -> bool| first.steps.iter().position(found).unwrap();
    assert!(at(|step| matches!(step, Step::SetTunnels(_))) < at(|step| matches!(step, Step::AddBackends(_))));
    let (state, _, _) = carry_out(&mut tables, &State::default(), &with, &wanted(1500));
    let (state, changes, steps) = carry_out(&mut tables, &state, &with, &wanted(1400));
    assert_eq!(
        (changes, steps, tables.tunnels[0].mtu),
        (vec!["outer IPv4 headers of tunnels".into()], 1, 1400)
    );
    let (state, _, _) = carry_out(&mut tables, &state, &without, &inputs());
    assert_eq!((tables.tunnels[0].mtu, state.tunnels[0].mtu), (1400, 1400));
}
