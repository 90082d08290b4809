//! Access lists: written beside what is in force, swapped in as a whole, left alone where they are the same.

use std::{collections::BTreeMap, sync::Arc};

use ipnet::IpNet;
use lb_common::host::HostTables;
use proptest::prelude::*;

use super::{State, carry_out, inputs, model, service, tables};
use crate::{
    access::{AccessList, Admission, Prefix, Rule},
    dataplane::Dataplane as _,
    model::{Model, Service},
    plan::{ServiceState, Step, apply, plan, service_key},
};

/// A list that allows these networks of 10.0.0.0/8, and nobody else.
fn list(networks: &[u8]) -> Arc<AccessList> {
    let rule = |&network: &u8| Rule {
        prefix: IpNet::new([10, network, 0, 0].into(), 16).unwrap().into(),
        admission: Admission::Allow,
    };
    let mut rules: Vec<_> = networks.iter().map(rule).collect();
    rules.push(Rule { prefix: Prefix::whole(false), admission: Admission::Deny });
    AccessList::new(rules).into()
}

fn with_list(name: &str, port: u16, networks: &[u8]) -> Service {
    Service { access: Some(list(networks)), ..service(name, port, &[(1, 1)]) }
}

/// Every list in the tables, by number.
fn lists(tables: &HostTables) -> BTreeMap<u32, Arc<AccessList>> {
    let mut rules: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
    for (key, &admission) in &tables.access {
        rules.entry(key.list()).or_default().push(Rule { prefix: Prefix::from_key(key), admission });
    }
    rules.into_iter().map(|(number, rules)| (number, AccessList::new(rules).into())).collect()
}

/// The list that a service is under in the tables, if it is there.
fn in_force(tables: &HostTables, service: &Service) -> Option<Option<Arc<AccessList>>> {
    let entry = tables.services.get(&service_key(service, service.ports.first()?))?;
    Some((entry.access != 0).then(|| Arc::clone(&lists(tables)[&entry.access])))
}

fn assert_in_force(tables: &HostTables, model: &Model) {
    for service in &model.services {
        assert_eq!(in_force(tables, service).unwrap(), service.access, "{}", service.name);
    }
}

/// What a daemon that starts on these tables would find, as far as access lists matter.
fn adopted(tables: &HostTables, state: &State) -> State {
    let services =
        tables.services.iter().map(|(key, entry)| (*key, ServiceState { entry: *entry, table: None }));
    let mut adopted = state.clone();
    (adopted.lists, adopted.services) = (lists(tables), services.collect());
    adopted
}

#[test]
fn a_changed_list_is_written_swapped_in_and_the_old_one_removed() {
    let mut tables = tables();
    let (first, changes, _) =
        carry_out(&mut tables, &State::default(), &model(vec![with_list("web", 80, &[1, 2])]), &inputs());
    assert_eq!(
        changes,
        ["service web: add backend b1 at 10.0.0.1:8080", "add service web at 192.0.2.1:80/tcp"]
    );
    let second = model(vec![with_list("web", 80, &[2, 3])]);
    let plan = plan(&first, &second, &inputs()).unwrap();
    let [
        Step::AddList { number, list: added },
        Step::PutService { entry, table: None, .. },
        Step::PutService { key: beside, .. },
        Step::RemoveLists(gone),
    ] = &plan.steps[..]
    else {
        panic!("{:?}", plan.steps)
    };
    assert_eq!((*number, entry.access, &**added), (2, 2, &*list(&[2, 3])));
    assert!(!beside.is_service(), "fragments go by the same list");
    assert_eq!(gone, &[(1, list(&[1, 2]))]);
    assert_eq!(plan.changes, ["service web: access list"]);
    plan.steps.iter().for_each(|step| apply(step, &mut tables).unwrap());
    assert_eq!(lists(&tables), BTreeMap::from([(2, list(&[2, 3]))]));
}

#[test]
fn a_list_that_stays_is_not_touched() {
    let mut tables = tables();
    let wanted = || model(vec![with_list("web", 80, &[1, 2])]);
    let (state, ..) = carry_out(&mut tables, &State::default(), &wanted(), &inputs());
    let (state, _, steps) = carry_out(&mut tables, &state, &wanted(), &inputs());
    assert_eq!(steps, 0, "read again, and the same");
    let next = plan(&adopted(&tables, &state), &wanted(), &inputs()).unwrap();
    let about_lists = |step: &&Step| matches!(step, Step::AddList { .. } | Step::RemoveLists(_));
    assert_eq!(next.steps.iter().find(about_lists), None, "a new daemon knows it by its rules");
    assert_eq!(next.changes, [] as [&str; 0]);
}

