//! The packet programs are as large as docs/operations.md says: what makes them larger shows here, and is a line of
//! the page that somebody changed and gave a reason for.

use std::fs;

use aya::programs::Xdp;
use lb_user::{cli::GUE_PORT, config, dataplane::Decap};
use limpet_tests::packets::kernel::{Kernel, pin_to};

const PAGE: &str = include_str!("../../docs/operations.md");
/// What may differ: compilers of the same release may, too.
const TOLERANCE: f64 = 0.03;

/// What the page says of a program: instructions verified, bytes as translated by the kernel.
fn documented(name: &str) -> [u32; 2] {
    let line = PAGE.lines().find(|line| line.starts_with(&format!("| `{name}`")));
    let cells: Vec<_> = line.unwrap_or_else(|| panic!("not in the table: {name}")).split('|').collect();
    [2, 3].map(|column| cells[column].trim().replace(',', "").parse().expect("a number"))
}

fn counted(program: &Xdp) -> (String, [u32; 2]) {
    let info = program.info().expect("root may ask");
    let verified = info.verified_instruction_count().expect("since Linux 5.16");
    let name = info.name_as_str().expect("it has one").to_owned();
    (name, [verified, info.size_translated().expect("root may see it")])
}

#[test]
fn the_programs_are_as_large_as_documented() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("every Linux has it");
    if !release.starts_with("6.18.") {
        eprintln!("SKIPPED: the page tells what Linux 6.18 counts, this is {release}");
        return;
    }
    pin_to(0);
    let model = config::parse("", "defaults").expect("defaults are right");
    let kernel = Kernel::with(&model.limits, model.nat.ports);
    let mut decap = Decap::load(GUE_PORT).expect("it can be loaded");
    let mut wrong = Vec::new();
    for program in kernel.program.all().into_iter().chain([&*decap.xdp()]) {
        let (name, counted) = counted(program);
        let documented = documented(&name);
        let differs = |(is, said): (&u32, &u32)| (f64::from(*is) / f64::from(*said) - 1.0).abs() > TOLERANCE;
        if counted.iter().zip(&documented).any(differs) {
            wrong.push(format!("{name}: {counted:?}, the page says {documented:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "instructions verified, bytes translated: {wrong:#?}\nIf that is meant, change the table in docs/operations.md, and say why in \
         the commit."
    );
}
