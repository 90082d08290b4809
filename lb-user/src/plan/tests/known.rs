//! What is known of health and next hops, through changes of the configuration.

use std::{collections::HashMap, net::IpAddr};

use lb_common::state::Health;

use super::{carry_out, inputs, key, model, service, tables};
use crate::{
    model::Check,
    neighbour::NextHop,
    plan::{State, plan},
};

#[test]
fn a_next_hop_that_is_not_known_yet_stays_as_it_was() {
    let mut tables = tables();
    let model = model(vec![service("web", 80, &[(1, 1)])]);
    let hop = NextHop { ifindex: 4, source_mac: [2; 6], target_mac: [4; 6] };
    let address = model.services[0].backends[0].address;
    let mut known = inputs();
    known.next_hops.insert(address, Some(hop));
    let (state, ..) = carry_out(&mut tables, &State::default(), &model, &known);
    let (state, _, steps) = carry_out(&mut tables, &state, &model, &inputs());
    assert_eq!(steps, 0);
    known.next_hops = HashMap::from([(address, None)]);
    let (state, ..) = carry_out(&mut tables, &state, &model, &known);
    assert!(state.backends[&key("web", 1)].recipe.target_mac.is_zero());
}

#[test]
fn a_refused_configuration_leaves_what_is_known() {
    let mut tables = tables();
    let mut running = model(vec![service("web", 80, &[(1, 1), (2, 1)])]);
    running.services[0].health.check = Check::Tcp;
    let mut known = inputs();
    let (state, ..) = carry_out(&mut tables, &State::default(), &running, &known);
    known.health.insert(key("web", 2), Health::Down);
    let (state, ..) = carry_out(&mut tables, &state, &running, &known);
    let many: Vec<_> = (3..=44).map(|n| (n, 1)).collect();
    let refused = model(vec![service("web", 80, &many)]);
    let asked = known.clone().for_model(&state, &refused);
    assert!(asked.health.is_empty());
    plan(&state, &refused, &asked).unwrap_err();
    let still = known.clone().for_model(&state, &running);
    assert_eq!(still.health(&key("web", 2)), Health::Down);
    assert!(plan(&state, &running, &still).unwrap().steps.is_empty());
}

#[test]
fn verdicts_are_about_a_server_that_is_still_checked_there() {
    let mut tables = tables();
    let checked = |backends: &[(u8, u32)]| {
        let mut service = service("web", 80, backends);
        service.health.check = Check::Tcp;
        service
    };
    let before = model(vec![checked(&[(1, 1), (2, 1)])]);
    let mut known = inputs();
    let (state, ..) = carry_out(&mut tables, &State::default(), &before, &known);
    known.health.extend([(key("web", 1), Health::Down), (key("web", 2), Health::Down)]);
    for backend in &before.services[0].backends {
        known.next_hops.insert(backend.address, None);
    }

    let mut moved = before.clone();
    moved.services[0].backends[1].address = IpAddr::from([10, 0, 0, 9]);
    let next = known.clone().for_model(&state, &moved);
    assert_eq!(next.health(&key("web", 1)), Health::Down);
    assert_eq!(next.health(&key("web", 2)), Health::Up, "another server, of which nothing is known");
    assert_eq!(next.next_hops.len(), 1, "the way to the old address is forgotten");

    let unchecked = model(vec![service("web", 80, &[(1, 1), (2, 1)])]);
    let next = known.for_model(&state, &unchecked);
    assert_eq!(next.health(&key("web", 1)), Health::Up);
}
