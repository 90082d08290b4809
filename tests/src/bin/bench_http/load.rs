//! wrk: the load.

use std::{
    path::Path as File,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::Netns;

/// What wrk saw.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Load {
    /// Requests with an answer.
    pub(crate) answered: u64,
    /// Others.
    pub(crate) failed: u64,
    pub(crate) seconds: f64,
    /// Of answers: half took longer.
    pub(crate) p50: Duration,
    /// One in a hundred took longer.
    pub(crate) p99: Duration,
}

/// Sends request after request to `url`, those of `script`, over so many connections.
pub(crate) fn wrk(
    namespace: &Netns,
    url: &str,
    script: &File,
    connections: u32,
    seconds: u32,
    is_new: bool,
    threads: usize,
) -> Result<Load> {
    let mut command = Command::new("wrk");
    command.args(["--latency", "-t", &threads.to_string(), "-c", &connections.to_string()]);
    command.args(["-d", &format!("{seconds}s"), "-s"]).arg(script);
    if is_new {
        command.args(["-H", "Connection: close"]);
    }
    command.arg(url).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = namespace.spawn(&mut command).context("cannot run `wrk`: install it")?.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "wrk: {text}{complaint}");
    ensure!(!text.contains("Non-2xx"), "wrk got other answers than it should: {text}");
    read(&text).with_context(|| format!("wrk said: {text}"))
}

/// Reads lines like `50%  1.30ms`, `41460 requests in 2.06s, 5.73MB read` and
/// `Socket errors: connect 0, read 2, write 0, timeout 0`.
fn read(text: &str) -> Option<Load> {
    let mut lines = text.lines().map(str::trim);
    let percentile = |which: &str| {
        let rest = lines.clone().find_map(|line| line.strip_prefix(which)?.strip_prefix('%'))?;
        duration(rest.trim())
    };
    let (p50, p99) = (percentile("50")?, percentile("99")?);
    let (answered, rest) = lines.clone().find_map(|line| line.split_once(" requests in "))?;
    let seconds = duration(rest.split(',').next()?)?.as_secs_f64();
    let errors = lines.find_map(|line| line.strip_prefix("Socket errors: ")).unwrap_or_default();
    let failed = errors.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum();
    Some(Load { answered: answered.parse().ok()?, failed, seconds, p50, p99 })
}

/// Reads `120.00us`, `1.30ms`, `2.06s` and `1.00m`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|sign: char| sign.is_ascii_alphabetic())?);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * scale))
}
