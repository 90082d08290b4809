//! A lab with servers and a daemon in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::{
    Daemon, Lab, Mode, NameServer, Size, Way,
    client::Tasks,
    config::{Config, Service},
};
use serde_json::Value;

/// How long a state that is promised at some time may take to come. Far above what it takes.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// The program under test.
#[must_use]
pub fn binary() -> PathBuf {
    std::env::var_os("LIMPET_BIN")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/limpet"), PathBuf::from)
}

/// Which of a lab's two backends serves a way alone: the last answers through the balancer, the first directly.
#[must_use]
pub fn lone_backend(way: Way) -> u8 {
    u8::from(way.mode == Mode::NatPreservingClient)
}

/// Everything a test needs. Fields drop in order: the daemon leaves before its network goes.
pub struct Bed {
    /// The daemon under test.
    pub daemon: Daemon,
    /// A name server on each backend; `None` is dead.
    pub servers: Vec<Option<NameServer>>,
    /// Runs clients.
    pub clients: Tasks,
    /// The network.
    pub lab: Lab,
}

impl Bed {
    /// A lab with name servers on all backends and the daemon serving `services`, all backends up.
    pub async fn new(size: Size, services: Vec<Service>) -> Result<Self> {
        let lab = Lab::new(size)?;
        let servers = (0..size.backends)
            .map(|index| lab.start_server(&binary(), index).map(Some))
            .collect::<Result<_>>()?;
        Self::in_lab(lab, servers, &Config::new(services)).await
    }

    /// The same without name servers: the test brings what its backends run.
    pub async fn without_servers(size: Size, services: Vec<Service>) -> Result<Self> {
        Self::in_lab(Lab::new(size)?, Vec::new(), &Config::new(services)).await
    }

    /// Starts the daemon in a lab that was prepared.
    pub async fn in_lab(lab: Lab, servers: Vec<Option<NameServer>>, config: &Config) -> Result<Self> {
        let daemon = Daemon::start(&binary(), &lab, &config.to_string())?;
        daemon.wait_for(PATIENCE, |status| status.all("up")).await.context("backends do not come up")?;
        let clients = Tasks::inside(lab.clients())?;
        Ok(Self { daemon, servers, clients, lab })
    }

    /// What `limpet status` says of snapshots.
    pub fn snapshot(&self) -> Result<Value> {
        Ok(self.daemon.ask::<Value>(&["status", "--json"])?["snapshot"].take())
    }

    /// Waits until as many sessions are on disk.
    pub async fn until_written(&self, sessions: usize) -> Result<()> {
        self.snapshot_when(|snapshot| snapshot["sessions"] == sessions).await.map(drop)
    }

    /// Waits until `limpet status` says what is `wanted` of snapshots.
    pub async fn snapshot_when(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let start = Instant::now();
        loop {
            let snapshot = self.snapshot()?;
            if wanted(&snapshot) {
                return Ok(snapshot);
            }
            ensure!(start.elapsed() < PATIENCE, "{snapshot:#}\n{}", self.daemon.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Nothing is left in the kernel when the daemon starts again; `meanwhile` is done while it is down.
    pub async fn reboot(&mut self, meanwhile: impl FnOnce(&Self)) -> Result<()> {
        self.daemon.kill()?;
        fs::remove_dir_all(self.lab.pins())?;
        meanwhile(self);
        self.daemon.start_again()?;
        self.daemon.wait_for(PATIENCE, |status| status.all("up")).await?;
        Ok(())
    }

    /// The kernel's id of the program on the balancer's interface; each load gets another.
    pub fn program_id(&self) -> Result<u64> {
        let mut command = Command::new("ip");
        command.args(["-json", "link", "show", "dev", "eth0"]).stdout(Stdio::piped());
        let output = self.lab.balancer().spawn(&mut command)?.wait_with_output()?;
        let links: Value = serde_json::from_slice(&output.stdout)?;
        links[0]["xdp"]["prog"]["id"].as_u64().context("no XDP program on eth0")
    }
}
