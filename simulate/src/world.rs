//! A run: clients, router, nodes and backends, event by event.

mod visitor;

use std::{cmp::Reverse, collections::BinaryHeap};

use anyhow::Result;

use self::visitor::{Place, Visitor};
use crate::{
    clients::{self, Act, Time},
    design::{Design, HashBy, Kind, Packet, Size, Which},
    ecmp::{self, Ecmp},
    pool::Pool,
    scenario::{BACKENDS, CALM, Change, END, NODES, Scenario},
    tally::Tally,
};

/// What all runs have in common.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Of everything that is drawn by lot.
    pub seed: u64,
    /// Clients at any time.
    pub sessions: u32,
    /// How the router picks nodes.
    pub ecmp: (ecmp::By, ecmp::Kind),
    /// What those without sessions hash.
    pub hash_by: HashBy,
}

/// The population that nodes with tables of default size are supposed to have, all together.
pub const FULL_SESSIONS: u32 = 32_000;
/// Packets a second of a flood on such nodes, all together.
pub const FULL_FLOOD: u32 = 1_000_000;
/// A stranger's second packet comes so much later.
const ECHO: Time = 2_000;
/// A flood's packets come so often, many at once.
const WAVE: Time = 10;
/// The daemon sweeps so often.
const SWEEP: Time = 30_000;
/// All clients have come by then.
const ARRIVAL: Time = 60_000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Change(usize),
    Count,
    Sweep,
    Wave(u32),
    Begin(usize),
    /// Of this place, this lane; of the visit of this number.
    Act(usize, usize, u32),
}

/// Plays a scenario with a kind of balancer.
///
/// # Errors
/// Limpet's daemon refuses what it is told.
pub fn run(settings: &Settings, scenario: &Scenario, which: Which) -> Result<Tally> {
    let scale = f64::from(settings.sessions) / f64::from(FULL_SESSIONS);
    let size = Size { nodes: NODES + 1, scale, seed: settings.seed };
    let pool = Pool::new(BACKENDS);
    let (by, kind) = settings.ecmp;
    let mut world = World {
        settings,
        scenario,
        design: which.build(&size, settings.hash_by, &pool)?,
        place: Place {
            now: 0,
            ecmp: Ecmp::new(by, kind, NODES, settings.seed),
            reboots: vec![0; NODES + 1],
            pool,
        },
        events: BinaryHeap::new(),
        visitors: (0..settings.sessions).map(|_| None).collect(),
        visits: 0,
        is_flooded: false,
        strangers_per_wave: size.scaled(FULL_FLOOD) / 2 * WAVE as u32 / 1000,
        tally: None,
    };
    world.play()
}

struct World<'a> {
    settings: &'a Settings,
    scenario: &'a Scenario,
    design: Box<dyn Design>,
    place: Place,
    events: BinaryHeap<Reverse<(Time, Event)>>,
    /// One for each place of the population.
    visitors: Vec<Option<Visitor>>,
    visits: u32,
    is_flooded: bool,
    strangers_per_wave: u32,
    /// `None` until it is counted.
    tally: Option<Tally>,
}

impl World<'_> {
    fn play(&mut self) -> Result<Tally> {
        for (number, (at, _)) in self.scenario.changes.iter().enumerate() {
            self.at(at * 1000, Event::Change(number));
        }
        self.at(CALM * 1000 - 1, Event::Count);
        self.at(SWEEP, Event::Sweep);
        for place in 0..self.visitors.len() {
            self.at(ARRIVAL * place as Time / self.visitors.len() as Time, Event::Begin(place));
        }
        while let Some(Reverse((now, event))) = self.events.pop() {
            if now >= END * 1000 {
                break;
            }
            self.place.now = now;
            self.design.set_time(now);
            self.happen(now, event)?;
        }
        Ok(self.tally.unwrap_or_default())
    }

    fn at(&mut self, time: Time, event: Event) {
        self.events.push(Reverse((time, event)));
    }

    fn happen(&mut self, now: Time, event: Event) -> Result<()> {
        match event {
            Event::Change(number) => self.change(now, self.scenario.changes[number].1)?,
            Event::Count => self.count(),
            Event::Sweep => {
                self.design.sweep();
                self.at(now + SWEEP, Event::Sweep);
            }
            Event::Wave(number) if self.is_flooded => {
                self.wave(number);
                self.at(now + WAVE, Event::Wave(number + 1));
            }
            Event::Wave(_) => {}
            Event::Begin(place) => self.begin(now, place),
            Event::Act(place, lane, visit) => self.act(now, place, lane, visit),
        }
        Ok(())
    }

    fn change(&mut self, now: Time, change: Change) -> Result<()> {
        match change {
            Change::Pool(change) => {
                self.place.pool.change(change);
                self.design.learn(&self.place.pool)?;
            }
            Change::Leave(node) => self.place.ecmp.leave(node),
            Change::Join(node) => self.place.ecmp.join(node),
            Change::Reboot(node) => {
                self.place.reboots[node] += 1;
                self.design.reboot(node);
            }
            Change::Flood => {
                self.is_flooded = true;
                self.at(now, Event::Wave(0));
            }
            Change::Calm => self.is_flooded = false,
        }
        Ok(())
    }

    /// From now on: those that are there count, too.
    fn count(&mut self) {
        let mut tally = Tally::default();
        for visitor in self.visitors.iter().flatten() {
            tally.sessions.total += 1;
            tally.connections.total += visitor.connections() as u64;
        }
        self.tally = Some(tally);
    }

    /// New strangers come, and those of a while ago come again.
    fn wave(&mut self, number: u32) {
        let per_wave = self.strangers_per_wave;
        let earlier = number.checked_sub((ECHO / WAVE) as u32);
        for (wave, kind) in [(Some(number), Kind::Open), (earlier, Kind::Talk)] {
            let Some(wave) = wave else { continue };
            for stranger in wave * per_wave..(wave + 1) * per_wave {
                let (client, port) = (clients::stranger(stranger), stranger as u16 | 0x400);
                let node = self.place.ecmp.node(client, port);
                self.design.send(node, Packet { client, port, kind });
                if let Some(tally) = &mut self.tally {
                    tally.packets += 1;
                }
            }
        }
    }

    fn begin(&mut self, now: Time, place: usize) {
        let visit = clients::Visit::new(self.settings.seed, self.visits, now);
        for (lane, (at, _)) in visit.lanes.iter().enumerate() {
            self.at(*at, Event::Act(place, lane, self.visits));
        }
        self.at(visit.next, Event::Begin(place));
        self.visitors[place] = Some(Visitor::new(visit, self.visits));
        self.visits += 1;
        if let Some(tally) = &mut self.tally {
            tally.sessions.total += 1;
        }
    }

    fn act(&mut self, now: Time, place: usize, lane: usize, visit: u32) {
        let Some(visitor) = &mut self.visitors[place] else { return };
        // The visit ends with what a lane does at its end, before the place is given to the next.
        debug_assert_eq!(visitor.visit, visit);
        let design = &mut *self.design;
        let mut ignored = Tally::default();
        let tally = self.tally.as_mut().unwrap_or(&mut ignored);
        let (act, pause) = visitor.lane(lane).act();
        if now >= visitor.end {
            visitor.close(lane, design, &self.place, tally);
            return;
        }
        match act {
            Act::Open => visitor.open(lane, design, &self.place, tally),
            Act::Talk => visitor.talk(lane, design, &self.place, tally),
            Act::Close => visitor.close(lane, design, &self.place, tally),
        }
        let next = (now + pause).min(visitor.end);
        self.at(next, Event::Act(place, lane, visit));
    }
}
