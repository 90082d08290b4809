//! Slot tables: who has slots, when they are made again, and where they find room.

use lb_common::state::Health;

use super::{carry_out, inputs, key, model, service, tables};
use crate::{model::Service, plan::State};

#[test]
fn with_nobody_up_all_keep_their_slots() {
    let mut tables = tables();
    let model = model(vec![service("web", 80, &[(1, 1), (2, 1)])]);
    let mut inputs = inputs();
    inputs.health.extend([(key("web", 1), Health::Down), (key("web", 2), Health::Down)]);
    let (state, ..) = carry_out(&mut tables, &State::default(), &model, &inputs);
    let slots = state.slots(&model.services[0]).unwrap();
    assert!(state.backends.values().all(|backend| slots.contains(&backend.id.0)));
}

#[test]
fn a_table_is_made_again_only_for_other_members() {
    let mut tables = tables();
    let model = model(vec![service("a", 80, &[(1, 1), (2, 1)]), service("b", 81, &[(1, 1), (2, 1)])]);
    let (first, ..) = carry_out(&mut tables, &State::default(), &model, &inputs());
    let mut inputs = inputs();
    inputs.health.insert(key("a", 2), Health::Down);
    let (second, ..) = carry_out(&mut tables, &first, &model, &inputs);
    let same = |at: usize| {
        let slots = |state: &State| state.slots(&model.services[at]).unwrap().as_ptr();
        slots(&first) == slots(&second)
    };
    assert_eq!((same(0), same(1)), (false, true));
}

/// Tables of very different sizes in a `SLOTS` of exactly twice their sum, whose services change one
/// by one and together, also after a restart.
#[test]
fn twice_the_sum_of_the_slots_is_enough() {
    let sizes = [32, 1024, 16, 64];
    let mut tables = tables();
    let limit = 2 * sizes.iter().sum::<u32>();
    tables.slots = vec![0; limit as usize];
    let configuration = |weights: &[u32]| {
        let services = sizes.iter().zip(weights).zip(0..).map(|((&slots, &weight), n)| Service {
            slots,
            ..service(&format!("s{n}"), 80 + n, &[(1, weight), (2, 1)])
        });
        let mut model = model(services.collect());
        model.limits.slots = limit;
        model
    };
    let mut weights = [1; 4];
    let (mut state, ..) = carry_out(&mut tables, &State::default(), &configuration(&weights), &inputs());
    // Every set of services that may change at once, each followed by every other.
    for (first, second) in (1..16).flat_map(|a| (1..16).map(move |b| (a, b))) {
        for set in [first, second] {
            for (n, weight) in weights.iter_mut().enumerate().filter(|(n, _)| set >> n & 1 == 1) {
                *weight = *weight % 3 + 1 + n as u32 % 2;
            }
            (state, ..) = carry_out(&mut tables, &state, &configuration(&weights), &inputs());
        }
    }
}

#[test]
fn a_service_may_take_anothers_place_in_full_slots() {
    let mut tables = tables();
    tables.slots = vec![0; 512];
    let mut state = State::default();
    for port in [80, 81, 82] {
        let mut model = model(vec![service("web", port, &[(1, 1)])]);
        model.limits.slots = 512;
        (state, ..) = carry_out(&mut tables, &state, &model, &inputs());
    }
}
