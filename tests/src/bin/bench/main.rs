//! Measures the packet program in the kernel: ns a packet, as multiples of an empty program in the
//! same run. `cargo xtask bench` builds it and what it needs.
//!
//! No traffic comes by: each figure is a test run (`BPF_PROG_TEST_RUN`) of the program as shipped.
//! Runs of the empty program and of the lines alternate, and a ratio is that of two neighbours, so
//! that a machine that is slower for a while is so for both.

mod against;
mod bed;
mod cold;
mod feed;
mod floor;
mod frame;
mod growth;
mod line;
mod plan;
mod plot;
mod report;
mod run;
mod sample;
mod saved;
mod size;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use lb_user::model::Limits;
use nix::{
    sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare},
    unistd::Pid,
};
use serde_json::json;

use crate::{plan::Group, report::Row, saved::Saved};

/// Measures the packet program in the kernel.
#[derive(clap::Parser)]
struct Args {
    /// Write the figures to this file, too
    #[arg(long)]
    json: Option<PathBuf>,
    /// Compare with a run that was saved in this file by --json
    #[arg(long)]
    against: Option<PathBuf>,
    /// Write a picture (SVG) of what memory and cold caches cost to this file, too
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Measure nothing: the picture is of the run that was saved in this file by --json
    #[arg(long, value_name = "FILE", requires = "plot", conflicts_with_all = ["json", "against"])]
    of: Option<PathBuf>,
    /// Runs of each line
    #[arg(long, default_value_t = 25)]
    rounds: u32,
    /// Only the groups, or else the lines, whose name contains this; "sizes" are another
    #[arg(long, default_value = "", hide_default_value = true)]
    only: String,
    /// Object file of the feeder, which varies packets
    #[arg(long, hide = true)]
    feeder: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let (Some(path), Some(of)) = (&args.plot, &args.of) {
        write(path, &plot::svg(&Saved::read(of)?)?)?;
        return Ok(());
    }
    let saved = args.against.as_deref().map(Saved::read).transpose()?;
    stay_on_one_cpu().context("cannot bind to a CPU")?;
    // Programs are attached here, which nobody else's packets should meet.
    unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
    let model = lb_user::config::parse("", "defaults")?;

    // What it costs to store a connection is measured on more of them than a CPU stores in a second.
    let limits = Limits { new_flows_per_second: u32::MAX, new_pins_per_second: u32::MAX, ..model.limits };
    let mut plans = plan::all(&limits, &args.feeder);
    // By the name of a group, or else of lines, for which all have to be made.
    if plans.iter().any(|plan| plan.name.contains(&args.only)) {
        plans.retain(|plan| plan.name.contains(&args.only));
    }
    let mut lines = Vec::new();
    for plan in plans {
        let is_meant = plan.name.contains(&args.only);
        let mut groups = plan.prepare()?;
        for group in &mut groups {
            group.lines.retain(|line| is_meant || line.what.contains(&args.only));
        }
        for _ in 0..args.rounds {
            for Group { bed, lines } in &mut groups {
                lines.iter_mut().try_for_each(|line| line.measure(bed))?;
            }
        }
        lines.extend(groups.into_iter().flat_map(|group| group.lines));
    }
    let sizes = "sizes".contains(&args.only).then(|| size::measure(&limits, model.nat.ports, &args.feeder));
    let sizes = sizes.transpose()?;

    let empty = report::empty(&lines);
    let rows = Row::all(&lines);
    println!("{}", Row::HEADING);
    println!("{:38} {empty:6.1} {:7.2}", "empty program", 1.0);
    for row in &rows {
        println!("{row}");
    }
    for line in sizes.iter().flat_map(|sizes| &sizes.lines) {
        println!("{line}");
    }
    let mut budgets: Vec<_> = rows.iter().filter_map(Row::budget).cloned().collect();
    let of_rows = budgets.len();
    budgets.extend(growth::all(&rows));
    budgets.extend(sizes.iter().flat_map(|sizes| sizes.budgets.clone()));
    for budget in &budgets[of_rows..] {
        println!("{budget}");
    }
    if let Some(saved) = saved {
        println!("\nratios, saved and now");
        for row in &rows {
            println!("{:38} {}", row.what, against::compare(&saved, row));
        }
    }
    let all: Vec<_> = rows.iter().map(Row::json).collect();
    let figures = sizes.as_ref().map(|sizes| &sizes.json);
    let all = json!({ "version": 2, "empty_ns": empty, "rows": all, "sizes": figures, "budgets": budgets });
    if let Some(path) = args.json {
        write(&path, &format!("{all:#}\n"))?;
    }
    if let Some(path) = args.plot {
        write(&path, &plot::svg(&Saved::of(all)?)?)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Caches stay warm, and the packet program walks through one CPU's source ports.
fn stay_on_one_cpu() -> Result<()> {
    let me = Pid::from_raw(0);
    let mine = sched_getaffinity(me)?;
    let last = (0..CpuSet::count()).rev().find(|&cpu| mine.is_set(cpu).unwrap_or(false)).context("no CPU")?;
    let mut one = CpuSet::new();
    one.set(last)?;
    Ok(sched_setaffinity(me, &one)?)
}
