//! Drains: who is left on a backend that gets nobody new, and until when.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use anyhow::Result;
use lb_common::{
    state::{BackendId, Pin, Service},
    time::Tick,
};
use tracing::{info, warn};

use super::core::Core;
use crate::{
    api::{self, Cut, DrainForecast},
    clock,
    dataplane::{LIVE_TICKS, Sessions},
    forecast::{Count, Outlook, Watch},
    health::BackendKey,
    http::Load,
    model::{OnDrain, PersistBy, http::Method},
    plan,
    runtime::Admin,
};

/// Every drain of this daemon, also those that came to their deadline, until another order.
#[derive(Debug, Default)]
pub(super) struct Drains {
    all: BTreeMap<BackendKey, Drain>,
    /// When they are counted again.
    next: Option<Instant>,
}

/// Ticks of what no timeout ends.
const FOR_EVER: u32 = u32::MAX;

/// What of a service says when its sessions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Terms {
    idle_ticks: u32,
    lifetime_ticks: u32,
    /// How long one lasts after its last use that is in a cookie and stays: nobody can count those.
    unseen_ticks: Option<u32>,
}

impl Terms {
    /// When sessions that nobody can count have ended, if they are used for the last time now.
    fn unseen_until(self) -> Option<Instant> {
        let ticks = self.unseen_ticks?;
        Some(Instant::now() + Duration::from_secs_f64(Tick::seconds(ticks)))
    }
}

/// A backend that gets nobody new.
#[derive(Debug)]
struct Drain {
    id: BackendId,
    /// Whom its sessions name, and of which generation that is.
    home: BackendId,
    generation: u32,
    terms: Terms,
    began: Instant,
    /// When nobody was left, or the deadline came.
    ended: Option<Instant>,
    sessions: Watch,
    flows: Watch,
    /// Sessions and connections at the beginning.
    before: [u64; 2],
    /// Ticks until every session that is there has come to the end of its lifetime.
    lifetime_left: u32,
    moved: u64,
    cut: Option<Cut>,
    /// Requests that the backend has had, and when nobody comes any more whose session is in a cookie, if there are such.
    requests: u64,
    unseen_until: Option<Instant>,
}

impl Drain {
    fn new(id: BackendId, (home, generation): (BackendId, u32), terms: Terms, now: Tick) -> Self {
        Self {
            id,
            home,
            generation,
            terms,
            began: Instant::now(),
            ended: None,
            sessions: Watch::new(terms.idle_ticks, now),
            flows: Watch::new(LIVE_TICKS, now),
            before: [0; 2],
            lifetime_left: u32::MAX,
            moved: 0,
            cut: None,
            requests: 0,
            unseen_until: terms.unseen_until(),
        }
    }

    /// Notes how many requests the backend has had: who made the last one may be back.
    fn note_requests(&mut self, requests: u64) {
        if self.requests != requests {
            self.requests = requests;
            self.unseen_until = self.terms.unseen_until();
        }
    }

