//! wrk: requests over HTTP, as many as there are answers.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::Netns;

/// How wrk asks.
#[derive(Debug, Clone, Copy)]
pub struct Wrk<'a> {
    /// Connections that are open at a time.
    pub connections: u32,
    /// Its threads, one for each of its CPUs.
    pub threads: usize,
    /// For how long.
    pub seconds: u32,
    /// A connection for each request.
    pub is_new: bool,
    /// What its requests are (Lua).
    pub script: Option<&'a Path>,
}

/// What wrk saw.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Load {
    /// Requests with an answer.
    pub answered: u64,
    /// Others.
    pub failed: u64,
    /// How long it took.
    pub seconds: f64,
    /// Of answers: half took longer.
    pub p50: Duration,
    /// One in a hundred took longer.
    pub p99: Duration,
}

impl Wrk<'_> {
    /// Sends request after request to `url`.
    ///
    /// # Errors
    /// wrk is not installed, or got other answers than 2xx and 3xx.
    pub fn run(&self, namespace: &Netns, url: &str) -> Result<Load> {
        let Self { connections, threads, seconds, is_new, script } = self;
        let mut command = Command::new("wrk");
        command.args(["--latency", "-t", &threads.to_string(), "-c", &connections.to_string()]);
        command.args(["-d", &format!("{seconds}s")]);
        if let Some(script) = script {
            command.arg("-s").arg(script);
        }
        if *is_new {
            command.args(["-H", "Connection: close"]);
        }
        command.arg(url).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output =
            namespace.spawn(&mut command).context("cannot run `wrk`: install it")?.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "wrk: {text}{complaint}");
        ensure!(!text.contains("Non-2xx"), "wrk got other answers than it should: {text}");
        read(&text).with_context(|| format!("wrk said: {text}"))
    }
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
