//! What was measured: a block for each scenario.

use limpet_tests::middle::Middle;
use serde_json::{Value, json};

use crate::{scenario::Scenario, site::Sample, system::System};

/// All rounds of one system in one scenario.
pub(crate) struct Series {
    scenario: Scenario,
    system: System,
    pub(crate) samples: Vec<Sample>,
}

/// All series.
pub(crate) struct Table(pub(crate) Vec<Series>);

impl Sample {
    /// Requests a second.
    fn rate(&self) -> f64 {
        self.load.answered as f64 / self.load.seconds
    }

    /// CPU seconds of 1,000 requests.
    fn cpu(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / self.load.answered as f64
    }

    /// CPUs that the system had in use.
    fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.load.seconds
    }
}

impl Series {
    pub(crate) fn new(scenario: Scenario, system: System) -> Self {
        Self { scenario, system, samples: Vec::new() }
    }

    pub(crate) fn is_of(&self, scenario: Scenario, system: System) -> bool {
        self.scenario == scenario && self.system == system
    }

    fn middle(&self, figure: impl Fn(&Sample) -> f64) -> Middle {
        Middle::of(self.samples.iter().map(figure))
    }
}

impl Table {
    fn find(&self, scenario: Scenario, system: System) -> Option<&Series> {
        self.0.iter().find(|series| series.is_of(scenario, system))
    }

    /// A figure of a series as a multiple of another system's in the same rounds.
    fn times(&self, series: &Series, system: System, figure: fn(&Sample) -> f64) -> Option<Middle> {
        let other = self.find(series.scenario, system).filter(|other| other.system != series.system)?;
        Some(Middle::of_ratios(&series.samples, &other.samples, figure))
    }

    pub(crate) fn print(&self) {
        let mut last = None;
        for series in &self.0 {
            let Series { scenario, system, samples } = series;
            if last.replace(*scenario) != Some(*scenario) {
                println!(
                    "\n{:27} requests/s   p50 ms   p99 ms   CPU s/1000   CPUs   x HAProxy            x nginx              CPU x HAProxy        failed",
                    scenario.name()
                );
            }
            let ms = |of: fn(&Sample) -> std::time::Duration| {
                series.middle(|sample| of(sample).as_secs_f64() * 1e3).median
            };
            let beside = |other, figure| {
                self.times(series, other, figure).map_or(String::new(), |times| times.to_string())
            };
            println!(
                "  {:25} {:10.0} {:8.2} {:8.2} {:12.4} {:6.2}   {:20} {:20} {:20} {:6}",
                system.name(),
                series.middle(Sample::rate).median,
                ms(|sample| sample.load.p50),
                ms(|sample| sample.load.p99),
                series.middle(Sample::cpu).median,
                series.middle(Sample::busy).median,
                beside(System::Haproxy, Sample::rate),
                beside(System::Nginx, Sample::rate),
                beside(System::Haproxy, Sample::cpu),
                samples.iter().map(|sample| sample.load.failed).sum::<u64>(),
            );
        }
    }

    pub(crate) fn json(&self) -> Value {
        let series = |series: &Series| {
            let samples =
                |figure: &dyn Fn(&Sample) -> f64| -> Vec<f64> { series.samples.iter().map(figure).collect() };
            let times = |other, figure| self.times(series, other, figure);
            json!({
                "scenario": series.scenario.name(), "system": series.system.name(),
                "requests_per_s": samples(&Sample::rate),
                "p50_ms": samples(&|sample| sample.load.p50.as_secs_f64() * 1e3),
                "p99_ms": samples(&|sample| sample.load.p99.as_secs_f64() * 1e3),
                "cpu_s_per_1000": samples(&Sample::cpu),
                "cpus": samples(&Sample::busy),
                "failed": series.samples.iter().map(|sample| sample.load.failed).sum::<u64>(),
                "requests_x_haproxy": times(System::Haproxy, Sample::rate),
                "requests_x_nginx": times(System::Nginx, Sample::rate),
                "cpu_x_haproxy": times(System::Haproxy, Sample::cpu),
                "cpu_x_nginx": times(System::Nginx, Sample::cpu),
            })
        };
        self.0.iter().map(series).collect()
    }
}
