//! Connections a second: a request and an answer on each, by the kernel's own TCP at both ends.
//!
//! What a balancer costs is the CPU time of everything that took part, less that without a balancer in the same round:
//! client, server and both ends' TCP are the same in both.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lb_user::dataplane::PassGuard;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    balancers::Balancers,
    cpu::{self, Workers},
    network::{Network, pass},
    plan::End,
    servers::{Server, wrk},
    system::System,
};

/// What carries connections, but for the balancers that are there already.
pub(crate) struct Stage<'a> {
    network: &'a Network,
    limpet: u32,
    nginx: Server,
    haproxy: Server,
    workers: Workers,
    all: Vec<usize>,
    _passes: Vec<PassGuard>,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) connections: u64,
    pub(crate) seconds: f64,
    /// Of everything that took part.
    pub(crate) cpu: Duration,
    /// Of the balancer's own process in it.
    pub(crate) process: Duration,
}

impl Sample {
    /// CPU time of a connection, in us.
    pub(crate) fn us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.connections as f64
    }

    /// The same of the balancer's process.
    pub(crate) fn process_us(&self) -> f64 {
        self.process.as_secs_f64() * 1e6 / self.connections as f64
    }
}

impl<'a> Stage<'a> {
    pub(crate) fn new(network: &'a Network, balancers: &Balancers, all: &[usize]) -> Result<Self> {
        let mut passes = Vec::new();
        for system in System::OF_CONNECTIONS.into_iter().filter(|system| system.is_limpet()) {
            for (namespace, end) in [(&network.generator, End::Generator), (&network.sink, End::Sink)] {
                passes.push(pass(namespace, &system.path().name(end))?);
            }
        }
        let directory = network.lab.directory();
        Ok(Self {
            network,
            limpet: balancers.limpet.pid(),
            nginx: Server::nginx(&network.sink, &directory)?,
            haproxy: Server::haproxy(&balancers.haproxy, &directory)?,
            workers: Workers::find()?,
            all: all.to_vec(),
            _passes: passes,
        })
    }

    /// Loads a system for so many seconds, with everything that takes part on `cpus`.
    pub(crate) fn measure(&self, system: System, cpus: &[usize], seconds: u32) -> Result<Sample> {
        let mut set = CpuSet::new();
        for &cpu in cpus {
            set.set(cpu)?;
        }
        // wrk has what this thread has.
        for process in [self.nginx.process(), self.haproxy.process(), 0] {
            sched_setaffinity(Pid::from_raw(process.try_into()?), &set)?;
        }
        let balancer = match system {
            System::Haproxy => Some(self.haproxy.process()),
            System::Nat | System::Dsr => Some(self.limpet),
            _ => None,
        };
        let read = || -> Result<[Duration; 2]> {
            let process = balancer.map(cpu::of_process).transpose()?.unwrap_or_default();
            let others = cpu::of_process(self.nginx.process())? + self.workers.of(&self.all)?;
            Ok([others + cpu::of_children()? + process, process])
        };
        let before = read()?;
        let (connections, seconds) = wrk(&self.network.generator, system.target(), seconds)
            .with_context(|| system.name().to_owned())?;
        let after = read()?;
        ensure!(connections > 0, "{}: no connection", system.name());
        let [cpu, process] = [after[0] - before[0], after[1] - before[1]];
        Ok(Sample { connections, seconds, cpu, process })
    }
}
