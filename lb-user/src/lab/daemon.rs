//! The real daemon as a child process in the balancer's namespace or a backend's, and the real command line to ask it.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::de::DeserializeOwned;

use super::{Lab, Netns, Status, backend_name};

/// How long the daemon may take to answer after its start, and to leave after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often a condition is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(20);

/// A daemon. Dropping it lets it detach and leave in order; one that does not is killed.
#[derive(Debug)]
pub struct Daemon {
    binary: PathBuf,
    arguments: Vec<OsString>,
    directory: PathBuf,
    namespace: Netns,
    process: Child,
}

impl Daemon {
    /// Starts `binary` with `config` (TOML) in `lab` and waits until it answers. The error of a daemon that does not
    /// carries what it said.
    pub fn start(binary: &Path, lab: &Lab, config: &str) -> Result<Self> {
        Self::start_in(binary, lab.balancer(), lab.directory(), &lab.pins(), config)
    }

    /// The same on backend `index` of the lab, which is a node of its own then: with its own files, socket and pins.
    pub fn start_on(binary: &Path, lab: &Lab, index: u8, config: &str) -> Result<Self> {
        let name = backend_name(index);
        let directory = lab.directory().join(&name);
        fs::create_dir(&directory)?;
        Self::start_in(binary, &lab.backends()[usize::from(index)], directory, &lab.claim.pins(&name), config)
    }

    fn start_in(
        binary: &Path,
        namespace: &Netns,
        directory: PathBuf,
        pins: &Path,
        config: &str,
    ) -> Result<Self> {
        let (arguments, namespace) = (arguments_in(&directory, pins), namespace.clone());
        fs::write(configuration_file(&directory), config)?;
        let process = spawn(binary, &arguments, &directory, &namespace)?;
        let mut daemon = Self { binary: binary.to_owned(), arguments, directory, namespace, process };
        daemon.wait_until_it_answers()?;
        Ok(daemon)
    }

    /// Ends it without warning (SIGKILL) and waits for that.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it anew, with the configuration that is there, and waits until it answers.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = spawn(&self.binary, &self.arguments, &self.directory, &self.namespace)?;
        self.wait_until_it_answers()
    }

    /// Starts another one, which takes this one's place; returns once it serves, with the process of the old one, which ends
    /// when it has nothing open any more.
    pub fn take_over(&mut self) -> Result<Child> {
        let mut arguments = self.arguments.clone();
        arguments.push("--take-over".into());
        let next = spawn(&self.binary, &arguments, &self.directory, &self.namespace)?;
        let old = std::mem::replace(&mut self.process, next);
        match self.wait_until_it_has_taken_over() {
            Ok(()) => Ok(old),
            Err(error) => {
                let mut old = old;
                old.kill()?;
                old.wait()?;
                Err(error)
            }
        }
    }

    fn wait_until_it_has_taken_over(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            let answer = self.status().map(|status| status.pid);
            if answer.as_ref().is_ok_and(|&pid| pid == self.pid()) {
                return Ok(());
            }
            ensure!(self.process.try_wait()?.is_none(), "the next daemon ended:\n{}", self.log());
            let log = || self.log();
            ensure!(start.elapsed() < PATIENCE, "the next daemon does not take over: {answer:?}\n{}", log());
            thread::sleep(POLL);
        }
    }

    /// Replaces the configuration file and sends SIGHUP. Returns at once.
    pub fn reload(&self, config: &str) -> Result<()> {
        fs::write(configuration_file(&self.directory), config)?;
        kill(self.process_id()?, Signal::SIGHUP)?;
        Ok(())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where `--socket` points.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("limpet.sock")
    }

    /// What it wrote to standard output and error so far.
    #[must_use]
    pub fn log(&self) -> String {
        log(&self.directory)
    }

    /// `limpet status`.
    pub fn status(&self) -> Result<Status> {
        self.ask(&["status", "--json"])
    }

    /// Asks through the command line and reads the JSON it prints.
    pub fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let output =
            Command::new(&self.binary).arg("--socket").arg(self.socket()).args(arguments).output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "limpet {}: {}", arguments.join(" "), complaint.trim());
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("limpet {} printed unexpected JSON", arguments.join(" ")))
    }

    /// Waits at most `patience` for `wanted` to hold; returns how long it took.
    pub async fn wait_for(&self, patience: Duration, wanted: impl Fn(&Status) -> bool) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let status = self.status()?;
            if wanted(&status) {
                return Ok(start.elapsed());
            }
            ensure!(start.elapsed() < patience, "not so within {patience:?}; status is {status:#?}");
            tokio::time::sleep(POLL).await;
        }
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let start = Instant::now();
        while self.status().is_err() {
            if let Some(status) = self.process.try_wait()? {
                let how =
                    status.code().map_or_else(|| format!("{:?}", status.signal()), |code| code.to_string());
                bail!("the daemon ended ({how}):\n{}", self.log().trim_end());
            }
            if start.elapsed() > PATIENCE {
                bail!(
                    "the daemon does not answer on {}:\n{}",
                    self.socket().display(),
                    self.log().trim_end()
                );
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn process_id(&self) -> Result<Pid> {
        Ok(Pid::from_raw(self.process.id().try_into()?))
    }

    /// Ends it in order (SIGTERM), which detaches, and waits for that.
    pub fn stop(&mut self) -> Result<()> {
        kill(self.process_id()?, Signal::SIGTERM)?;
        let start = Instant::now();
        while self.process.try_wait()?.is_none() {
            ensure!(start.elapsed() < PATIENCE, "the daemon does not leave");
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Only a child that still runs has a process id to signal.
        if matches!(self.process.try_wait(), Ok(None)) && self.stop().is_err() {
            let _ = self.kill();
        }
    }
}

/// What the balancer's daemon is started with.
#[must_use]
pub fn arguments(lab: &Lab) -> Vec<OsString> {
    arguments_in(&lab.directory(), &lab.pins())
}

fn arguments_in(directory: &Path, pins: &Path) -> Vec<OsString> {
    let mut arguments = vec!["--socket".into(), directory.join("limpet.sock").into(), "run".into()];
    arguments.extend(["--config".into(), configuration_file(directory).into()]);
    arguments.extend(["--pins".into(), pins.into(), "--detach-on-exit".into()]);
    arguments.extend(["--state".into(), directory.join("state").into()]);
    arguments
}

/// Puts `config` (TOML) where the balancer's daemon reads it.
pub fn write_configuration(lab: &Lab, config: &str) -> Result<()> {
    Ok(fs::write(configuration_file(&lab.directory()), config)?)
}

fn spawn(binary: &Path, arguments: &[OsString], directory: &Path, namespace: &Netns) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log_file(directory))?;
    let mut command = Command::new(binary);
    // A process group of its own: Ctrl-C at the terminal is for the one who started it.
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    namespace.spawn(&mut command).with_context(|| format!("cannot run {}", binary.display()))
}

fn configuration_file(directory: &Path) -> PathBuf {
    directory.join("limpet.toml")
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("limpet.log")
}

fn log(directory: &Path) -> String {
    // No file, nothing said.
    fs::read_to_string(log_file(directory)).unwrap_or_default()
}
