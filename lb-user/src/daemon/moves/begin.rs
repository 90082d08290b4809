//! The beginning of a move: which sessions it is about, and where they may go.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

use anyhow::Context as _;
use lb_common::{
    hash,
    state::{BackendId, Health, Pin},
};
use tracing::info;

use super::{
    Item, Job, Mover,
    journal::{Entry, Place},
};
use crate::{
    api::{Move, MoveOrder, MoveState, Refusal, SessionFilter},
    clock,
    daemon::{core::Core, handle::Answer},
    health::BackendKey,
    model, plan,
};

/// The sessions of a move, which of their homes each client is at, and these.
#[derive(Default)]
struct Chosen {
    sessions: VecDeque<Item>,
    listed: Vec<(IpAddr, u32)>,
    places: Vec<Place>,
}

impl Core {
    /// Begins a move, or says what it would be about.
    pub(in crate::daemon) fn begin_move(&mut self, order: MoveOrder, answer: Answer<Result<Move, Refusal>>) {
        let (service, percent, to) = match self.checked(&order) {
            Ok(checked) => checked,
            Err(refusal) => return answer.give(Err(refusal)),
        };
        let now = clock::now();
        let filter = SessionFilter {
            service: Some(service.name.clone()),
            client: order.client,
            backend: order.backend.clone(),
            ..SessionFilter::default()
        };
        let homes = self.homes(&service);
        let settings = self.program.settings;
        self.answer_of(
            &filter,
            answer,
            move |search, sessions| {
                let mut chosen = Chosen::default();
                let mut numbers: HashMap<BackendId, u32> = HashMap::new();
                search.each(sessions, |found| {
                    let (key, pin) = (found.key, found.pin);
                    let Some((place, home)) =
                        homes.get(&pin.backend).filter(|(_, home)| home.same_home(&pin))
                    else {
                        return;
                    };
                    if pin.same_home(&to)
                        || pin.expired(now, found.owner.idle_ticks, found.owner.lifetime_ticks)
                        || share(hash::client(&settings, key.scope, key.client)) >= percent
                    {
                        return;
                    }
                    let number = *numbers.entry(pin.backend).or_insert_with(|| {
                        chosen.places.push(place.clone());
                        chosen.places.len() as u32 - 1
                    });
                    chosen.listed.push((IpAddr::from(key.client), number));
                    chosen.sessions.push_back((key, *home, to));
                })?;
                Ok(chosen)
            },
            move |core, _, chosen| core.begin_with(&order, &service, &to, chosen),
        );
    }

    /// The service that an order is about, the share that it asks for, and what the home word of sessions will say.
    fn checked(&self, order: &MoveOrder) -> Result<(model::Service, u8, Pin), Refusal> {
        let service = self.moved_service(order)?.clone();
        let (_, to) = self.takes_sessions(&service, &order.to)?;
        if order.client.is_none() && order.backend.is_none() {
            return Err(Refusal::invalid("say which sessions: by client or by the backend that they are on"));
        }
        if order.backend.as_ref() == Some(&order.to) {
            return Err(Refusal::invalid(format!("they are on {} already", order.to)));
        }
        let percent = order.percent.unwrap_or(100);
        if !(1..=100).contains(&percent) || order.rate == Some(0) {
            return Err(Refusal::invalid("percent is 1 to 100, and a rate at least 1 a second"));
        }
        Ok((service, percent, to))
    }

    fn begin_with(
        &mut self,
        order: &MoveOrder,
        service: &model::Service,
        to: &Pin,
        Chosen { places, listed, sessions }: Chosen,
    ) -> Result<Move, Refusal> {
        let (target, now) = self.takes_sessions(service, &order.to)?;
        if !now.same_home(to) {
            return Err(Refusal::invalid(format!("{} became another server meanwhile", order.to)));
        }
        let last = self.mover.entries.last().map_or(0, |entry| entry.of.id);
        let of = Move {
            id: if order.dry_run { 0 } else { last + 1 },
            service: service.name.clone(),
            to: order.to.clone(),
            ordered_at: clock::seconds(),
            total: sessions.len() as u64,
            moved: 0,
            skipped: 0,
            state: if order.dry_run { MoveState::Planned } else { MoveState::Running },
        };
        if order.dry_run {
            return Ok(of);
        }
        let entry = Entry { of: of.clone(), target, homes: places };
        self.mover.journal.begin(&entry, &listed).context("nothing was moved: it can't be written down")?;
        info!("move {}: {} sessions of {} to {}", of.id, of.total, of.service, of.to);
        self.mover.entries.push(entry);
        let Mover { journal, entries, .. } = &mut self.mover;
        journal.forget(entries);
        self.mover.push(Job::new(of.id, sessions, order.rate, None));
        Ok(of)
    }

    /// The service that an order is about.
    fn moved_service(&self, order: &MoveOrder) -> Result<&model::Service, Refusal> {
        if let Some(name) = &order.service {
            return self.named(name);
        }
        let has = |service: &&model::Service| service.backends.iter().any(|it| it.name == order.to);
        let mut found = self.model.services.iter().filter(has);
        match (found.next(), found.next()) {
            (Some(service), None) => Ok(service),
            (None, _) => Err(Refusal::not_found(format!("no service has a backend `{}`", order.to))),
            (Some(a), Some(b)) => Err(Refusal::invalid(format!(
                "services {} and {} both have a backend `{}`: say which with --service",
                a.name, b.name, order.to
            ))),
        }
    }

    /// A backend that sessions may be given to.
    pub(super) fn takes_sessions(
        &self,
        service: &model::Service,
        name: &str,
    ) -> Result<(Place, Pin), Refusal> {
        let found = self.homes(service).into_values().find(|(place, _)| place.name == name);
        let Some((place, home)) = found else {
            let names: Vec<_> = service.backends.iter().map(|it| it.name.as_str()).collect();
            return Err(Refusal::not_found(format!(
                "service {} has no backend `{name}`; it has: {}",
                service.name,
                names.join(", ")
            )));
        };
        let key = BackendKey::new(&service.name, name);
        let health = self.state.backends.get(&key).map_or(Health::Absent, |backend| backend.health);
        if health != Health::Up {
            return Err(Refusal::invalid(format!(
                "{}/{name} takes no new sessions: it is not up (`limpet status` says why)",
                service.name
            )));
        }
        Ok((place, home))
    }

    /// The backends of a service, and what the home word of their sessions says.
    pub(super) fn homes(&self, service: &model::Service) -> HashMap<BackendId, (Place, Pin)> {
        let home = |backend: &model::Backend| {
            let key = plan::home_key(service, &backend.name);
            let installed = self.state.backends.get(&key)?;
            let place = Place { name: key.backend, address: backend.address, port: backend.port };
            Some((installed.id, (place, Pin::new(installed.id, installed.recipe.generation, clock::now()))))
        };
        service.backends.iter().filter_map(home).collect()
    }
}

/// A client's place among a hundred, which is always the same. Not the bits that choose a slot.
const fn share(hash: u64) -> u8 {
    ((hash as u32) % 100) as u8
}
