//! Connections a second: a request and an answer on each, by the kernel's own TCP at both ends.
//!
//! The balancer is charged with its process, and with the kernel's threads for its two interfaces; that of HAProxy has
//! its half of TCP in them. Not charged is what clients and backends spend on their interfaces, where most of what veth
//! pairs cost is.

use std::{path::Path as File, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lb_user::dataplane::PassGuard;
use limpet_tests::{
    cpu::{self, Workers},
    wrk::{Load, Wrk},
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    balancers::Balancers,
    interfaces::{Threads, pass, set_features},
    network::Network,
    plan::{End, PORT},
    programs::Redirect,
    servers::Server,
    system::System,
};

/// Connections that may fail, in a thousand. Some do in any system, where a port comes again within seconds.
const FAILED: u64 = 10;
/// Connections that are open at a time.
const AT_ONCE: u32 = 64;

/// What carries connections, but for the balancers that are there already.
pub(crate) struct Stage<'a> {
    network: &'a Network,
    limpet: u32,
    /// The balancers' interfaces, by system, and those of clients and backends.
    interfaces: Vec<(System, Threads)>,
    ends: Threads,
    nginx: Server,
    haproxy: Server,
    workers: Workers,
    all: Vec<usize>,
    _redirect: [Redirect; 2],
    _passes: Vec<PassGuard>,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// With an answer.
    pub(crate) connections: u64,
    /// Others.
    pub(crate) failed: u64,
    pub(crate) seconds: f64,
    /// Of everything that took part.
    pub(crate) cpu: Duration,
    /// Of the balancer in it.
    pub(crate) balancer: Duration,
}

impl Sample {
    /// CPU time of a connection, in us.
    pub(crate) fn us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.connections as f64
    }

    /// The same of the balancer.
    pub(crate) fn balancer_us(&self) -> f64 {
        self.balancer.as_secs_f64() * 1e6 / self.connections as f64
    }
}

impl<'a> Stage<'a> {
    /// Attaches what is needed, and starts the servers.
    pub(crate) fn new(
        network: &'a Network,
        balancers: &Balancers,
        object: &File,
        all: &[usize],
    ) -> Result<Self> {
        let redirect = Redirect::join(object, &balancers.redirect, System::Redirect.path())?;
        let mut passes = Vec::new();
        let (mut interfaces, mut ends) = (Vec::new(), Threads::default());
        for (system, balancer) in balancers.of_connections(network) {
            let mut own = Threads::default();
            for (namespace, end) in [(&network.generator, End::Generator), (&network.sink, End::Sink)] {
                let device = system.path().name(end);
                if system.is_xdp() {
                    passes.push(pass(namespace, &device)?);
                } else {
                    set_features(namespace, &device, &["gro", "on"])?;
                }
                ends.add(namespace, &device)?;
            }
            for device in [End::In, End::Out].map(|end| system.path().name(end)) {
                if !system.is_xdp() {
                    // Where segmentation is left to others, a veth goes past its receiver's thread.
                    set_features(balancer, &device, &["gro", "on", "tso", "off"])?;
                }
                own.add(balancer, &device)?;
            }
            interfaces.push((system, own));
        }
        let directory = network.lab.directory();
        Ok(Self {
            network,
            limpet: balancers.limpet.pid(),
            interfaces,
            ends,
            nginx: Server::nginx(&network.sink, &directory)?,
            haproxy: Server::haproxy(&balancers.haproxy, &directory)?,
            workers: Workers::find()?,
            all: all.to_vec(),
            _redirect: redirect,
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
        let servers = [self.nginx.process(), self.haproxy.process(), 0];
        let threads = self.interfaces.iter().flat_map(|(_, threads)| threads.ids()).chain(self.ends.ids());
        for &process in servers.iter().chain(threads) {
            sched_setaffinity(Pid::from_raw(process.try_into()?), &set)?;
        }
        let process = match system {
            System::Haproxy => Some(self.haproxy.process()),
            System::Nat | System::Dsr => Some(self.limpet),
            _ => None,
        };
        let interfaces = self.interfaces.iter().find(|(of, _)| *of == system).map(|(_, threads)| threads);
        let read = || -> Result<[Duration; 2]> {
            let balancer = process.map(cpu::of_process).transpose()?.unwrap_or_default()
                + interfaces.map(Threads::time).transpose()?.unwrap_or_default();
            let ends = cpu::of_process(self.nginx.process())? + cpu::of_children()? + self.ends.time()?;
            Ok([ends + self.workers.of(&self.all)? + balancer, balancer])
        };
        let before = read()?;
        let wrk = Wrk { connections: AT_ONCE, threads: 1, seconds, is_new: true, script: None };
        let url = format!("http://{}:{PORT}/", system.target());
        let load = wrk.run(&self.network.generator, &url).with_context(|| system.name().to_owned())?;
        let Load { answered, failed, seconds, .. } = load;
        let after = read()?;
        let name = system.name();
        ensure!(
            answered > 0 && failed * 1_000 <= answered * FAILED,
            "{name}: {answered} connections, {failed} failed"
        );
        let [cpu, balancer] = [after[0] - before[0], after[1] - before[1]];
        Ok(Sample { connections: answered, failed, seconds, cpu, balancer })
    }
}
