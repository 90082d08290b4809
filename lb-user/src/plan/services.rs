//! Services: their entries, and their slot tables.

use std::{sync::Arc, thread};

use anyhow::Result;
use lb_common::{
    net::Be16,
    state::{Health, Service, ServiceKey},
};

use super::{
    Inputs, Plan, ServiceState, SlotTable, State, Step, numbers::Numbers, port, quic, ranges::Places, recipe,
};
use crate::{
    health::BackendKey,
    model::{self, Model},
    slots::{self, Member, Table},
};

/// So many services are worth a thread of their own, which takes as long to start as some of their tables to fill.
const WORTH_A_THREAD: usize = 64;

/// What is installed of a service, with its slot table.
fn before<'s>(current: &'s State, service: &model::Service, numbers: &Numbers) -> Option<&'s ServiceState> {
    let known = recipe::service_keys(service).filter_map(|key| current.services.get(&key));
    known.filter(|known| numbers.is_own(service, &known.entry)).find(|known| known.table.is_some())
}

impl Plan {
    /// The slot table of each service, in order: by several threads where there are many.
    pub(super) fn slot_tables(
        &self,
        current: &State,
        model: &Model,
        inputs: &Inputs,
        numbers: &Numbers,
    ) -> Vec<SlotTable> {
        let table = |service: &model::Service| {
            let before = before(current, service, numbers).and_then(|known| known.table.as_ref());
            self.slot_table(inputs, service, before)
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let each = model.services.len().div_ceil(threads).max(WORTH_A_THREAD);
        let fill = |part: &[model::Service]| part.iter().map(table).collect::<Vec<_>>();
        let fill = &fill;
        thread::scope(|scope| {
            let mut parts = model.services.chunks(each);
            // The first part is this thread's.
            let first = parts.next().unwrap_or_default();
            let others: Vec<_> = parts
                .map(|part| (part, thread::Builder::new().spawn_scoped(scope, move || fill(part))))
                .collect();
            let mut tables = fill(first);
            for (part, other) in others {
                tables.extend(match other {
                    Ok(other) => other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                    // The system has no thread to spare.
                    Err(_) => fill(part),
                });
            }
            tables
        })
    }

    /// Writes a service's entries, and its slot table where that is another.
    pub(super) fn service(
        &mut self,
        current: &State,
        (service, table): (&model::Service, SlotTable),
        places: &Places,
        (numbers, by_id): (&Numbers, &quic::Numbers),
    ) -> Result<()> {
        let keys: Vec<_> = recipe::service_keys(service).collect();
        let own = |key| current.services.get(key).filter(|known| numbers.is_own(service, &known.entry));
        let number = numbers.of(service);
        let common = Service {
            access: self.list_number(service),
            masks: self.masks(current, service, number, keys.iter().find_map(own).map(|known| &known.entry)),
            quic: by_id.of_service(service),
            number,
            ..recipe::service_entry(service)
        };
        let before = before(current, service, numbers);
        let kept = before.filter(|known| known.table.as_ref().is_some_and(|it| it.slots == table.slots));
        let (slots_base, mut fresh) = match kept {
            Some(known) => (known.entry.slots_base, None),
            None => (places.of(&keys[0], service.slots)?, Some(Arc::clone(&table.slots))),
        };
        self.service_changes(current, service, &keys, &common, numbers);
        let mut table = Some(table);
        for key in keys {
            let entry = Service { port: key.port(), slots_base, ..common };
            if current.services.get(&key).is_none_or(|known| known.entry != entry) {
                self.steps.push(Step::PutService { key, entry, table: fresh.take() });
            }
            self.next.services.insert(key, ServiceState { entry, table: table.take() });
        }
        Ok(())
    }

    /// What changes about a service, apart from its backends.
    fn service_changes(
        &mut self,
        current: &State,
        service: &model::Service,
        keys: &[ServiceKey],
        common: &Service,
        numbers: &Numbers,
    ) {
        let alike = |entry: Service| {
            Service { slots_base: 0, port: Be16::default(), access: common.access, ..entry } == *common
        };
        let known: Vec<_> = keys.iter().map(|key| (key, current.services.get(key))).collect();
        let own = |entry: &Service| numbers.is_own(service, entry);
        if !known.iter().any(|(_, known)| known.is_some_and(|known| own(&known.entry)))
            && !current.services.values().any(|known| own(&known.entry))
        {
            let at = format!("{}/{}", service.ports.at(service.address), service.protocol);
            self.changes.push(match known[0].1 {
                Some(_) => format!("service at {at} is now {}", service.name),
                None => format!("add service {} at {at}", service.name),
            });
            return;
        }
        for (key, known) in &known {
            if known.is_none_or(|known| !own(&known.entry)) {
                self.changes.push(format!("service {}: add port {}", service.name, port(key)));
            }
        }
        if known.iter().any(|(_, known)| known.is_some_and(|it| own(&it.entry) && !alike(it.entry))) {
            self.changes.push(format!("service {}: persistence or slots", service.name));
        }
        let changes_list = |entry: &Service| own(entry) && entry.access != common.access;
        if known.iter().any(|(_, known)| known.is_some_and(|it| changes_list(&it.entry))) {
            self.changes.push(format!("service {}: access list", service.name));
        }
    }

    /// Slots go to the backends that are up; if none is, to all, so that the first that comes back
    /// serves without waiting for a new table.
    fn slot_table(&self, inputs: &Inputs, service: &model::Service, before: Option<&SlotTable>) -> SlotTable {
        let key = |backend: &model::Backend| BackendKey::new(&service.name, &backend.name);
        let installed = |backend: &model::Backend| {
            let known = &self.next.backends[&key(backend)];
            (known.id, known.health == Health::Up)
        };
        // Weights as they are give the same table on every node: only a node on which somebody starts slowly has
        // another one for a while.
        let starts = !inputs.shares.is_empty()
            && service.backends.iter().any(|backend| inputs.shares.contains_key(&key(backend)));
        let weight = |backend: &model::Backend| match starts {
            true => inputs.weight(&key(backend), backend.weight),
            false => backend.weight,
        };
        let any_up = service.backends.iter().any(|backend| installed(backend).1);
        let member = |backend: &model::Backend| {
            let (id, up) = installed(backend);
            (up || !any_up).then(|| (backend.name.clone(), weight(backend), id))
        };
        let members: Vec<_> = service.backends.iter().filter_map(member).collect();
        let same =
            |before: &&SlotTable| before.members == members && before.slots.len() == service.slots as usize;
        if let Some(before) = before.filter(same) {
            return before.clone();
        }
        let list: Vec<_> =
            members.iter().map(|(name, weight, id)| Member { name, weight: *weight, id: id.0 }).collect();
        let firsts = before.and_then(|before| before.firsts.as_deref());
        let Table { slots, firsts } = slots::fill_after(firsts, &list, service.slots, inputs.seed);
        SlotTable { members, slots: slots.into(), firsts: firsts.map(Arc::new) }
    }

    /// Entries beside the services' own: marks of their addresses, and where fragments without ports go.
    pub(super) fn beside(&mut self, current: &State, model: &Model, inputs: &Inputs) {
        for (key, entry) in recipe::beside(model, &inputs.answered, |key| self.next.services[key].entry) {
            if current.services.get(&key).is_none_or(|known| known.entry != entry) {
                self.steps.push(Step::PutService { key, entry, table: None });
            }
            self.next.services.insert(key, ServiceState { entry, table: None });
        }
    }
}