    /// For how long clients may still come whom nobody can count.
    fn unseen(&self) -> Duration {
        self.unseen_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn is_over(&self) -> bool {
        self.left() == [0, 0] && self.unseen().is_zero()
    }

    fn left(&self) -> [u64; 2] {
        [self.sessions.left(), self.flows.left()]
    }

    /// When no session will be left.
    fn sessions_outlook(&self) -> Outlook {
        let lifetime = f64::from(self.lifetime_left);
        let lifetime = Outlook::Empty { earliest: lifetime, likely: lifetime, latest: lifetime };
        let mut sessions = self.sessions.outlook();
        if sessions != Outlook::Unknown && self.terms.lifetime_ticks != 0 {
            sessions = sessions.before(lifetime);
        }
        sessions
    }

    /// When neither sessions nor connections will be left.
    fn outlook(&self) -> Outlook {
        let sessions = self.sessions_outlook();
        let mut flows = self.flows.outlook();
        if self.before[0] > 0 {
            // Traffic of a connection is traffic of its session.
            let silent = sessions.later(f64::from(LIVE_TICKS) - f64::from(self.terms.idle_ticks));
            flows = flows.before(silent);
        }
        let unseen = self.unseen().as_secs_f64() / Tick::seconds(1);
        sessions.and(flows).and(match self.terms.unseen_ticks {
            Some(FOR_EVER) => Outlook::Endless,
            _ => Outlook::Empty { earliest: unseen, likely: unseen, latest: unseen },
        })
    }

    fn report(&self) -> api::Drain {
        let [sessions, flows] = self.left();
        let [sessions_before, flows_before] = self.before;
        // Who has come since the last count is known with the next.
        let least = u64::from(self.unseen_until.is_some() && self.ended.is_none());
        let elapsed = self.ended.unwrap_or_else(Instant::now).saturating_duration_since(self.began);
        api::Drain {
            elapsed_s: elapsed.as_secs_f64().round() as u64,
            sessions_before,
            flows_before,
            sessions,
            flows,
            unseen_s: (self.unseen().as_secs_f64().ceil() as u64).max(least),
            moved: self.moved,
            forecast: in_seconds(self.outlook()),
            sessions_forecast: in_seconds(self.sessions_outlook()),
            cut: self.cut,
        }
    }
}

fn in_seconds(outlook: Outlook) -> DrainForecast {
    let seconds = |ticks: f64| (ticks * Tick::seconds(1)).round() as u64;
    match outlook {
        Outlook::Unknown => DrainForecast::Unknown,
        Outlook::Endless => DrainForecast::Endless,
        Outlook::Empty { earliest, likely, latest } => DrainForecast::Empty {
            in_s: seconds(likely),
            earliest_s: seconds(earliest),
            latest_s: seconds(latest),
        },
    }
}

/// A count of one drain, under way.
struct Counting {
    home: BackendId,
    generation: u32,
    terms: Terms,
    /// Which drain of the backend's it is.
    began: Instant,
    sessions: Count,
    flows: Count,
    youngest: Option<Tick>,
}

/// Counts of all drains, under way.
struct Census {
    now: Tick,
    counts: HashMap<BackendId, Counting>,
}

impl Census {
    fn read(mut self, sessions: &Sessions) -> Result<Self> {
        let Self { now, counts } = &mut self;
        sessions.for_each(|session| {
            let Pin { backend, generation, created, seen, .. } = session.pin;
            // A home is that of several backends, where services share sessions.
            for counting in counts.values_mut().filter(|it| (it.home, it.generation) == (backend, generation))
            {
                if !session.pin.outlived(*now, counting.terms.lifetime_ticks) {
                    counting.sessions.add(seen);
                    counting.youngest = counting.youngest.max(Some(created));
                }
            }
        })?;
        Ok(self)
    }
}

impl Drains {
    /// How far the drain of a backend is.
    pub(super) fn report(&self, key: &BackendKey) -> Option<api::Drain> {
        self.all.get(key).map(Drain::report)
    }

    /// Notes that sessions of a home were given to another.
    pub(super) fn moved(&mut self, id: BackendId, sessions: u64) {
        for drain in self.all.values_mut().filter(|drain| drain.home == id) {
            drain.moved += sessions;
        }
    }

    /// When drains should be counted again; `None` if there is none.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }
}

impl Core {
    /// Counts who is left on the backends that are being drained, beside the daemon's task.
    pub(super) fn look_at_drains(&mut self) {
        let Some(census) = self.census() else { return };
        self.aside(|sessions| census.read(sessions), Self::take_census);
    }

    /// Who is to be counted: nobody, if nothing is drained.
    fn census(&mut self) -> Option<Census> {
        let now = clock::now();
        self.follow_orders(now);
        self.drains.next = None;
        let counting = |drain: &Drain| {
            let Drain { home, generation, terms, began, .. } = *drain;
            let (sessions, flows) = (drain.sessions.count(now), drain.flows.count(now));
            (drain.id, Counting { home, generation, terms, began, sessions, flows, youngest: None })
        };
        let open = self.drains.all.values().filter(|drain| drain.cut.is_none());
        let counts: HashMap<_, _> = open.map(counting).collect();
        (!counts.is_empty()).then_some(Census { now, counts })
    }

    fn take_census(&mut self, census: Result<Census>) {
        match census {
            Ok(census) => self.take_counts(census),
            Err(error) => warn!("cannot count who is left on backends that are drained: {error:#}"),
        }
        let periods = self
            .drains
            .all
            .values()
            .filter(|drain| drain.cut.is_none())
            .map(|drain| drain.sessions.period().min(drain.flows.period()));
        let wait = periods.min().map(|ticks| Duration::from_secs_f64(Tick::seconds(ticks)));
        self.drains.next = wait.map(|wait| Instant::now() + wait);
    }

