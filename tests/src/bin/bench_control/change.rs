//! One backend among many: from an order, or from a file in which it is another, to the answer.

use std::{net::IpAddr, time::Duration};

use anyhow::Result;
use lb_user::lab::{
    Lab, Size,
    config::{Config, Health},
    daemon,
};

use crate::{
    Setup,
    limpet::Limpet,
    report::{Line, Report},
    site::{self, Shape},
};

/// Milliseconds.
const BUDGET: f64 = 50.0;
/// Each change is made and taken back so many times.
const ROUNDS: u32 = 20;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    // The least slots that so many backends may have, and the most.
    for &slots in setup.sized(&[16_384, 65_536][..], &[512]) {
        let shape = Shape { slots, ..Shape::new(1, setup.sized(1_000, 20)) };
        changes(setup, shape, report)?;
    }
    if setup.small { Ok(()) } else { changes(setup, Shape::new(10_000, 10), report) }
}

fn changes(setup: &Setup, shape: Shape, report: &mut Report) -> Result<()> {
    let lab = site::lab(Size { clients: 1, backends: 1 })?;
    let config = shape.config(&Health::None, false);
    let (limpet, _) = Limpet::start(&setup.limpet, &lab, &config)?;
    limpet.until_whole(shape.all_backends() as usize)?;
    let new: IpAddr = site::server(shape.all_backends());
    let (new, backend) = (new.to_string(), |index: u32| format!("{}/b{index}", site::name(0)));
    // With so much around it, one takes long.
    let rounds = setup.sized(if shape.services == 1 { ROUNDS } else { 5 }, 2);
    let pairs = |there: &[&str], back: &[&str]| -> Result<[Vec<Duration>; 2]> {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for (words, times) in [there, back].into_iter().zip(&mut times) {
                let name =
                    backend(if words.contains(&"NEW") { shape.backends } else { round % shape.backends });
                let words: Vec<_> = words
                    .iter()
                    .map(|word| match *word {
                        "NAME" | "NEW" => &name,
                        "ADDRESS" => &new,
                        word => word,
                    })
                    .collect();
                times.push(limpet.ask(&words)?.0);
            }
        }
        Ok(times)
    };
    let [weight, reset] = pairs(&["backend", "weight", "NAME", "50"], &["backend", "reset", "NAME"])?;
    let [drain, enable] = pairs(&["backend", "drain", "NAME"], &["backend", "enable", "NAME"])?;
    let [remove, back] = pairs(&["backend", "remove", "NAME"], &["backend", "reset", "NAME"])?;
    let [add, gone] =
        pairs(&["backend", "add", "NEW", "--address", "ADDRESS"], &["backend", "remove", "NEW"])?;
    let reload = reloads(&limpet, &lab, config, rounds)?;

    let Shape { services, backends, slots } = shape;
    let of = match services {
        1 => format!("1 of {backends}, {slots} slots"),
        _ => format!("1 of {}, {services} services", services * backends),
    };
    let both = |a: &[Duration], b: &[Duration]| [a, b].concat();
    let lines = [
        ("weight", both(&weight, &reset)),
        ("drain, enable", both(&drain, &enable)),
        ("remove, bring back", both(&remove, &back)),
        ("add, remove", both(&add, &gone)),
        ("reload, another weight in the file", reload),
    ];
    for (what, times) in lines {
        let line = Line::times(format!("{of}: {what}"), &times);
        report.add(if services == 1 { line.within(BUDGET) } else { line });
    }
    Ok(())
}

/// Files in which one backend has another weight than in the one before.
fn reloads(limpet: &Limpet, lab: &Lab, mut config: Config, rounds: u32) -> Result<Vec<Duration>> {
    (0..rounds)
        .map(|round| {
            let backends = &mut config.service[0].backend;
            let count = backends.len();
            backends[round as usize % count].weight += 1;
            daemon::write_configuration(lab, &config.to_string())?;
            Ok(limpet.ask(&["reload"])?.0)
        })
        .collect()
}
