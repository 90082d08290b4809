//! One probing task for each backend that is checked, started, changed and stopped to match a list.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    mem,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{Judge, probe};
use crate::model::{Check, Health};

/// Names a backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendKey {
    /// The service's name.
    pub service: String,
    /// The backend's name, unique in the service.
    pub backend: String,
}

impl BackendKey {
    /// The backend of this name of the service of that name.
    pub fn new(service: impl Into<String>, backend: impl Into<String>) -> Self {
        Self { service: service.into(), backend: backend.into() }
    }
}

/// A backend that is to be probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub key: BackendKey,
    /// Where to connect to.
    pub address: SocketAddr,
    /// The virtual address and port, for the `Host` header.
    pub service: SocketAddr,
    /// How to probe.
    pub health: Health,
    /// What the caller takes it for: the state until the first verdict. Where there is another verdict already, the
    /// caller is told again.
    pub initially_up: bool,
}

/// A backend's state has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    /// Which backend.
    pub key: BackendKey,
    /// The new state.
    pub up: bool,
    /// What the last probe saw.
    pub reason: String,
    /// Which task sent it; see [`Monitor::is_current`].
    run: u64,
}

/// What is known of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The address that is probed.
    pub address: SocketAddr,
    /// The verdict.
    pub up: bool,
    /// Whether the last probe passed; `None` before the first.
    pub passed: Option<bool>,
    /// What the last probe saw, in words.
    pub reason: String,
}

/// Runs the probes. Dropping it stops them.
#[derive(Debug)]
pub struct Monitor {
    tasks: HashMap<BackendKey, Task>,
    next_run: u64,
    // Unbounded: a flip must reach the packet program, and hysteresis bounds their rate.
    flips: mpsc::UnboundedSender<Flip>,
}

/// The monitor's side of a probing task, which ends when this is dropped.
#[derive(Debug)]
struct Task {
    run: u64,
    address: SocketAddr,
    /// `None`: nothing is checked, and nobody probes.
    settings: Option<watch::Sender<Settings>>,
    report: Arc<Mutex<Report>>,
}

/// What can change without starting anew.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    health: Health,
    service: SocketAddr,
}

impl Monitor {
    /// A monitor without targets, and where its flips arrive.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Flip>) {
        let (flips, receiver) = mpsc::unbounded_channel();
        let monitor = Self { tasks: HashMap::new(), next_run: 0, flips };
        (monitor, receiver)
    }

    /// Makes `targets` the backends that are probed. Must run inside a tokio runtime.
    ///
    /// A target that is the same as before is not disturbed. One whose settings changed keeps its state and starts a
    /// new count. One whose address changed is another server and starts with `initially_up`.
    pub fn reconcile(&mut self, targets: Vec<Target>) {
        let mut before = mem::take(&mut self.tasks);
        self.tasks.reserve(targets.len());
        for target in targets {
            let key = target.key.clone();
            let task = match before.remove(&key) {
                Some(task) if task.address == target.address => self.go_on(task, target),
                _ => self.start(target),
            };
            self.tasks.insert(key, task);
        }
    }

    /// Whether a flip is about a backend that is still probed at that address. A flip that was under way while its
    /// backend was removed, and perhaps added again, is stale: ignore it.
    pub fn is_current(&self, flip: &Flip) -> bool {
        self.tasks.get(&flip.key).is_some_and(|task| task.run == flip.run)
    }

    /// The last result of each backend.
    pub fn snapshot(&self) -> BTreeMap<BackendKey, Report> {
        let report = |(key, task): (&BackendKey, &Task)| (key.clone(), lock(&task.report).clone());
        self.tasks.iter().map(report).collect()
    }

    fn go_on(&mut self, task: Task, target: Target) -> Task {
        match (&task.settings, &target.health.check) {
            (None, Check::None) => task,
            (Some(settings), Check::Tcp | Check::Http { .. }) => {
                let Report { up, reason, .. } = lock(&task.report).clone();
                if up != target.initially_up {
                    tell(&self.flips, Flip { key: target.key, up, reason, run: task.run });
                }
                let new = Settings { health: target.health, service: target.service };
                settings.send_if_modified(|settings| {
                    let modified = *settings != new;
                    *settings = new;
                    modified
                });
                task
            }
            _ => {
                let initially_up = lock(&task.report).up;
                self.start(Target { initially_up, ..target })
            }
        }
    }

    fn start(&mut self, target: Target) -> Task {
        let Target { key, address, service, health, initially_up } = target;
        let run = self.next_run;
        self.next_run += 1;
        let report = |up, passed, reason: &str| {
            Arc::new(Mutex::new(Report { address, up, passed, reason: reason.to_owned() }))
        };
        let flips = self.flips.clone();
        if health.check == Check::None {
            let reason = "not checked";
            if !initially_up {
                tell(&flips, Flip { key, up: true, reason: reason.to_owned(), run });
            }
            return Task { run, address, settings: None, report: report(true, Some(true), reason) };
        }
        let report = report(initially_up, None, "not probed yet");
        let (sender, settings) = watch::channel(Settings { health, service });
        let backend = Probed { key, address, run, report: Arc::clone(&report), flips };
        tokio::spawn(backend.follow(settings));
        Task { run, address, settings: Some(sender), report }
    }
}

/// The task's side.
struct Probed {
    key: BackendKey,
    address: SocketAddr,
    run: u64,
    report: Arc<Mutex<Report>>,
    flips: mpsc::UnboundedSender<Flip>,
}

impl Probed {
    /// Probes by the latest settings until nobody can change them any more.
    async fn follow(self, mut settings: watch::Receiver<Settings>) {
        loop {
            let current = settings.borrow_and_update().clone();
            tokio::select! {
                biased;
                changed = settings.changed() => if changed.is_err() { return },
                never = self.probe_for_ever(&current) => match never {},
            }
        }
    }

    async fn probe_for_ever(&self, Settings { health, service }: &Settings) -> Infallible {
        let path = match &health.check {
            // Has no task.
            Check::None => return std::future::pending().await,
            Check::Tcp => None,
            Check::Http { path } => Some(path.as_str()),
        };
        let mut judge = Judge::new(health.rise, health.fall, lock(&self.report).up);
        let mut start = Instant::now() + health.interval.mul_f64(rand::random_range(0.0..1.0));
        loop {
            sleep_until(start).await;
            start = Instant::now() + health.interval.mul_f64(rand::random_range(0.9..=1.0));
            let result = probe(path, self.address, *service, health.timeout).await;
            self.take(&mut judge, result);
        }
    }

    /// Notes a result, and tells if it changed the verdict.
    fn take(&self, judge: &mut Judge, result: Result<String, String>) {
        let passed = result.is_ok();
        let reason = result.unwrap_or_else(|reason| reason);
        let flip = judge.feed(passed);
        *lock(&self.report) =
            Report { address: self.address, up: judge.up(), passed: Some(passed), reason: reason.clone() };
        if let Some(up) = flip {
            tell(&self.flips, Flip { key: self.key.clone(), up, reason, run: self.run });
        }
    }
}

fn tell(flips: &mpsc::UnboundedSender<Flip>, flip: Flip) {
    // If nobody listens, the daemon is going down.
    let _ = flips.send(flip);
}

fn lock(report: &Mutex<Report>) -> MutexGuard<'_, Report> {
    report.lock().expect("no holder of a report panics")
}

#[cfg(test)]
mod tests;
