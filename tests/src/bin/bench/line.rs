//! One line of the table: a kind of packet, and what it costs.

use std::{ops::RangeInclusive, path::Path, rc::Rc};

use anyhow::{Result, ensure};
use aya::programs::Xdp;
use lb_common::reason::Reason;

use crate::{
    bed::Bed,
    cold::Filler,
    feed::Feed,
    floor::Floor,
    run::{Action, Clock, Counts, run},
    sample::Sample,
};

/// Repeats of what takes only a few ns.
const CHEAP: u32 = 1_000_000;

/// A kind of packet to measure.
pub(crate) struct Line {
    pub(crate) what: String,
    /// The most it may cost, as a multiple of the empty program, where that was promised.
    pub(crate) budget: Option<f64>,
    /// The line of a part of what it does.
    pub(crate) floor_below: Option<String>,
    /// Nothing built of such parts gets below it.
    pub(crate) is_floor: bool,
    frame: Vec<u8>,
    /// Packets in one run.
    times: u32,
    /// What each packet must be counted under; `None`: it does not meet the packet program.
    fate: Option<Reason>,
    /// Share of the packets that may open a connection.
    new: RangeInclusive<f64>,
    /// Where packets differ: feeders of the packet program and of the empty one.
    feeds: Option<(Feed, Feed)>,
    /// Each run begins with an empty flow table.
    fresh: bool,
    /// Each run begins with all source ports free.
    takes_ports: bool,
    /// Each run is a burst after the caches were filled with this.
    burst: Option<Rc<Filler>>,
    /// Each run begins when so many packets of this have passed.
    flood: Option<(Feed, Vec<u8>, u32)>,
    pub(crate) samples: Vec<Sample>,
}

impl Line {
    /// The same packet again and again.
    pub(crate) fn same(what: impl Into<String>, frame: Vec<u8>, fate: Reason) -> Self {
        Self::new(what.into(), frame, Some(fate))
    }

    fn new(what: String, frame: Vec<u8>, fate: Option<Reason>) -> Self {
        Self {
            what,
            budget: None,
            floor_below: None,
            is_floor: false,
            frame,
            times: 300_000,
            fate,
            new: 0.0..=0.0,
            feeds: None,
            fresh: false,
            takes_ports: false,
            burst: None,
            flood: None,
            samples: Vec::new(),
        }
    }

    /// Packets from `sources` sources in turn, `times` in a run; a share of `new` open a connection.
    pub(crate) fn fed(
        what: impl Into<String>,
        frame: Vec<u8>,
        (sources, times): (u32, u32),
        new: RangeInclusive<f64>,
        (bed, feeder): (&mut Bed, &Path),
    ) -> Result<Self> {
        let feeds = (
            Feed::load(feeder, bed.program.xdp(), sources)?,
            Feed::load(feeder, bed.program.pass(), sources)?,
        );
        let same = Self::same(what, frame, Reason::ToBackend);
        Ok(Self { times, new, feeds: Some(feeds), ..same })
    }

    /// The same packet again and again, of which the program makes a larger one.
    pub(crate) fn wrapped(
        what: impl Into<String>,
        frame: Vec<u8>,
        (bed, feeder): (&mut Bed, &Path),
    ) -> Result<Self> {
        let feeds = (
            Feed::unwrap(feeder, bed.program.xdp(), &frame)?,
            Feed::unwrap(feeder, bed.program.pass(), &frame)?,
        );
        Ok(Self { feeds: Some(feeds), ..Self::same(what, frame, Reason::ToBackend) })
    }

    /// One thing of what the packet program does, for packets from `sources` sources in turn.
    pub(crate) fn floor(
        what: impl Into<String>,
        frame: Vec<u8>,
        (sources, times): (u32, u32),
        floor: &Floor,
        (bed, feeder): (&mut Bed, &Path),
    ) -> Result<Self> {
        let feeds =
            (Feed::load(feeder, floor.xdp()?, sources)?, Feed::load(feeder, bed.program.pass(), sources)?);
        Ok(Self { times, feeds: Some(feeds), is_floor: true, ..Self::new(what.into(), frame, None) })
    }

