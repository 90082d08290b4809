//! Which access lists there are, and which number a service's has. A list that is in the maps already, rule by
//! rule, is used as it is, also where an earlier daemon wrote it; services with the same rules share one.

use std::{collections::BTreeSet, sync::Arc};

use super::{Plan, State, Step};
use crate::{access::AccessList, model};

impl Plan {
    /// Lists that the model wants and the maps don't have. First those go that no service has and the model
    /// does not want: an earlier plan failed before they were in force, or after. They need not take room now.
    pub(super) fn add_lists(&mut self, current: &State, model: &model::Model) {
        let wanted: Vec<_> = model.services.iter().filter_map(|service| service.access.as_ref()).collect();
        let in_force = in_force(current);
        self.remove(|number, list| !in_force.contains(number) && !wanted.contains(&list));
        for list in wanted {
            if let Some(known) = self.next.lists.values_mut().find(|known| *known == list) {
                // From here on the two are compared by where they are.
                *known = Arc::clone(list);
                continue;
            }
            let free = (1..).find(|number| !self.next.lists.contains_key(number));
            let number = free.expect("there are fewer lists than services");
            self.steps.push(Step::AddList { number, list: Arc::clone(list) });
            self.next.lists.insert(number, Arc::clone(list));
        }
    }

    /// The number of a service's list; 0 without one.
    pub(super) fn list_number(&self, service: &model::Service) -> u32 {
        let Some(wanted) = &service.access else { return 0 };
        let found = self.next.lists.iter().find(|(_, list)| *list == wanted);
        *found.expect("lists are added before services").0
    }

    /// Lists that no service has any more.
    pub(super) fn remove_lists(&mut self) {
        let in_force = in_force(&self.next);
        self.remove(|number, _| !in_force.contains(number));
    }

    fn remove(&mut self, goes: impl Fn(&u32, &Arc<AccessList>) -> bool) {
        let gone: Vec<_> = self.next.lists.extract_if(.., |number, list| goes(number, list)).collect();
        if !gone.is_empty() {
            self.steps.push(Step::RemoveLists(gone));
        }
    }
}

fn in_force(state: &State) -> BTreeSet<u32> {
    state.services.values().map(|service| service.entry.access).collect()
}
