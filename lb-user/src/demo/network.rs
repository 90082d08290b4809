//! What the demo builds: the lab, a server on each backend, and the daemon with four services.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::lab::{
    Daemon, Family, Lab, NameServer, Size,
    config::{self, Config},
    plan,
};

/// Backends of every service.
pub(super) const BACKENDS: u8 = 3;
/// Clients of a round.
pub(super) const CLIENTS: u8 = 24;

/// Of every service.
const PORT: u16 = 80;
/// Where each backend's server listens: for services that rewrite the port, and for those that do not.
pub(super) const BACKEND_PORTS: [u16; 2] = [8080, PORT];

/// How a service forwards, as the configuration calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Nat,
    Dsr,
}

/// One of the four services.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    mode: Mode,
    pub(super) family: Family,
}

impl Service {
    pub(super) const ALL: [Self; 4] = [
        Self { mode: Mode::Nat, family: Family::V4 },
        Self { mode: Mode::Nat, family: Family::V6 },
        Self { mode: Mode::Dsr, family: Family::V4 },
        Self { mode: Mode::Dsr, family: Family::V6 },
    ];

    /// `nat` or `dsr`.
    pub(super) fn forwarding(self) -> &'static str {
        match self.mode {
            Mode::Nat => "nat",
            Mode::Dsr => "dsr",
        }
    }

    /// Its name in the configuration.
    pub(super) fn name(self) -> String {
        let family = match self.family {
            Family::V4 => "v4",
            Family::V6 => "v6",
        };
        format!("{}-{family}", self.forwarding())
    }

    /// Where clients reach it.
    pub(super) fn address(self) -> SocketAddr {
        let address = match self.mode {
            Mode::Nat => plan::vip(self.family),
            Mode::Dsr => plan::dsr_vip(self.family),
        };
        (address, PORT).into()
    }

    /// Where its backends listen. With `dsr` nobody rewrites the port.
    fn backend_port(self) -> u16 {
        let [rewritten, kept] = BACKEND_PORTS;
        match self.mode {
            Mode::Nat => rewritten,
            Mode::Dsr => kept,
        }
    }
}

/// All that runs. Dropping it ends and removes everything, the daemon first.
pub(super) struct Network {
    pub(super) daemon: Daemon,
    servers: Vec<Option<NameServer>>,
    pub(super) lab: Lab,
    pub(super) binary: PathBuf,
}

impl Network {
    /// Builds it from this very program.
    pub(super) fn build() -> Result<Self> {
        let binary = std::env::current_exe()?;
        let lab = Lab::new(Size { clients: 2 * CLIENTS, backends: BACKENDS })?;
        let servers =
            (0..BACKENDS).map(|index| start_server(&lab, &binary, index).map(Some)).collect::<Result<_>>()?;
        let daemon = Daemon::start(&binary, &lab, &configuration().to_string())?;
        Ok(Self { daemon, servers, lab, binary })
    }

    /// Kills the server on backend `index`; its process id if there was one.
    pub(super) fn kill_server(&mut self, index: u8) -> Option<u32> {
        self.servers[usize::from(index)].take().map(|server| server.pid())
    }

    /// Starts it again.
    pub(super) fn restart_server(&mut self, index: u8) -> Result<()> {
        self.servers[usize::from(index)] = Some(start_server(&self.lab, &self.binary, index)?);
        Ok(())
    }

    /// Process id of the server on backend `index`.
    pub(super) fn server_pid(&self, index: u8) -> Option<u32> {
        self.servers[usize::from(index)].as_ref().map(NameServer::pid)
    }
}

fn start_server(lab: &Lab, binary: &Path, index: u8) -> Result<NameServer> {
    lab.start_server(binary, index, &BACKEND_PORTS)
}

fn configuration() -> Config {
    let services = Service::ALL.map(|service| config::Service {
        health: config::QUICK_HTTP,
        ..config::Service::new(
            &service.name(),
            service.forwarding(),
            service.address(),
            BACKENDS,
            service.backend_port(),
        )
    });
    Config::new(services.into())
}