    /// The program that the others are compared with.
    pub(crate) fn empty(what: String, frame: Vec<u8>, times: u32) -> Self {
        Self { times, is_floor: true, ..Self::new(what, frame, None) }
    }

    /// The same line, of packets that no service is there for.
    pub(crate) fn not_ours(self) -> Self {
        Self { fate: Some(Reason::NotOurs), ..self }
    }

    /// The same line, with an empty flow table at the start of each run.
    pub(crate) fn with_free_table(self) -> Self {
        Self { fresh: true, ..self }
    }

    /// The same line, with all source ports free at the start of each run.
    pub(crate) fn with_free_ports(self) -> Self {
        Self { takes_ports: true, ..self }
    }

    /// The same line, in bursts that find `filler` in the caches.
    pub(crate) fn burst(self, filler: &Rc<Filler>) -> Self {
        Self { burst: Some(Rc::clone(filler)), ..self }
    }

    /// The same line, each run amid a flood: `times` packets like `frame` before it.
    pub(crate) fn amid(self, flood: Feed, frame: Vec<u8>, times: u32) -> Self {
        Self { flood: Some((flood, frame, times)), ..self }
    }

    /// The same line, of which a limit is promised; it can't cost less than the floor of this name.
    pub(crate) fn within(self, budget: f64, floor: impl Into<String>) -> Self {
        Self { budget: Some(budget), floor_below: Some(floor.into()), ..self }
    }

    /// Runs once, and makes sure that the packets met the fate they should.
    pub(crate) fn measure(&mut self, bed: &mut Bed) -> Result<()> {
        if self.fresh {
            bed.forget_flows();
        }
        if self.takes_ports {
            bed.free_ports();
        }
        let forwards = matches!(self.fate, Some(Reason::ToBackend | Reason::ToClient));
        let action = if forwards { Action::Tx } else { Action::Pass };
        let clock = Clock::new(bed.program.pass(), &self.frame)?;
        let empty = clock.run(bed.program.pass(), &self.frame, CHEAP, Action::Pass)?;
        let feeding = match (&self.feeds, &self.burst) {
            (None, _) => 0.0,
            (Some((_, floor)), None) => clock.run(floor.xdp()?, &self.frame, CHEAP, Action::Pass)? - empty,
            (Some((_, floor)), Some(filler)) => {
                let fed = filler.burst(floor.xdp()?, &self.frame, self.times, Action::Pass)?;
                fed - filler.burst(bed.program.pass(), &self.frame, self.times, Action::Pass)?
            }
        };
        if let Some((feed, frame, times)) = &self.flood {
            run(feed.xdp()?, frame, *times, action)?;
        }
        if self.burst.is_some() {
            // Opens what connections that found no place have displaced meanwhile.
            run(self.program(bed)?, &self.frame, self.times, action)?;
        }
        let before = Counts::read(&bed.program.kernel)?;
        let program = self.program(bed)?;
        let whole = match &self.burst {
            None => clock.run(program, &self.frame, self.times, action)?,
            Some(filler) => filler.burst(program, &self.frame, self.times, action)?,
        };
        self.check(&before, &Counts::read(&bed.program.kernel)?)?;
        self.samples.push(Sample { empty, ns: whole - feeding });
        Ok(())
    }

    /// What is run.
    fn program<'a>(&'a self, bed: &'a mut Bed) -> Result<&'a Xdp> {
        match (&self.feeds, self.fate) {
            (Some((feed, _)), _) => feed.xdp(),
            (None, Some(_)) => Ok(bed.program.xdp()),
            (None, None) => Ok(bed.program.pass()),
        }
    }

    /// Makes sure that the packets met the fate they should.
    fn check(&self, before: &Counts, after: &Counts) -> Result<()> {
        let Self { what, fate, new, .. } = self;
        let times = if self.burst.is_some() { 2 * self.times } else { self.times };
        let Some(fate) = *fate else { return Ok(()) };
        let met = after.since(before, fate);
        ensure!(met == u64::from(times), "{what}: {met} of {times} were {}", fate.name());
        let opened = after.since(before, Reason::FlowNew) as f64 / f64::from(times);
        ensure!(new.contains(&opened), "{what}: a share of {opened} was new, not {new:?}");
        Ok(())
    }
}
