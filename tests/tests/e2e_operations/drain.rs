//! A drain says when it will be over, and how it went.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lb_user::lab::{Size, Way, backend_name, client::get, plan};
use limpet_tests::{Bed, binary};
use serde_json::Value;

const IDLE: Duration = Duration::from_secs(20);
/// When all sessions have ended, and what is known of closed connections may still be there.
const DEADLINE: &str = "35s";
const CLIENTS: u32 = 120;
const WAYS: [Way; 2] = [Way::PLAIN[0], Way::PLAIN[3]];

/// How long before the drain a client comes for the last time: uniformly distributed, or exponentially.
fn idle(way: Way, number: u32) -> Duration {
    let part = (f64::from(number) + 0.5) / f64::from(CLIENTS);
    let ticks = if way.name() == WAYS[0].name() { part } else { -(1.0 - part * 0.98).ln() / 4.0 };
    (IDLE - Duration::from_secs(2)).mul_f64(ticks)
}

fn drain(bed: &Bed, way: Way, backend: &str) -> Value {
    let status: Value = bed.daemon.ask(&["status", "--json"]).unwrap();
    let named = |list: &Value, name: &str| {
        list.as_array().unwrap().iter().find(|it| it["name"] == name).expect("is there").clone()
    };
    named(&named(&status["services"], way.name())["backends"], backend)["drain"].clone()
}

#[tokio::test]
async fn the_forecast_holds_and_the_report_adds_up() {
    let mut services: Vec<_> = WAYS.iter().map(|way| way.service(2)).collect();
    for service in &mut services {
        service.persistence.idle_timeout = Some("20s");
    }
    let bed = Bed::new(Size { clients: 1, backends: 2 }, services).await.unwrap();
    let drained = backend_name(0);
    let mut visits: Vec<_> = WAYS
        .into_iter()
        .flat_map(|way| (0..CLIENTS).map(move |number| (IDLE - idle(way, number), way, number)))
        .collect();
    visits.sort_by_key(|visit| visit.0);
    let begin = Instant::now();
    for (moment, way, number) in visits {
        tokio::time::sleep(moment.saturating_sub(begin.elapsed())).await;
        bed.clients.spawn(get(plan::crowd(way.family, number), way.target())).await.unwrap().unwrap();
    }

    let began = Instant::now();
    let mut waiting = WAYS.map(|way| {
        let mut command = Command::new(binary());
        command.arg("--socket").arg(bed.daemon.socket()).args(["backend", "drain", "--wait"]);
        command.args([&format!("{}/{drained}", way.name()), "--deadline", DEADLINE]);
        Some(command.stdout(Stdio::piped()).spawn().unwrap())
    });
    // From when a tenth has ended: when no session will be left, each time.
    let mut forecasts = [const { Vec::new() }; 2];
    while waiting.iter().any(Option::is_some) {
        let now = began.elapsed().as_secs_f64();
        for ((way, waiting), forecasts) in WAYS.iter().zip(&mut waiting).zip(&mut forecasts) {
            let drain = drain(&bed, *way, &drained);
            let [before, left] =
                ["sessions_before", "sessions"].map(|figure| drain[figure].as_u64().unwrap_or_default());
            if let (Some(in_s), true) = (drain["sessions_forecast"]["in_s"].as_f64(), left * 10 <= before * 9)
            {
                forecasts.push((now, in_s, left));
            }
            let Some(true) = waiting.as_mut().map(|process| process.try_wait().unwrap().is_some()) else {
                continue;
            };
            let done = waiting.take().unwrap().wait_with_output().unwrap();
            let said = String::from_utf8(done.stdout).unwrap();
            assert!(said.contains("; empty in about "), "{said}");
            let report = format!(": {before} sessions ended by themselves, 0 moved, 0 cut at the deadline; ");
            assert!(before > 30 && said.contains(&report), "{said}");
            let truth = forecasts.iter().find(|(.., left)| *left == 0).expect("all sessions end").0;
            for (at, in_s, _) in forecasts.iter().filter(|(at, ..)| *at < truth) {
                let left = truth - at;
                // Ticks are a second each.
                assert!((in_s - left).abs() <= 0.2 * left + 2.5, "{in_s} s, but it took {left} s:\n{said}");
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
