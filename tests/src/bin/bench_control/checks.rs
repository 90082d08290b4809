//! CPU time of the daemon while it checks many backends, all of which answer.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::{Lab, Size, config::Health};

use crate::{
    Setup,
    limpet::Limpet,
    report::{Line, Report},
    site::{self, Shape},
};

/// First checks are spread over an interval; by then each backend has had some.
const WARM_UP: Duration = Duration::from_secs(6);

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let shapes = |services| setup.sized(Shape::new(services, 10), Shape::new(3, 3));
    let tcp = Health::Tcp { port: None, interval: "2s", timeout: "1s", rise: 2, fall: 3 };
    let http = Health::Http { path: "/", interval: "2s", timeout: "1s", rise: 2, fall: 3 };
    let kinds = [("tcp", 1_000, tcp), ("http", 100, http), ("none", 1_000, Health::None)];
    for (what, services, health) in &kinds[..setup.sized(3, 1)] {
        checks(setup, (what, shapes(*services), health), report)?;
    }
    Ok(())
}

fn checks(setup: &Setup, (what, shape, health): (&str, Shape, &Health), report: &mut Report) -> Result<()> {
    let lab = site::lab(Size { clients: 1, backends: 1 })?;
    let _server = lab.start_server(&setup.limpet, 0)?;
    let (limpet, _) = Limpet::start(&setup.limpet, &lab, &shape.config(health, false))?;
    limpet.until_whole(shape.all_backends() as usize)?;
    thread::sleep(setup.sized(WARM_UP, Duration::from_millis(300)));
    ensure!(limpet.is_up()?, "a backend is not up");
    let (begin, cpu, opened) = (Instant::now(), limpet.cpu()?, opened(&lab)?);
    thread::sleep(setup.sized(Duration::from_secs(20), Duration::from_secs(1)));
    let (cpu, opened, time) = (limpet.cpu()? - cpu, self::opened(&lab)? - opened, begin.elapsed());
    ensure!(limpet.is_up()?, "a backend is not up any more");
    let of = format!("{} backends, {what}", shape.all_backends());
    let interval = if *health == Health::None { "" } else { " every 2 s" };
    let share = 100.0 * cpu.as_secs_f64() / time.as_secs_f64();
    report.add(Line::once(format!("{of}{interval}: CPU"), "%", share));
    if opened > 0 {
        let rate = opened as f64 / time.as_secs_f64();
        report.add(Line::once(format!("{of}: checks in a second"), "", rate));
        report.add(Line::once(
            format!("{of}: CPU time of a check"),
            "us",
            cpu.as_secs_f64() * 1e6 / opened as f64,
        ));
    }
    Ok(())
}

/// Connections that the balancer's host has opened so far: checks are all there are.
fn opened(lab: &Lab) -> Result<u64> {
    let counters = lab.balancer().run(|| fs::read_to_string("/proc/thread-self/net/snmp"))?;
    let mut lines = counters.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = lines.next().zip(lines.next()).context("no counters of TCP")?;
    let found = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "ActiveOpens");
    Ok(found.context("connections that were opened are not counted")?.1.parse()?)
}
