//! What connections showed: tables, and what is promised of them.

use serde_json::{Value, json};

use crate::{
    connections::Sample,
    figures::{Budget, Middle},
    packet_table::count,
    system::System,
};

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

    /// CPU time of a connection beyond that of `direct`, round by round.
    fn shares(&self, direct: &Self) -> Vec<f64> {
        self.samples.iter().zip(&direct.samples).map(|(own, direct)| own.us() - direct.us()).collect()
    }
}

/// All series, and how to find one.
pub(crate) struct Table(pub(crate) Vec<Series>);

impl Table {
    fn find(&self, system: System, cpus: usize) -> Option<&Series> {
        self.0.iter().find(|series| series.system == system && series.cpus == cpus)
    }

    /// What the balancer of this series takes for a connection, and how many times HAProxy takes as much.
    fn compare(&self, series: &Series) -> Option<(Vec<f64>, Vec<f64>)> {
        let direct = self.find(System::Direct, series.cpus)?;
        let haproxy = self.find(System::Haproxy, series.cpus)?.shares(direct);
        let own = series.shares(direct);
        let times = haproxy.iter().zip(&own).map(|(haproxy, own)| haproxy / own).collect();
        Some((own, times))
    }

    /// One block for each number of CPUs.
    pub(crate) fn print(&self) {
        let mut last = None;
        for series in &self.0 {
            if last.replace(series.cpus) != Some(series.cpus) {
                let title = format!("TCP, {}", count(series.cpus));
                println!(
                    "\n{title:22} connections/s   us each   us of the balancer (middle half)   process   HAProxy takes x"
                );
            }
            let us = Middle::of(series.samples.iter().map(Sample::us));
            let process = Middle::of(series.samples.iter().map(Sample::process_us));
            let show = |figures: Vec<f64>| {
                let Middle { median, low, high } = Middle::of(figures);
                format!("{median:7.2} ({low:.2}..{high:.2})")
            };
            let (own, times) = match self.compare(series) {
                Some((own, times)) if series.system != System::Direct => (show(own), show(times)),
                _ => Default::default(),
            };
            println!(
                "{:22} {:13.0} {:9.2}   {own:32} {:9.2}   {times}",
                series.system.name(),
                series.rate().median,
                us.median,
                process.median,
            );
        }
    }

    pub(crate) fn budgets(&self) -> Vec<Budget> {
        let limpet = self.0.iter().filter(|series| series.system.is_limpet());
        let budget = |series: &Series| {
            let what = format!(
                "{} beside HAProxy, connections for each s of the balancer, {}",
                series.system.name(),
                count(series.cpus)
            );
            Some(Budget::new(what, 10.0, Middle::of(self.compare(series)?.1)))
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
                "cpu_us": samples(&Sample::us), "process_us": samples(&Sample::process_us),
            })
        };
        self.0.iter().map(series).collect()
    }
}