    /// Notes what a deadline ends, before it does.
    pub(super) fn cut_drains(&mut self, due: &[BackendKey]) {
        if let Some(census) = self.census() {
            let census = census.read(&self.program.kernel.sessions);
            self.take_census(census);
        }
        for (key, drain) in self.drains.all.iter_mut().filter(|(key, _)| due.contains(key)) {
            let [sessions, flows] = drain.left();
            drain.cut = Some(Cut { sessions, flows });
            drain.ended.get_or_insert_with(Instant::now);
            info!(
                "service {}: the deadline of backend {} ends {sessions} sessions and {flows} connections",
                key.service, key.backend
            );
        }
    }

    /// Begins drains that were ordered, and forgets those that are over.
    fn follow_orders(&mut self, now: Tick) {
        let mut known = std::mem::take(&mut self.drains.all);
        for (key, change) in self.changes.iter() {
            let Some(backend) = self.state.backends.get(key) else { continue };
            let Some(terms) = self.terms(&key.service) else { continue };
            let Some(home) = self.home(key) else { continue };
            let id = backend.id;
            let same = known
                .remove(key)
                .filter(|it| (it.id, (it.home, it.generation), it.terms) == (id, home, terms));
            let drain = match (change.admin, same) {
                (Admin::Draining { .. }, Some(drain)) if drain.cut.is_none() => drain,
                (Admin::Draining { .. }, _) => Drain::new(id, home, terms, now),
                (Admin::Disabled, Some(drain)) if drain.cut.is_some() => drain,
                (Admin::Disabled | Admin::Enabled, _) => continue,
            };
            self.drains.all.insert(key.clone(), drain);
        }
    }

    /// Whom sessions of a backend name.
    fn home(&self, key: &BackendKey) -> Option<(BackendId, u32)> {
        let service = self.model.services.iter().find(|it| it.name == key.service)?;
        let home = self.state.backends.get(&plan::home_key(service, &key.backend))?;
        Some((home.id, home.recipe.generation))
    }

    fn terms(&self, service: &str) -> Option<Terms> {
        let service = self.model.services.iter().find(|it| it.name == service)?;
        let Service { idle_ticks, lifetime_ticks, .. } = *self.state.entry(service)?;
        // Where nobody has a session, how long it would last makes no difference.
        let has_sessions =
            matches!(service.persistence.by, PersistBy::ClientIp { .. } | PersistBy::Request(_));
        let idle_ticks = if has_sessions { idle_ticks } else { LIVE_TICKS };
        let lasts = |method: &Method| match method {
            Method::Insert(_) => Some(idle_ticks),
            Method::Prefix { .. } => Some(if lifetime_ticks == 0 { FOR_EVER } else { lifetime_ticks }),
            _ => None,
        };
        let unseen_ticks = match &service.persistence.by {
            PersistBy::Request(request) if service.persistence.on_drain == OnDrain::Keep => {
                request.methods.iter().find_map(lasts)
            }
            _ => None,
        };
        Some(Terms { idle_ticks, lifetime_ticks, unseen_ticks })
    }

    fn take_counts(&mut self, Census { now, mut counts }: Census) {
        self.program.kernel.for_each_live_flow(now, |backend, idle| {
            if let Some(counting) = counts.get_mut(&backend) {
                counting.flows.add(Tick(now.0.saturating_sub(idle)));
            }
        });
        let http = &self.http;
        // One that was cut meanwhile stays as it was then.
        for (key, drain) in self.drains.all.iter_mut().filter(|(_, drain)| drain.cut.is_none()) {
            let counting = counts.remove(&drain.id).filter(|counting| counting.began == drain.began);
            let Some(counting) = counting else { continue };
            let Counting { terms, sessions, mut flows, youngest, .. } = counting;
            let Load { open, requests, .. } = http.load(&key.service, &key.backend).unwrap_or_default();
            drain.note_requests(requests);
            (0..open).for_each(|_| flows.add(now));
            let is_first = drain.sessions.is_new();
            drain.sessions.take(sessions);
            drain.flows.take(flows);
            drain.lifetime_left =
                youngest.map_or(0, |youngest| terms.lifetime_ticks.saturating_sub(now.since(youngest)));
            if is_first {
                drain.before = drain.left();
            }
            if drain.is_over() && drain.ended.is_none() {
                drain.ended = Some(Instant::now());
                info!("service {}: nobody is left on backend {}", key.service, key.backend);
            }
        }
    }
}
