//! Everything that the script has in hand, and the comparison of the books.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail, ensure};
use lb_user::lab::{Daemon, Lab, NameServer, Status, backend_name, client::Tasks};
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    standing::{Ledger, Trouble},
    visitor::Visitor,
    world::{SERVICES, World},
};

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// After this time without anything new, no packet of a client is under way: the kernel delays an acknowledgement by
/// 200 ms at most.
const QUIET: Duration = Duration::from_millis(500);

/// The network and all that runs in it. Fields drop in order: the daemon leaves before its network goes.
pub struct Stage {
    /// The daemon.
    pub daemon: Daemon,
    /// Runs clients.
    pub clients: Tasks,
    /// By backend; `None` is dead.
    pub servers: Vec<Option<NameServer>>,
    /// The network.
    pub lab: Lab,
    /// What clients have in common.
    pub world: Arc<World>,
    /// Chance.
    pub rng: StdRng,
    /// That clients' chances come from.
    pub seed: u64,
}

impl Stage {
    /// Clients that nobody has seen before, and waits for each one's first connection.
    pub async fn newcomers(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.clients.spawn(Visitor::new(&self.world, self.seed).live());
        }
        self.until("each client has a home", || self.world.all(|standing, _| standing.home.is_some())).await
    }

    /// Orders what ends connections, while none has packets under way: otherwise a last acknowledgement, whose sender
    /// never hears of it, would be decided anew and counted.
    pub async fn cut(&mut self, action: &str, backend: usize, trouble: Trouble) -> Result<()> {
        let world = Arc::clone(&self.world);
        let quiet = world.gate.write().await;
        sleep(QUIET).await;
        self.world.set(backend, Some(trouble));
        self.order(action, backend, |_| Vec::new())?;
        drop(quiet);
        self.settle(backend).await
    }

    /// Tells every service.
    pub fn order(&self, action: &str, backend: usize, more: impl Fn(usize) -> Vec<String>) -> Result<()> {
        for (index, rules) in SERVICES.iter().enumerate() {
            let target = format!("{}/{}", rules.way.name(), backend_name(backend as u8));
            let more = more(index);
            let mut words = vec!["backend", action, &target];
            words.extend(more.iter().map(String::as_str));
            words.push("--json");
            let _done: Value = self.daemon.ask(&words)?;
        }
        Ok(())
    }

    /// The backend is up, and nothing excuses anybody any more.
    pub async fn over(&self, backend: usize) -> Result<()> {
        self.wait_for(backend, "up").await?;
        self.world.set(backend, None);
        Ok(())
    }

    pub async fn wait_for(&self, backend: usize, state: &str) -> Result<()> {
        let is_so = |status: &Status| status.everywhere(&backend_name(backend as u8), state);
        self.daemon.wait_for(PATIENCE, is_so).await?;
        Ok(())
    }

    /// Waits until everybody whom the trouble at `backend` concerns has come, and has gone where it must.
    pub async fn settle(&self, backend: usize) -> Result<()> {
        let Some(trouble) = self.world.troubles()[backend] else { return Ok(()) };
        let is_settled = || self.world.all(|standing, rules| standing.is_settled(backend, trouble, rules));
        self.until("all clients concerned have come", is_settled).await
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) -> Result<()> {
        let begin = Instant::now();
        while !is_so() {
            self.no_faults()?;
            ensure!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            sleep(Duration::from_millis(20)).await;
        }
        self.no_faults()
    }

    fn no_faults(&self) -> Result<()> {
        let faults = self.world.faults();
        if faults.is_empty() {
            return Ok(());
        }
        let first: Vec<_> = faults.iter().take(10).map(String::as_str).collect();
        bail!("{} faults, the first of them:\n  {}", faults.len(), first.join("\n  "));
    }

    /// What the daemon counted is what clients saw; returns how many packets came late, see docs/testing.md.
    pub async fn compare(&self) -> Result<u64> {
        let _quiet = self.world.gate.write().await;
        sleep(QUIET).await;
        self.no_faults()?;
        let status = self.daemon.status()?;
        let (mut cut, mut died, mut differences) = (0, 0, Vec::new());
        for (index, rules) in SERVICES.iter().enumerate() {
            let ledger: Ledger = self.world.ledger(index).clone();
            let name = rules.way.name();
            let Some(service) = status.service(name) else { bail!("no service {name} in status") };
            let (kept, broken) = (service.promises.kept, service.promises.causes());
            if kept != ledger.kept || broken != ledger.broken {
                let audit = format!("the audit says {kept} kept and {broken:?} broken");
                differences.push(format!("{name}: {audit}, the clients {ledger:?}"));
            }
            cut += ledger.cut;
            died += ledger.died;
        }
        let anew = status.events["tcp_midstream"];
        let late = anew.checked_sub(cut).filter(|late| *late <= died);
        if late.is_none() {
            let connections = format!("{cut} connections were cut and {died} died");
            differences.push(format!("{anew} packets were decided in mid-connection, {connections}"));
        }
        ensure!(differences.is_empty(), "{}\n{:?}", differences.join("\n"), status.events);
        Ok(late.unwrap_or_default())
    }
}
