//! Backends: their ids, generations and weights, and a crash while one is replaced.

use std::net::IpAddr;

use lb_common::{
    net::Ip,
    state::{BackendId, Health},
    tables::Tables as _,
};

use super::{carry_out, inputs, key, model, service, tables};
use crate::plan::{BackendState, ServiceState, State, apply, plan};

#[test]
fn a_name_that_comes_back_does_not_inherit() {
    let mut tables = tables();
    let with = model(vec![service("web", 80, &[(1, 1), (2, 1)])]);
    let without = model(vec![service("web", 80, &[(1, 1)])]);
    let (first, ..) = carry_out(&mut tables, &State::default(), &with, &inputs());
    let before = &first.backends[&key("web", 2)];
    let (second, ..) = carry_out(&mut tables, &first, &without, &inputs());
    assert_eq!(tables.health(before.id), Health::Absent);
    let (third, ..) = carry_out(&mut tables, &second, &with, &inputs());
    let after = &third.backends[&key("web", 2)];
    assert!(after.id != before.id || after.recipe.generation != before.recipe.generation);
    assert_eq!(third.backends[&key("web", 1)], first.backends[&key("web", 1)]);
}

#[test]
fn a_reused_id_gets_a_new_generation() {
    let mut tables = tables();
    let mut state = State::default();
    let mut seen = std::collections::HashSet::new();
    // More servers, one after the other, than there are ids.
    for n in 1..=90u8 {
        let model = model(vec![service("web", 80, &[(n, 1)])]);
        (state, ..) = carry_out(&mut tables, &state, &model, &inputs());
        let backend = &state.backends[&key("web", n)];
        assert!(seen.insert((backend.id, backend.recipe.generation)), "{n}: {backend:?}");
    }
}

#[test]
fn a_weight_or_health_change_keeps_ids_and_recipes() {
    let mut tables = tables();
    let (state, ..) = carry_out(
        &mut tables,
        &State::default(),
        &model(vec![service("web", 80, &[(1, 1), (2, 1)])]),
        &inputs(),
    );
    let heavier = model(vec![service("web", 80, &[(1, 3), (2, 1)])]);
    let (next, changes, _) = carry_out(&mut tables, &state, &heavier, &inputs());
    assert_eq!(changes, ["service web: weight of backend b1 from 1 to 3"]);
    let mut inputs = inputs();
    inputs.health.insert(key("web", 2), Health::Down);
    let (down, changes, _) = carry_out(&mut tables, &next, &heavier, &inputs);
    assert!(changes.is_empty());
    for n in [1, 2] {
        assert_eq!(state.backends[&key("web", n)].recipe, down.backends[&key("web", n)].recipe);
    }
    let id = state.backends[&key("web", 2)].id;
    assert!(down.slots(&heavier.services[0]).unwrap().iter().all(|&slot| slot != id.0));
}

/// The daemon ends between the steps of replacing a backend, wherever that is; the next one adopts
/// what the tables hold.
#[test]
fn a_crash_while_a_backend_is_replaced_leaves_nothing_behind() {
    let before = model(vec![service("web", 80, &[(1, 1), (2, 1)])]);
    let mut after = before.clone();
    after.services[0].backends[1].address = IpAddr::from([10, 0, 0, 9]);
    let steps = {
        let (state, ..) = carry_out(&mut tables(), &State::default(), &before, &inputs());
        plan(&state, &after, &inputs()).unwrap().steps
    };
    for (taken, wanted) in (0..=steps.len()).flat_map(|taken| [(taken, &before), (taken, &after)]) {
        let mut tables = tables();
        let (state, ..) = carry_out(&mut tables, &State::default(), &before, &inputs());
        steps[..taken].iter().for_each(|step| apply(step, &mut tables).unwrap());
        let mut adopted = State::default();
        adopted.sources = state.sources.clone();
        for (id, recipe) in (0..).map(BackendId).zip(&tables.backends) {
            let health = tables.health(id);
            if health != Health::Absent {
                let n = if recipe.address == Ip::from(IpAddr::from([10, 0, 0, 1])) { 1 } else { 2 };
                let backend = BackendState { id, recipe: *recipe, health, weight: None };
                adopted.adopt_backend(key("web", n), backend);
            }
        }
        for (key, entry) in &tables.services {
            adopted.services.insert(*key, ServiceState { entry: *entry, table: None });
        }
        let (next, ..) = carry_out(&mut tables, &adopted, wanted, &inputs());
        let live = tables.health.iter().filter(|word| Health::from_word(**word) != Health::Absent).count();
        assert_eq!((live, next.backends.len()), (2, 2), "after {taken} steps");
    }
}
