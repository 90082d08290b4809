//! What the demo builds: the lab, a server on each backend, and the daemon with five services.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::Result;

use crate::lab::{
    BACKEND_PORTS, Daemon, Lab, NameServer, Size, Way,
    config::{Config, QUICK_HTTP, Service},
};

/// Backends of every service.
pub(super) const BACKENDS: u8 = 3;
/// The service of HTTP, sticky by cookie.
pub(super) const SHOP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 30)), 80);
/// Clients of a round.
pub(super) const CLIENTS: u8 = 24;

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
            (0..BACKENDS).map(|index| lab.start_server(&binary, index).map(Some)).collect::<Result<_>>()?;
        let daemon = Daemon::start(&binary, &lab, &configuration().to_string())?;
        Ok(Self { daemon, servers, lab, binary })
    }

    /// Kills the server on backend `index`; its process id if there was one.
    pub(super) fn kill_server(&mut self, index: u8) -> Option<u32> {
        self.servers[usize::from(index)].take().map(|server| server.pid())
    }

    /// Starts it again.
    pub(super) fn restart_server(&mut self, index: u8) -> Result<()> {
        self.servers[usize::from(index)] = Some(self.lab.start_server(&self.binary, index)?);
        Ok(())
    }

    /// Process id of the server on backend `index`.
    pub(super) fn server_pid(&self, index: u8) -> Option<u32> {
        self.servers[usize::from(index)].as_ref().map(NameServer::pid)
    }
}

fn configuration() -> Config {
    let service = |way: Way| Service { health: QUICK_HTTP, ..way.service(BACKENDS) };
    let mut services: Vec<_> = Way::PLAIN.map(service).into();
    let shop = Service::http("shop", SHOP, BACKENDS, BACKEND_PORTS[0]);
    services.push(Service { health: QUICK_HTTP, ..shop });
    Config::new(services)
}
