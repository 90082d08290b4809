//! `limpet backend`.

use std::io::{self, Write};

use super::words::{count, plural, time};
use crate::api::{Backend, Drain, DrainForecast, Reloaded};

/// Writes what changed.
///
/// # Errors
/// When the text can't be written.
pub fn render(done: &Reloaded, out: &mut impl Write) -> io::Result<()> {
    if done.changes.is_empty() {
        return writeln!(out, "nothing to change: it is so already");
    }
    done.changes.iter().try_for_each(|change| writeln!(out, "{change}"))
}

/// Writes what is left on a backend that is being drained, and until when.
///
/// # Errors
/// When the text can't be written.
pub fn draining(backend: &Backend, out: &mut impl Write) -> io::Result<()> {
    let Some(drain) = &backend.drain else { return Ok(()) };
    let deadline = backend.runtime.and_then(|change| change.deadline_left_s);
    let left = left(drain.sessions, drain.flows);
    let unseen = if drain.unseen_s > 0 { ", and whoever has a cookie" } else { "" };
    writeln!(out, "{left}{unseen} left on {}; {}", backend.name, forecast(&drain.forecast, deadline))
}

/// When nobody will be left, and by when in any case.
fn forecast(forecast: &DrainForecast, deadline: Option<u64>) -> String {
    let likely = match forecast {
        DrainForecast::Unknown => "too early for a forecast".to_owned(),
        DrainForecast::Endless => "its clients keep coming back, no end is in sight".to_owned(),
        DrainForecast::Empty { in_s, earliest_s, latest_s } => {
            let about = format!("empty in about {}", about(*in_s));
            match (rounded(*earliest_s), rounded(*latest_s)) {
                (earliest, latest) if earliest == latest => about,
                (earliest, latest) => format!("{about} ({} to {})", seconds(earliest), seconds(latest)),
            }
        }
    };
    match deadline {
        Some(left) if matches!(forecast, DrainForecast::Empty { in_s, .. } if *in_s <= left) => {
            format!("{likely}, {} to the deadline", seconds(left))
        }
        Some(left) => format!("{likely}; the deadline ends it in {}", seconds(left)),
        None => likely,
    }
}

/// Writes how a drain ended.
///
/// # Errors
/// When the text can't be written.
pub fn drained(backend: &Backend, out: &mut impl Write) -> io::Result<()> {
    let name = &backend.name;
    let Some(drain) = &backend.drain else {
        let left = left(backend.sessions, backend.flows);
        return writeln!(out, "{name} is {} by another order; {left} are there", backend.state.name());
    };
    let Drain { elapsed_s, sessions_before, flows_before, sessions, moved, cut, .. } = *drain;
    match cut {
        None => writeln!(out, "nobody is left on {name}")?,
        Some(cut) => {
            writeln!(out, "{name} is disabled; {} were still there", left(cut.sessions, cut.flows))?;
        }
    }
    let there = cut.map_or(sessions, |cut| cut.sessions);
    let ended = sessions_before.saturating_sub(there + moved);
    writeln!(
        out,
        "drained in {} from {}: {} ended by themselves, {} moved, {} cut at the deadline; {} cut",
        seconds(elapsed_s),
        left(sessions_before, flows_before),
        plural(ended, "session"),
        count(moved),
        count(cut.map_or(0, |cut| cut.sessions)),
        plural(cut.map_or(0, |cut| cut.flows), "connection"),
    )
}

fn left(sessions: u64, flows: u64) -> String {
    format!("{} and {}", plural(sessions, "session"), plural(flows, "connection"))
}

fn seconds(seconds: u64) -> String {
    time(seconds as f64)
}

fn about(time: u64) -> String {
    seconds(rounded(time))
}

/// No more digits than a forecast has: to some 5 %.
fn rounded(time: u64) -> u64 {
    let step =
        [3_600, 1_800, 600, 300, 60, 30, 10, 5].into_iter().find(|step| time >= step * 12).unwrap_or(1);
    (time + step / 2) / step * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forecasts_have_no_more_digits_than_they_are_good_for() {
        for (time, text) in [(7, "7s"), (64, "1m 5s"), (1_234, "21m"), (7_777, "2h 10m"), (90_000, "1day 1h")]
        {
            assert_eq!(about(time), text);
        }
    }

    #[test]
    fn a_forecast_says_what_is_known() {
        let empty = DrainForecast::Empty { in_s: 720, earliest_s: 480, latest_s: 1_200 };
        for (known, deadline, text) in [
            (empty, None, "empty in about 12m (8m to 20m)"),
            (empty, Some(7_200), "empty in about 12m (8m to 20m), 2h to the deadline"),
            (empty, Some(600), "empty in about 12m (8m to 20m); the deadline ends it in 10m"),
            (DrainForecast::Unknown, None, "too early for a forecast"),
            (
                DrainForecast::Endless,
                Some(60),
                "its clients keep coming back, no end is in sight; the deadline ends it in 1m",
            ),
        ] {
            assert_eq!(forecast(&known, deadline), text);
        }
    }
}
