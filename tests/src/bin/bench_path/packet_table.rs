//! What packets showed: tables, and what is promised of them.

use serde_json::{Value, json};

use limpet_tests::{budget::Budget, middle::Middle};

use crate::{
    packets::{SIZES, Sample},
    system::System,
};

/// Frames that may get lost, in a thousand: a system that drops all looks quick.
const LOST: u64 = 10;

/// All rounds of one system with frames of one size, on so many CPUs.
pub(crate) struct Series {
    pub(crate) system: System,
    pub(crate) size: usize,
    pub(crate) cpus: usize,
    pub(crate) samples: Vec<Sample>,
}

impl Series {
    fn ns(&self) -> Middle {
        Middle::of(self.samples.iter().map(Sample::ns))
    }

    /// Millions of frames in a second that all its CPUs spend on them.
    fn millions(&self) -> Middle {
        Middle::of(self.samples.iter().map(|sample| self.cpus as f64 * 1e3 / sample.ns()))
    }

    /// How much faster than `other` in the same round.
    fn faster(&self, other: &Self) -> Middle {
        let cpus = self.cpus as f64 / other.cpus as f64;
        let Middle { median, low, high } = Middle::of_ratios(&other.samples, &self.samples, Sample::ns);
        Middle { median: median * cpus, low: low * cpus, high: high * cpus }
    }

    fn sum(&self, figure: impl Fn(&Sample) -> u64) -> u64 {
        self.samples.iter().map(figure).sum()
    }

    /// True if what was sent has arrived.
    pub(crate) fn delivered(&self) -> bool {
        self.sum(Sample::lost) * 1_000 <= self.sum(|sample| sample.sent) * LOST
    }
}

/// All series, and how to find one.
pub(crate) struct Table(pub(crate) Vec<Series>);

impl Table {
    fn find(&self, system: System, size: usize, cpus: usize) -> Option<&Series> {
        self.0.iter().find(|series| series.system == system && series.size == size && series.cpus == cpus)
    }

    /// One block for each size and number of CPUs.
    pub(crate) fn print(&self) {
        let mut last = None;
        for series in &self.0 {
            let Series { system, size, cpus, .. } = *series;
            if last.replace((size, cpus)) != Some((size, cpus)) {
                let title = format!("{size} bytes, {}", count(cpus));
                println!(
                    "\n{title:24} Mpps     ns   x redirect (middle half)   x numgen (middle half)    lost"
                );
            }
            let beside = |other| {
                let ratio = self.find(other, size, cpus).map(|other| series.faster(other));
                ratio.map_or(String::new(), |ratio| ratio.to_string())
            };
            println!(
                "{:22} {:6.2} {:6.0}   {:24}   {:21} {:7}",
                system.name(),
                series.millions().median,
                series.ns().median,
                beside(System::Redirect),
                beside(System::Numgen),
                series.sum(Sample::lost),
            );
        }
    }

    /// What is promised of small frames.
    pub(crate) fn budgets(&self) -> Vec<Budget> {
        let small = SIZES[0];
        let mut budgets = Vec::new();
        for system in System::LIMPET {
            let Some(one) = self.find(system, small, 1) else { continue };
            for (other, at_least) in [(System::Redirect, 0.7), (System::Numgen, 4.0), (System::Jhash, 4.0)] {
                if let Some(beside) = self.find(other, small, 1) {
                    let what = format!("{} beside {}, {small} bytes, one CPU", system.name(), other.name());
                    budgets.push(Budget::at_least(what, one.faster(beside), at_least, "x"));
                }
            }
            if let Some(two) = self.find(system, small, 2) {
                let what = format!("{} on two CPUs beside one, {small} bytes", system.name());
                budgets.push(Budget::at_least(what, two.faster(one), 1.8, "x"));
            }
        }
        budgets
    }

    pub(crate) fn json(&self) -> Value {
        let series = |series: &Series| {
            let samples =
                |figure: &dyn Fn(&Sample) -> f64| -> Vec<f64> { series.samples.iter().map(figure).collect() };
            json!({
                "system": series.system.name(), "bytes": series.size, "cpus": series.cpus,
                "cpu_ns": samples(&Sample::ns),
                "wall_s": samples(&|sample| sample.wall.as_secs_f64()),
                "cpu_s": samples(&|sample| sample.cpu.as_secs_f64()),
                "sent": series.sum(|sample| sample.sent), "lost": series.sum(Sample::lost),
            })
        };
        self.0.iter().map(series).collect()
    }
}

/// As people say it.
pub(crate) fn count(cpus: usize) -> String {
    if cpus == 1 { "one CPU".to_owned() } else { "two CPUs".to_owned() }
}
