//! Bytes in the kernel, which limits decide, and in the daemon, which what there is decides: by differences between starts.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use aya::maps::MapData;
use lb_user::lab::{
    Lab, Size, Way,
    client::{Tasks, get},
    config::{Config, Health, Limits},
    plan,
};
use limpet_tests::many;

use crate::{
    Setup,
    limpet::Limpet,
    report::{Line, Report},
    site::{self, Shape},
};

const MIB: f64 = 1_048_576.0;
/// MiB.
const IDLE: f64 = 64.0;
/// Bytes.
const FLOW: f64 = 32.0;
/// Bytes.
const SESSION: f64 = 160.0;
/// For what a start leaves behind to be given back.
const SETTLE: Duration = Duration::from_secs(3);
/// Two sweeps.
const SWEEPS: Duration = Duration::from_secs(21);

/// Sets one of the limits.
type Set = fn(&mut Limits, u32);

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let nothing = Config::new(Vec::new());
    let (kernel, daemon) = sizes(setup, &nothing)?;
    let idle = [
        Line::once("nothing configured: kernel", "MiB", kernel as f64 / MIB).within(IDLE),
        Line::once("nothing configured: daemon", "MiB", daemon as f64 / MIB),
        Line::once("nothing configured: both", "MiB", (kernel + daemon) as f64 / MIB).within(IDLE),
    ];
    idle.into_iter().for_each(|line| report.add(line));
    if !setup.small {
        limited(setup, &nothing, kernel, report)?;
        configured(setup)?.into_iter().for_each(|line| report.add(line));
    }
    stored(setup)?.into_iter().for_each(|line| report.add(line));
    Ok(())
}

/// What limits take in the kernel, whatever there is: by what they take beyond their defaults.
fn limited(setup: &Setup, nothing: &Config, defaults: u64, report: &mut Report) -> Result<()> {
    // The default and another. Flows and ports of `nat` come in powers of two.
    let limits: [(&str, u32, u32, Option<f64>, Set); 7] = [
        ("flow", 1 << 19, 1 << 20, Some(FLOW), |limits, count| {
            limits.flows = Some(count);
        }),
        ("session of a proven client", 65_536, 1_000_000, Some(SESSION), |limits, count| {
            limits.pins = Some(count);
        }),
        ("session of another client", 65_536, 1_000_000, Some(SESSION), |limits, count| {
            limits.affinity = Some(count);
        }),
        ("nat connection", 126_976, 253_952, None, |limits, count| {
            limits.nat_connections = Some(count);
        }),
        ("service, without slots", 1_024, 10_000, None, |limits, count| {
            limits.services = Some(count);
        }),
        ("backend", 4_096, 100_000, None, |limits, count| {
            limits.backends = Some(count);
        }),
        ("slot", 1 << 20, 1 << 21, None, |limits, count| {
            limits.slots = Some(count);
        }),
    ];
    for (what, few, many, budget, set) in limits {
        let mut limits = Limits::default();
        set(&mut limits, many);
        let (kernel, _) = sizes(setup, &Config { limits: Some(limits), ..nothing.clone() })?;
        let each = (kernel as f64 - defaults as f64) / f64::from(many - few);
        let line = Line::once(format!("kernel, for each {what} by limit"), "bytes", each);
        report.add(match budget {
            Some(budget) => line.within(budget),
            None => line,
        });
    }
    Ok(())
}

/// Of the kernel and of the daemon.
fn sizes(setup: &Setup, config: &Config) -> Result<(u64, u64)> {
    let lab = site::lab(Size { clients: 1, backends: 1 })?;
    let (limpet, _) = Limpet::start(&setup.limpet, &lab, config)?;
    let backends = config.service.iter().map(|service| service.backend.len()).sum();
    limpet.until_whole(backends)?;
    thread::sleep(setup.sized(SETTLE, Duration::ZERO));
    Ok((charged(&lab)?, limpet.memory()?))
}

/// Bytes that the pinned maps are charged: the daemon keeps no file of those that it has mapped.
fn charged(lab: &Lab) -> Result<u64> {
    let maps = fs::read_dir(lab.pins())?.next().context("no maps are pinned")??.path();
    let mut sum = 0;
    for pin in fs::read_dir(maps)? {
        // Links and programs, if pinned there, have no such line.
        let Ok(map) = MapData::from_pin(pin?.path()) else { continue };
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd()))?;
        if let Some(bytes) = info.lines().find_map(|line| line.strip_prefix("memlock:")) {
            sum += bytes.trim().parse::<u64>()?;
        }
    }
    ensure!(sum > 0, "no pinned map says what it is charged");
    Ok(sum)
}

/// What services and backends take in the daemon.
fn configured(setup: &Setup) -> Result<[Line; 2]> {
    let (services, backends, slots) = (1_000, 10, 1_024);
    let all = Shape { services, backends, slots };
    // The same limits for all three.
    let daemon = |shape: Shape| {
        let config = Config { limits: Some(all.limits()), ..shape.config(&Health::None, false) };
        anyhow::Ok(sizes(setup, &config)?.1 as f64)
    };
    let (none, one) = (daemon(Shape { services: 0, ..all })?, daemon(Shape { backends: 1, ..all })?);
    let each_backend = (daemon(all)? - one) / f64::from(services * (backends - 1));
    let each_service = (one - none) / f64::from(services) - each_backend;
    Ok([
        Line::once(
            format!("daemon, for each service with {slots} slots, of {services}"),
            "bytes",
            each_service,
        ),
        Line::once(format!("daemon, for each backend of {}", services * backends), "bytes", each_backend),
    ])
}

/// What live sessions take in the daemon, which doesn't keep them.
fn stored(setup: &Setup) -> Result<[Line; 2]> {
    let sessions = setup.sized(1_000_000, 1_000);
    let way = Way::PLAIN[0];
    let lab = Lab::new(Size { clients: 1, backends: 1 })?;
    let _server = lab.start_server(&setup.limpet, 0)?;
    let mut config = Config::new(vec![way.service(1)]);
    config.limits = Some(Limits { pins: Some(sessions + 1_000), ..Limits::default() });
    let (limpet, _) = Limpet::start(&setup.limpet, &lab, &config)?;
    limpet.until_whole(1)?;
    let clients = Tasks::inside(lab.clients())?;
    let source = plan::crowd(way.family, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let answer = clients.spawn(get(source, way.target()));
    runtime.block_on(answer).context("the client's task failed")??;
    let before = limpet.memory()?;
    let maps = fs::read_dir(lab.pins())?.next().context("no maps are pinned")??.path();
    many::fill(&maps, sessions)?;
    thread::sleep(setup.sized(SWEEPS, Duration::ZERO));
    let swept = limpet.memory()?;
    limpet.ask(&["status", "--json"])?;
    limpet.ask(&["sessions", "list", "--limit", "1000"])?;
    let asked = limpet.memory()?;
    let of = |after: u64| (after as f64 - before as f64) / MIB;
    Ok([
        Line::once(
            format!("daemon, with {sessions} live sessions, after two sweeps: more"),
            "MiB",
            of(swept),
        ),
        Line::once("daemon, the same once status and sessions were asked for: more", "MiB", of(asked)),
    ])
}
