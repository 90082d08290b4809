//! A lab with backends and balancers in it, and who runs on which CPU.

use std::{path::Path as File, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::{
    Daemon, Family, Lab, Size, backend_name,
    config::{Backend, Certificate, Config, Health, Http, Ports, Service},
    plan,
};
use limpet_tests::{
    cpu,
    wrk::{Load, Wrk},
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    cookies,
    scenario::{Kind, Scenario},
    servers::{Identity, Server},
    system::System,
};

/// Of one worker each.
pub(crate) const BACKENDS: u8 = 3;
/// Where they listen.
pub(crate) const PORT: u16 = 8080;
/// Requests that may fail, in a thousand. Some do in any system, where a port comes again within seconds.
const FAILED: u64 = 5;

/// Which CPUs are whose.
#[derive(Clone, Debug)]
pub(crate) struct Cpus {
    /// The measured system's.
    pub(crate) own: Vec<usize>,
    /// Clients' and backends'.
    pub(crate) others: Vec<usize>,
}

impl Cpus {
    /// The last ones are for the system: interrupts mostly go to the first. A machine with too few has them all for
    /// everybody.
    pub(crate) fn split(all: &[usize], own: usize) -> Result<Self> {
        ensure!(own > 0 && own <= all.len(), "there are {} CPUs", all.len());
        let (others, own) = all.split_at(all.len() - own);
        let others = if others.is_empty() { own } else { others };
        Ok(Self { own: own.to_vec(), others: others.to_vec() })
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) load: Load,
    /// CPU time of the system's processes.
    pub(crate) cpu: Duration,
}

/// A network with everything in it. Only the first has others than Limpet.
pub(crate) struct Site {
    cpus: Cpus,
    limpet: Daemon,
    others: Vec<(System, Server)>,
    _backends: Vec<Server>,
    lab: Lab,
}

impl Site {
    /// Starts everything.
    pub(crate) fn new(cpus: Cpus, limpet: &File, is_first: bool) -> Result<Self> {
        let lab = Lab::new(Size { clients: 1, backends: BACKENDS })?;
        // Each connection of a load takes another port.
        lab.balancer().set_sysctl("net/ipv4/ip_local_port_range", "1024 65535")?;
        let directory = lab.directory();
        let identity = Identity::make(&directory)?;
        pin(&cpus.others)?;
        let backend = |(index, namespace)| Server::backend(namespace, &directory, &backend_name(index));
        let backends = (0..).zip(lab.backends()).map(backend).collect::<Result<_>>()?;
        pin(&cpus.own)?;
        let limpet = Daemon::start(limpet, &lab, &configuration(&identity).to_string())?;
        let (balancer, threads) = (lab.balancer(), cpus.own.len());
        let others = match is_first {
            true => vec![
                (System::Haproxy, Server::haproxy(balancer, &directory, &identity, threads)?),
                (System::Nginx, Server::nginx(balancer, &directory, &identity, threads)?),
            ],
            false => Vec::new(),
        };
        pin(&cpus.others)?;
        Ok(Self { cpus, limpet, others, _backends: backends, lab })
    }

    /// Loads a system for so many seconds.
    pub(crate) fn measure(
        &self,
        system: System,
        scenario: Scenario,
        connections: u32,
        seconds: u32,
    ) -> Result<Sample> {
        let clients = self.lab.clients();
        let at = || format!("{}: {}", system.name(), scenario.name());
        let cookies = match scenario.has_cookies() {
            true => cookies::collect(clients, &system.url(scenario.is_tls), connections).with_context(at)?,
            false => Vec::new(),
        };
        let script = self.lab.directory().join("clients.lua");
        std::fs::write(&script, cookies::script(&cookies))?;
        let url = system.url(scenario.is_tls) + scenario.path();
        let is_new = scenario.kind == Kind::New;
        let before = self.cpu(system)?;
        let threads = self.cpus.others.len();
        let wrk = Wrk { connections, threads, seconds, is_new, script: Some(&script) };
        let load = wrk.run(clients, &url).with_context(at)?;
        let cpu = self.cpu(system)? - before;
        let Load { answered, failed, .. } = load;
        ensure!(
            answered > 0 && failed * 1_000 <= answered * FAILED,
            "{}: {answered} requests were answered, {failed} failed",
            at()
        );
        Ok(Sample { load, cpu })
    }

    /// What the system has taken so far.
    fn cpu(&self, system: System) -> Result<Duration> {
        match self.others.iter().find(|(other, _)| *other == system) {
            Some((_, server)) => server.processes()?.into_iter().map(cpu::of_process).sum(),
            None => cpu::of_process(self.limpet.pid()),
        }
    }

    /// What is here besides Limpet.
    pub(crate) fn others(&self) -> impl Iterator<Item = System> {
        self.others.iter().map(|(system, _)| *system)
    }
}

/// Has this thread, and what it starts from now on, run on these.
fn pin(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// The same backends, plain and by TLS.
fn configuration(identity: &Identity) -> Config {
    let address = System::Limpet(0).address(false);
    let plain = Service {
        health: Health::None,
        backend: (0..BACKENDS).map(|index| Backend::new(Family::V4, index, PORT)).collect(),
        ..Service::http("plain", address, BACKENDS, PORT)
    };
    let certificate = Certificate {
        certificate: identity.certificate.display().to_string(),
        key: identity.key.display().to_string(),
    };
    let tls = Service {
        name: "tls".to_owned(),
        ports: Ports::Port(System::Limpet(0).address(true).port()),
        http: Some(Http { certificate: vec![certificate], ..Http::default() }),
        ..plain.clone()
    };
    Config::new(vec![plain, tls])
}

/// Where backend `index` is.
pub(crate) fn backend(index: u8) -> String {
    format!("{}:{PORT}", plan::backend(Family::V4, index))
}
