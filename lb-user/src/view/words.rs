//! Figures as people read them.

use std::time::Duration;

/// Names of the powers of 1000.
const POWERS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];

/// Four digits in full, then three that count: `9999`, `10.0k`, `1.23M`.
pub(super) fn count(number: u64) -> String {
    if number < 10_000 {
        return number.to_string();
    }
    let mut scaled = number as f64;
    let mut power = "";
    for next in POWERS {
        // Not 1000: what would be rounded to 1000 belongs to the next power.
        if scaled < 999.5 {
            break;
        }
        scaled /= 1000.0;
        power = next;
    }
    let decimals = match scaled {
        scaled if scaled < 9.995 => 2,
        scaled if scaled < 99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.decimals$}{power}")
}

/// The same for bytes: `512 B`, `1.23 MB`.
pub(super) fn bytes(number: u64) -> String {
    let mut text = count(number);
    let digits = text.trim_end_matches(char::is_alphabetic).len();
    text.insert(digits, ' ');
    text + "B"
}

/// `33.3%` of 0.333.
pub(super) fn percent(part: f64) -> String {
    format!("{:.1}%", part * 100.0)
}

/// `1 session`, `2 sessions`.
pub(super) fn plural(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `1h 2m 3s`, to the second.
pub(super) fn time(seconds: f64) -> String {
    // The cast takes what is negative or no number as 0.
    let whole = Duration::from_secs(seconds.round() as u64);
    humantime::format_duration(whole).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        for (number, text) in [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0k"),
            (99_949, "99.9k"),
            (99_950, "100k"),
            (999_499, "999k"),
            (999_500, "1.00M"),
            (1_234_567, "1.23M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!((bytes(512).as_str(), bytes(1_234_567).as_str()), ("512 B", "1.23 MB"));
        assert_eq!((plural(1, "flow").as_str(), plural(0, "flow").as_str()), ("1 flow", "0 flows"));
    }

    #[test]
    fn times() {
        for (seconds, text) in [(0.4, "0s"), (3_723.0, "1h 2m 3s"), (-5.0, "0s"), (f64::NAN, "0s")] {
            assert_eq!(time(seconds), text);
        }
    }
}
