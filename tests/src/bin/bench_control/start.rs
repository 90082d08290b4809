//! From exec to the first packet that is let in, with nothing in the kernel and with what an earlier run left there.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::Result;
use lb_user::lab::{Size, config::Health};

use crate::{
    Setup,
    limpet::Limpet,
    report::{Line, Report},
    site,
    site::Shape,
};

/// Milliseconds.
const BUDGET: f64 = 5_000.0;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    // The least slots that ten backends may have, then those that follow weights well.
    let least = Shape { slots: 256, ..Shape::new(10_000, 10) };
    let many = [
        (least, false),
        (least, true),
        (Shape::new(10_000, 10), false),
        (Shape::new(1_000, 10), false),
        (Shape::new(1, 1_000), false),
    ];
    for &(shape, claim) in setup.sized(&many[..], &[(Shape::new(30, 3), true)]) {
        start(setup, shape, claim, report)?;
    }
    Ok(())
}

fn start(setup: &Setup, shape: Shape, claim: bool, report: &mut Report) -> Result<()> {
    let config = shape.config(&Health::None, claim);
    let backends = shape.all_backends() as usize;
    let (mut ready, mut whole, mut again, mut asked) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut alone = Vec::new();
    for _ in 0..setup.sized(3, 1) {
        let lab = site::lab(Size { clients: 1, backends: 1 })?;
        let (mut limpet, took) = Limpet::start(&setup.limpet, &lab, &config)?;
        ready.push(took);
        whole.push(limpet.until_whole(backends)?);
        asked.push(limpet.ask(&["status", "--json"])?.0);
        limpet.kill()?;
        let (_limpet, took) = Limpet::start_again(&setup.limpet, &lab)?;
        again.push(took);
        if claim {
            alone.push(add_addresses(shape)?);
        }
    }
    let Shape { services, backends, slots } = shape;
    let claims = if claim { ", claim" } else { "" };
    let what = format!("{services} x {backends}, {slots} slots each{claims}");
    let alone = Line::times(format!("{services} addresses, by `ip -batch` alone"), &alone);
    for (words, times, has_floor) in [("ready", ready, claim), ("ready again, after a kill", again, false)] {
        let line = Line::times(format!("{what}: {words}"), &times);
        let line = if has_floor { line.above(&alone) } else { line };
        // What all of them are to be within, the largest is.
        report.add(if services >= 10_000 { line.within(BUDGET) } else { line });
    }
    if claim {
        report.add(alone);
    }
    report.add(Line::times(format!("{what}: whole"), &whole));
    report.add(Line::times(format!("{what}: status"), &asked));
    Ok(())
}

/// How long the kernel takes to add the services' addresses to an interface, with nobody there who would know.
fn add_addresses(shape: Shape) -> Result<Duration> {
    let lab = site::lab(Size { clients: 1, backends: 1 })?;
    let mut batch = String::new();
    for number in 0..shape.services {
        writeln!(batch, "address add {}/32 dev eth0", site::address(number))?;
    }
    let begin = Instant::now();
    lab.balancer().ip_batch(&batch)?;
    Ok(begin.elapsed())
}
