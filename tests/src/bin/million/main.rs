//! How long operators wait for answers with a million live sessions, how long others wait meanwhile, and what packets cost.
//! `cargo xtask million` builds it and what it needs.

mod packets;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use lb_user::lab::{Daemon, Lab, Size, Way, client::Tasks, client::get, config::Config, plan};
use limpet_tests::many;
use packets::Packets;

/// A question may take so long.
const LIMIT: Duration = Duration::from_secs(1);
/// So long may another question, or a verdict, wait for it.
const PATIENCE: Duration = Duration::from_millis(50);
/// Times each question is asked; the slowest counts.
const ROUNDS: u32 = 5;
/// Measurements of packets while nobody asks.
const SAMPLES: u32 = 200;

/// Asks what operators ask, of a daemon with many sessions.
#[derive(clap::Parser)]
struct Args {
    /// Live sessions
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u32,
    /// The `limpet` to ask
    #[arg(long, hide = true)]
    limpet: PathBuf,
}

fn main() -> Result<ExitCode> {
    let Args { sessions, limpet } = Args::parse();
    let (way, direct) = (Way::PLAIN[0], Way::PLAIN[2]);
    let lab = Lab::new(Size { clients: 1, backends: 2 })?;
    let servers = (0..2).map(|index| lab.start_server(&limpet, index)).collect::<Result<Vec<_>>>()?;
    let config = Config::new(vec![way.service(2), direct.service(2)]);
    let daemon = Daemon::start(&limpet, &lab, &format!("{config}\n[limits]\npins = {}\n", sessions + 1_000))?;
    let clients = Tasks::inside(lab.clients())?;
    let source = plan::crowd(way.family, 1);
    let asks = || async {
        let task = clients.spawn(get(source, way.target()));
        task.await.context("the client's task failed")?
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(asks())?;
    let maps = fs::read_dir(lab.pins())?.next().context("no maps are pinned")??.path();
    let filled = many::fill(&maps, sessions)?;
    println!("{sessions} sessions, made in {:.1} s", filled.as_secs_f64());

    let (client, file) = (source.to_string(), lab.directory().join("limpet.toml"));
    let (name, file) = (way.name(), file.to_str().context("a path that is no text")?);
    let explain = ["explain", "--service", name, "--client", &client];
    let packets = Packets::new(&maps.join("PINS"), (source, 40_000).into(), direct.target())?;
    let mut good = true;
    let mut costs = (0..2 * SAMPLES).map(|_| packets.cost()).collect::<Result<Vec<_>>>()?;
    // The first ones warm up.
    let quiet = median(&mut costs.split_off(SAMPLES as usize));
    println!("{quiet} ns for a packet of an open connection while nobody asks");
    for question in [
        &["sessions", "list"][..],
        &["sessions", "list", "--client", "198.18.0.0/24", "--limit", "1000"],
        &["plan", "--config", file],
        &["status"],
        &explain,
    ] {
        let (mut slowest, mut kept_waiting, mut costs) = (Duration::ZERO, Duration::ZERO, Vec::new());
        for _ in 0..ROUNDS {
            let over = AtomicBool::new(false);
            thread::scope(|scope| -> Result<()> {
                // What else the daemon does waits as long as such a small question does.
                let beside = scope.spawn(|| {
                    let mut worst = Duration::ZERO;
                    while !over.load(Ordering::Relaxed) {
                        worst = worst.max(ask(&limpet, &daemon.socket(), &explain)?);
                    }
                    anyhow::Ok(worst)
                });
                let took = ask(&limpet, &daemon.socket(), question);
                over.store(true, Ordering::Relaxed);
                slowest = slowest.max(took?);
                kept_waiting = kept_waiting.max(beside.join().expect("no panic")?);
                Ok(())
            })?;
            // By itself: here are two CPUs, and questions take one and a half.
            let over = AtomicBool::new(false);
            thread::scope(|scope| -> Result<()> {
                let beside = scope.spawn(|| {
                    let mut costs = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        costs.push(packets.cost()?);
                    }
                    anyhow::Ok(costs)
                });
                let asked = ask(&limpet, &daemon.socket(), question);
                over.store(true, Ordering::Relaxed);
                costs.extend(beside.join().expect("no panic")?);
                asked.map(drop)
            })?;
        }
        let is_good = slowest <= LIMIT && kept_waiting <= PATIENCE;
        let verdict = if is_good { "ok" } else { "TOO SLOW" };
        good &= is_good;
        println!(
            "{:62} {:6.0} ms, others wait {:6.0} ms at most, {:3} ns a packet  {verdict}",
            question.join(" "),
            slowest.as_secs_f64() * 1e3,
            kept_waiting.as_secs_f64() * 1e3,
            median(&mut costs)
        );
    }
    drop((daemon, servers));
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn median(costs: &mut [u32]) -> u32 {
    costs.sort_unstable();
    costs.get(costs.len() / 2).copied().unwrap_or_default()
}

fn ask(limpet: &Path, socket: &Path, question: &[&str]) -> Result<Duration> {
    let begin = Instant::now();
    let mut command = Command::new(limpet);
    let status = command.arg("--socket").arg(socket).args(question).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "limpet {} failed", question.join(" "));
    Ok(begin.elapsed())
}
