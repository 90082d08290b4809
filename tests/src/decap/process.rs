//! `limpet decap` as a child process in a backend's namespace.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use lb_user::lab::{Lab, Netns};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    bed::{PATIENCE, binary},
    decap::table::GUE_PORT,
};

/// How often a condition is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(20);

/// The command line of `limpet decap` on `eth0`, with the table's port, figures as JSON every 100 ms, and these
/// options.
#[must_use]
pub fn command(options: &[&str]) -> Command {
    let mut command = Command::new(binary());
    let port = GUE_PORT.to_string();
    command
        .args(["decap", "--iface", "eth0", "--gue-port", &port, "--json", "--every", "100ms"])
        .args(options);
    command
}

/// A running program. Dropping this kills it, which detaches it.
pub struct Unwrapper {
    process: Child,
    log: PathBuf,
    figures: PathBuf,
}

impl Unwrapper {
    /// Starts it and waits until it is attached.
    pub fn start(lab: &Lab, backend: &Netns, options: &[&str]) -> Result<Self> {
        let file = |extension| lab.directory().join(format!("decap-{}.{extension}", backend.name()));
        let (log, figures) = (file("log"), file("json"));
        let mut command = command(options);
        // A process group of its own: Ctrl-C at the terminal is for the one who started it.
        command
            .stdin(Stdio::null())
            .stdout(File::create(&figures)?)
            .stderr(File::create(&log)?)
            .process_group(0);
        let mut unwrapper = Self { process: backend.spawn(&mut command)?, log, figures };
        unwrapper.wait_for(|unwrapper| {
            if let Some(status) = unwrapper.process.try_wait()? {
                bail!("it ended ({status}):\n{}", unwrapper.log());
            }
            Ok(unwrapper.log().contains("unwraps packets on eth0"))
        })?;
        Ok(unwrapper)
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until this many packets met their fate for this reason, and at most this many.
    pub fn wait_for_count(&mut self, kind: &str, reason: &str, count: u64) -> Result<()> {
        self.wait_for(|unwrapper| Ok(unwrapper.last_figures()?[kind][reason] == count))
            .with_context(|| format!("{count} {reason}; {:?}", self.last_figures()))
    }

    /// Asks it to end, and returns the figures that it ends with.
    pub fn stop(mut self) -> Result<Value> {
        kill(Pid::from_raw(self.process.id().try_into()?), Signal::SIGTERM)?;
        let status = self.wait()?;
        ensure!(status.success(), "it ended with {status}:\n{}", self.log());
        self.last_figures()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let mut status = None;
        self.wait_for(|unwrapper| {
            status = unwrapper.process.try_wait()?;
            Ok(status.is_some())
        })?;
        status.context("it has ended")
    }

    fn last_figures(&self) -> Result<Value> {
        let text = fs::read_to_string(&self.figures)?;
        // The last line may be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().last().map_or(Ok(Value::Null), |line| Ok(serde_json::from_str(line)?))
    }

    fn wait_for(&mut self, mut wanted: impl FnMut(&mut Self) -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !wanted(self)? {
            ensure!(start.elapsed() < PATIENCE, "not so within {PATIENCE:?}:\n{}", self.log());
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Unwrapper {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
