//! Packets a second: frames of many established connections, from generator to sink.

use std::{
    path::Path as File,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lb_user::dataplane::PassGuard;
use limpet_tests::{
    cpu::{self, Workers},
    packets::kernel::pin_to,
};

use crate::{
    balancers::Balancers,
    interfaces::pass,
    network::Network,
    plan::End,
    programs::{Expected, FLOWS, Generator, Kind, Redirect, Seen, Sink},
    system::System,
};

/// Longer than a tick of Limpet's clock: what comes in a later one proves a client.
const TICK: Duration = Duration::from_millis(1_100);
/// Within which the last frames arrive, which the other CPU may still hold.
const SETTLE: Duration = Duration::from_millis(5);

/// Bytes of frames, without the checksum on a wire.
pub(crate) const SIZES: [usize; 2] = [60, 1514];

/// A system with both ends of its path.
struct Lane {
    system: System,
    sink: Sink,
    syns: Generator,
    data: [Generator; SIZES.len()],
}

/// All of them, with their connections open.
pub(crate) struct Lanes<'a> {
    network: &'a Network,
    lanes: Vec<Lane>,
    workers: Workers,
    _redirect: [Redirect; 2],
    _passes: Vec<PassGuard>,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
    /// Of all CPUs that took part.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

impl Sample {
    /// CPU time of a frame that arrived, in ns.
    pub(crate) fn ns(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / self.arrived as f64
    }

    /// Frames that did not arrive.
    pub(crate) fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.arrived)
    }
}

impl<'a> Lanes<'a> {
    /// Attaches the ends, and opens connections from each of `cpus`.
    pub(crate) fn open(
        network: &'a Network,
        balancers: &Balancers,
        object: &File,
        cpus: &[usize],
    ) -> Result<Self> {
        let redirect = Redirect::join(object, &balancers.redirect, System::Redirect.path())?;
        let mut passes = Vec::new();
        for (system, namespace) in &balancers.kernel {
            for end in [End::In, End::Out] {
                passes.push(pass(namespace, &system.path().name(end))?);
            }
        }
        let mut lanes = Vec::new();
        for system in System::OF_PACKETS {
            let (path, target, mac) = (system.path(), system.target(), system.mac());
            passes.push(pass(&network.generator, &path.name(End::Generator))?);
            let sink = Sink::attach(object, &network.sink, path, system.expected())?;
            let [syns, small, large] = network.generator.run(|| -> Result<_> {
                let load = |kind| Generator::load(object, path, kind, target, mac);
                Ok([load(Kind::Syn)?, load(Kind::Data(SIZES[0]))?, load(Kind::Data(SIZES[1]))?])
            })?;
            lanes.push(Lane { system, sink, syns, data: [small, large] });
        }
        let lanes = Self { network, lanes, workers: Workers::find()?, _redirect: redirect, _passes: passes };
        lanes.establish(cpus)?;
        Ok(lanes)
    }

    /// A SYN of each connection, which is answered, and later packets in later ticks.
    fn establish(&self, cpus: &[usize]) -> Result<()> {
        let all = FLOWS * cpus.len() as u32;
        for lane in &self.lanes {
            let before = lane.sink.seen()?;
            self.send(&lane.syns, cpus, FLOWS)?;
            let Seen { arrived, opened, stray } = since(lane.sink.seen()?, before);
            let Expected { protocol, .. } = lane.system.expected();
            let name = lane.system.name();
            ensure!(
                arrived + opened == u64::from(all) && (opened == 0) == (protocol != 6),
                "{name}: of {all} connections {opened} were opened, {arrived} arrived otherwise, {stray} elsewhere"
            );
        }
        for _ in 0..2 {
            thread::sleep(TICK);
            for lane in &self.lanes {
                self.send(&lane.data[0], cpus, FLOWS)?;
            }
        }
        thread::sleep(TICK);
        Ok(())
    }

    /// Sends `frames` of this size from each CPU through a system, and sees what arrives.
    pub(crate) fn measure(&self, system: System, size: usize, cpus: &[usize], frames: u32) -> Result<Sample> {
        let lane = self.lanes.iter().find(|lane| lane.system == system).context("takes no packets")?;
        let size = SIZES.iter().position(|&other| other == size).context("no such size")?;
        let (before, helped) = (lane.sink.seen()?, self.workers.of(cpus)?);
        let (cpu, wall) = self.send(&lane.data[size], cpus, frames)?;
        thread::sleep(SETTLE);
        let Seen { arrived, opened, stray } = since(lane.sink.seen()?, before);
        let name = system.name();
        ensure!(stray == 0 && opened == 0, "{name}: {stray} frames arrived that should not");
        ensure!(arrived > 0, "{name}: nothing arrived");
        let cpu = cpu + (self.workers.of(cpus)? - helped);
        Ok(Sample { sent: u64::from(frames) * cpus.len() as u64, arrived, cpu, wall })
    }

    /// CPU time in all, and how long the slowest took.
    fn send(&self, generator: &Generator, cpus: &[usize], frames: u32) -> Result<(Duration, Duration)> {
        let from = |cpu: usize| -> Result<(Duration, Duration)> {
            pin_to(cpu);
            let (before, begin) = (cpu::of_thread()?, Instant::now());
            generator.send(frames)?;
            Ok((cpu::of_thread()? - before, begin.elapsed()))
        };
        let times = thread::scope(|scope| {
            let start = |&cpu: &usize| scope.spawn(move || self.network.generator.run(|| from(cpu)));
            let threads: Vec<_> = cpus.iter().map(start).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<Vec<_>>>()
        })?;
        let cpu = times.iter().map(|(cpu, _)| *cpu).sum();
        Ok((cpu, times.iter().map(|(_, wall)| *wall).max().unwrap_or_default()))
    }
}

fn since(now: Seen, before: Seen) -> Seen {
    Seen {
        arrived: now.arrived - before.arrived,
        opened: now.opened - before.opened,
        stray: now.stray - before.stray,
    }
}
