//! What connections showed: tables, and what is promised of them.

use serde_json::{Value, json};

use limpet_tests::{
    budget::{Best, Budget},
    middle::Middle,
};

use crate::{connections::Sample, packet_table::count, system::System};

/// All rounds of one system on so many CPUs.
pub(crate) struct Series {
    pub(crate) system: System,
    pub(crate) cpus: usize,
    pub(crate) samples: Vec<Sample>,
}

impl Series {
    fn rate(&self) -> Middle {
        Middle::of(self.samples.iter().map(|sample| sample.connections as f64 / sample.seconds))
    }
}

/// All series, and how to find one.
pub(crate) struct Table(pub(crate) Vec<Series>);

impl Table {
    fn find(&self, system: System, cpus: usize) -> Option<&Series> {
        self.0.iter().find(|series| series.system == system && series.cpus == cpus)
    }

    /// How many times as much HAProxy takes for a connection.
    fn beside_haproxy(&self, series: &Series) -> Option<Middle> {
        let haproxy = self.find(System::Haproxy, series.cpus)?;
        Some(Middle::of_ratios(&haproxy.samples, &series.samples, Sample::balancer_us))
    }

    /// One block for each number of CPUs.
    pub(crate) fn print(&self) {
        let mut last = None;
        for series in &self.0 {
            let Series { system, cpus, samples } = series;
            if last.replace(*cpus) != Some(*cpus) {
                let title = format!("TCP, {}", count(*cpus));
                println!(
                    "\n{title:22} connections/s   us in all   us of the balancer (middle half)   HAProxy takes x         failed"
                );
            }
            let us = Middle::of(samples.iter().map(Sample::us)).median;
            let rate = series.rate().median;
            let [balancer, times] = if *system == System::Direct {
                Default::default()
            } else {
                let balancer = Middle::of(samples.iter().map(Sample::balancer_us));
                let times = self.beside_haproxy(series);
                [balancer.to_string(), times.map_or(String::new(), |times| times.to_string())]
            };
            let failed: u64 = samples.iter().map(|sample| sample.failed).sum();
            println!("{:22} {rate:13.0} {us:11.2}   {balancer:32}   {times:21} {failed:8}", system.name());
        }
    }

    pub(crate) fn budgets(&self) -> Vec<Budget> {
        let limpet = self.0.iter().filter(|series| series.system.is_limpet());
        let budget = |series: &Series| {
            let what = format!(
                "{} beside HAProxy, connections a core, {}",
                series.system.name(),
                count(series.cpus)
            );
            // Which has all packets of a connection, as `nat`; of `dsr` only half pass.
            let bare = self.find(System::Redirect, series.cpus).filter(|_| series.system == System::Nat);
            let best = bare.and_then(|bare| {
                let figure = self.beside_haproxy(bare)?.median;
                Some(Best { what: bare.system.name().to_owned(), figure })
            });
            Some(Budget::at_least(what, self.beside_haproxy(series)?, 10.0, "x").at_best(best))
        };
        limpet.filter_map(budget).collect()
    }

    pub(crate) fn json(&self) -> Value {
        let series = |series: &Series| {
            let samples =
                |figure: &dyn Fn(&Sample) -> f64| -> Vec<f64> { series.samples.iter().map(figure).collect() };
            json!({
                "system": series.system.name(), "cpus": series.cpus,
                "connections_per_s": samples(&|sample| sample.connections as f64 / sample.seconds),
                "failed": series.samples.iter().map(|sample| sample.failed).sum::<u64>(),
                "cpu_us": samples(&Sample::us), "balancer_us": samples(&Sample::balancer_us),
            })
        };
        self.0.iter().map(series).collect()
    }
}
