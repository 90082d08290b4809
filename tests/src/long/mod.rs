//! A long run: clients with open connections and new ones, while backends drain, die, come and go, and the daemon
//! is reloaded and killed. Nobody may notice who has no reason to, and the audit must count what clients saw, exactly.

mod script;
mod stage;
mod standing;
mod visitor;
mod world;

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lb_user::lab::{Daemon, Lab, Size, client::Tasks};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use self::{
    script::{REGULAR, Scene, config},
    stage::Stage,
    standing::BACKENDS,
    world::{SERVICES, World},
};

/// How long, and how large.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Each kind of scene is played once at least, and the last one to its end.
    pub time: Duration,
    /// Clients at the beginning.
    pub clients: usize,
    /// Mean time between two things that a client does.
    pub pause: Duration,
    /// Of everything that is left to chance.
    pub seed: u64,
}

/// What there was.
#[derive(Debug)]
pub struct Report {
    /// How long it took.
    pub time: Duration,
    /// Clients at the end.
    pub clients: usize,
    /// New connections.
    pub connections: u64,
    /// Answers on open ones.
    pub requests: u64,
    /// Scenes played.
    pub scenes: usize,
    /// Promises kept.
    pub kept: u64,
    /// Those broken, by cause.
    pub broken: BTreeMap<&'static str, u64>,
    /// Open connections that an order ended.
    pub cut: u64,
    /// Those that died with their server.
    pub died: u64,
    /// Packets of connections whose server was dead, and known to be, that were decided anew.
    pub late: u64,
}

/// Plays it with this `limpet`.
///
/// # Errors
/// What must not happen did, or the books differ; the error says in which scene.
pub async fn run(limpet: &Path, plan: Plan) -> Result<Report> {
    let begin = Instant::now();
    let lab = Lab::new(Size { clients: 1, backends: BACKENDS as u8 })?;
    let servers =
        (0..BACKENDS as u8).map(|index| lab.start_server(limpet, index).map(Some)).collect::<Result<_>>()?;
    let daemon = Daemon::start(limpet, &lab, &config([100; REGULAR]).to_string())?;
    daemon
        .wait_for(crate::bed::PATIENCE, |status| status.all("up"))
        .await
        .context("backends do not come up")?;
    let mut stage = Stage {
        daemon,
        clients: Tasks::inside(lab.clients())?,
        servers,
        lab,
        world: Arc::new(World::new(plan.pause)),
        rng: StdRng::seed_from_u64(plan.seed),
        seed: plan.seed,
    };
    stage.newcomers(plan.clients).await?;
    let (mut scenes, mut late) = (0, 0);
    while begin.elapsed() < plan.time || scenes == 0 {
        let mut order = Scene::ALL;
        order.shuffle(&mut stage.rng);
        for scene in order {
            if begin.elapsed() >= plan.time && scenes >= Scene::ALL.len() {
                break;
            }
            scenes += 1;
            println!("{:6.1} s  {scenes}. {scene:?}", begin.elapsed().as_secs_f64());
            late = stage
                .play(scene, limpet)
                .await
                .with_context(|| format!("seed {}, scene {scenes}, {scene:?}", plan.seed))?;
        }
    }
    Ok(Report { late, ..report(&stage.world, begin.elapsed(), scenes) })
}

fn report(world: &World, time: Duration, scenes: usize) -> Report {
    let mut report = Report {
        time,
        clients: world.count(),
        connections: world.connections.load(Relaxed),
        requests: world.requests.load(Relaxed),
        scenes,
        kept: 0,
        broken: BTreeMap::new(),
        cut: 0,
        died: 0,
        late: 0,
    };
    for index in 0..SERVICES.len() {
        let ledger = world.ledger(index);
        report.kept += ledger.kept;
        report.cut += ledger.cut;
        report.died += ledger.died;
        for (cause, count) in &ledger.broken {
            *report.broken.entry(cause).or_default() += count;
        }
    }
    report
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, clients, connections, requests, scenes, kept, broken, cut, died, late } = self;
        writeln!(f, "{scenes} scenes in {:.0} s, {clients} clients at the end", time.as_secs_f64())?;
        writeln!(f, "{connections} new connections, {requests} answers on open ones")?;
        writeln!(f, "{kept} promises kept, broken {broken:?}: what clients saw, and what the audit says")?;
        writeln!(f, "{died} open connections died with their server, {late} packets of theirs came late")?;
        write!(f, "{cut} ended with their backend's removal; no other did")
    }
}