#[test]
fn services_with_the_same_rules_share_a_list() {
    let mut tables = tables();
    let both = model(vec![with_list("a", 80, &[1]), with_list("b", 81, &[1])]);
    let (state, ..) = carry_out(&mut tables, &State::default(), &both, &inputs());
    assert_eq!(lists(&tables).len(), 1);
    let one = model(vec![service("a", 80, &[(1, 1)]), with_list("b", 81, &[1])]);
    let (state, ..) = carry_out(&mut tables, &state, &one, &inputs());
    assert_in_force(&tables, &one);
    let none = model(vec![service("a", 80, &[(1, 1)])]);
    carry_out(&mut tables, &state, &none, &inputs());
    assert_in_force(&tables, &none);
    assert_eq!(lists(&tables), BTreeMap::new());
}

/// The daemon ends between two steps, or in the middle of writing or removing a list; the next one starts
/// from what it finds, with the old configuration or the new one.
#[test]
fn a_crash_leaves_no_half_of_a_list_behind() {
    let before = model(vec![with_list("web", 80, &[1, 2, 3, 4])]);
    let after = model(vec![with_list("web", 80, &[3, 4, 5, 6])]);
    let start = || {
        let mut tables = tables();
        let (state, ..) = carry_out(&mut tables, &State::default(), &before, &inputs());
        (tables, state)
    };
    let steps = plan(&start().1, &after, &inputs()).unwrap().steps;
    let half = |list: &AccessList| AccessList::new(list.rules()[..2].to_vec());
    for (taken, in_the_middle, wanted) in (0..=steps.len())
        .flat_map(|taken| [(taken, false), (taken, true)])
        .flat_map(|(taken, middle)| [(taken, middle, &before), (taken, middle, &after)])
    {
        let (mut tables, state) = start();
        steps[..taken].iter().for_each(|step| apply(step, &mut tables).unwrap());
        match steps.get(taken).filter(|_| in_the_middle) {
            Some(Step::AddList { number, list }) => tables.add_list(*number, &half(list)).unwrap(),
            Some(Step::RemoveLists(gone)) => {
                let kept = half(&gone[0].1);
                apply(&steps[taken], &mut tables).unwrap();
                tables.add_list(gone[0].0, &kept).unwrap();
            }
            _ => {}
        }
        let adopted = adopted(&tables, &state);
        carry_out(&mut tables, &adopted, wanted, &inputs());
        assert_in_force(&tables, wanted);
        assert_eq!(lists(&tables).len(), 1, "after {taken} steps");
    }
}

proptest! {
    /// At each moment each service is under a whole list: the one before, or the one after.
    #[test]
    fn no_list_is_in_force_in_part(history in prop::collection::vec(
        prop::collection::btree_map(0u16..3, prop::option::of(prop::collection::btree_set(0u8..6, 1..4)), 1..3), 1..6,
    )) {
        let (mut tables, mut state, mut before) = (tables(), State::default(), model(Vec::new()));
        for configuration in history {
            let services = configuration.iter().map(|(&n, networks)| {
                let access = networks.as_ref().map(|set| list(&set.iter().copied().collect::<Vec<_>>()));
                Service { access, ..service(&format!("s{n}"), 80 + n, &[(1, 1)]) }
            });
            let after = model(services.collect());
            let next = plan(&state, &after, &inputs()).unwrap();
            for step in &next.steps {
                apply(step, &mut tables).unwrap();
                for service in before.services.iter().chain(&after.services) {
                    let Some(found) = in_force(&tables, service) else { continue };
                    let either = before.services.iter().chain(&after.services)
                        .any(|other| other.name == service.name && other.access == found);
                    prop_assert!(either, "{}: {found:?} after {step:?}", service.name);
                }
            }
            assert_in_force(&tables, &after);
            prop_assert_eq!(&lists(&tables), &next.next.lists);
            (state, before) = (next.next, after);
        }
    }
}
