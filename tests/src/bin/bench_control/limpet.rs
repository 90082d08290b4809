//! The daemon under test: what it says and when, what it takes.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use lb_user::lab::{Lab, config::Config, daemon};
use limpet_tests::memory;
use serde::{Deserialize, de::IgnoredAny};

/// A start may take so long before it is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running daemon. Dropping it kills it; its lab removes what it leaves in the kernel.
pub(crate) struct Limpet {
    binary: PathBuf,
    socket: PathBuf,
    process: Child,
    begun: Instant,
    lines: Receiver<(Instant, String)>,
}

/// `limpet status --json`, as far as a start needs it: few words of an answer of megabytes.
#[derive(Deserialize)]
struct Status {
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    backends: Vec<Backend>,
}

#[derive(Deserialize)]
struct Backend {
    state: String,
    next_hop: Option<IgnoredAny>,
}

impl Limpet {
    /// Starts it in `lab` with this configuration, and waits until it is ready; returns how long that took from exec on.
    pub(crate) fn start(binary: &Path, lab: &Lab, config: &Config) -> Result<(Self, Duration)> {
        daemon::write_configuration(lab, &config.to_string())?;
        Self::start_again(binary, lab)
    }

    /// The same with the configuration that is there.
    pub(crate) fn start_again(binary: &Path, lab: &Lab) -> Result<(Self, Duration)> {
        let mut command = Command::new(binary);
        command.args(daemon::arguments(lab)).env("RUST_LOG", "info");
        // A process group of its own: Ctrl-C at the terminal is for the one who started it.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let begun = Instant::now();
        let mut process = lab.balancer().spawn(&mut command).context("cannot run limpet")?;
        let stderr = process.stderr.take().context("standard error was piped")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Nobody reads on: the daemon was ready, and may go on talking.
                let _ = sender.send((Instant::now(), line));
            }
        });
        let socket = lab.directory().join("limpet.sock");
        let limpet = Self { binary: binary.to_owned(), socket, process, begun, lines };
        let ready = limpet.until_ready()?;
        Ok((limpet, ready))
    }

    fn until_ready(&self) -> Result<Duration> {
        let mut said = String::new();
        while let Ok((at, line)) = self.lines.recv_timeout(PATIENCE.saturating_sub(self.begun.elapsed())) {
            if line.ends_with(" ready") {
                return Ok(at - self.begun);
            }
            said.push_str(&line);
            said.push('\n');
        }
        bail!("the daemon does not get ready:\n{said}")
    }

    /// Waits until status shows that many backends, all with a next hop; returns how long that took from exec on.
    pub(crate) fn until_whole(&self, backends: usize) -> Result<Duration> {
        loop {
            let status = self.status()?;
            let elapsed = self.begun.elapsed();
            let all = || status.services.iter().flat_map(|service| &service.backends);
            if all().count() == backends && all().all(|backend| backend.next_hop.is_some()) {
                return Ok(elapsed);
            }
            let missing = all().filter(|backend| backend.next_hop.is_none()).count();
            ensure!(elapsed < PATIENCE, "{missing} of {} backends have no next hop", all().count());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether all backends are up.
    pub(crate) fn is_up(&self) -> Result<bool> {
        let status = self.status()?;
        Ok(status.services.iter().flat_map(|service| &service.backends).all(|backend| backend.state == "up"))
    }

    fn status(&self) -> Result<Status> {
        Ok(serde_json::from_slice(&self.ask(&["status", "--json"])?.1)?)
    }

    /// Runs a command against it; returns how long its answer took, the start of the command included, and the answer.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<(Duration, Vec<u8>)> {
        let begin = Instant::now();
        let output = Command::new(&self.binary).arg("--socket").arg(&self.socket).args(arguments).output()?;
        let took = begin.elapsed();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "limpet {}: {}", arguments.join(" "), complaint.trim());
        Ok((took, output.stdout))
    }

    /// CPU time that it used so far, in user space and in the kernel.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // Behind the name, which is in brackets, the state is field 3; utime and stime are 14 and 15.
        let fields = stat.rsplit_once(") ").context("a process has a name")?.1;
        let ticks: Vec<u64> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        // USER_HZ, which is 100 wherever Linux runs today.
        Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
    }

    /// Bytes of memory that are its own: what it maps of the kernel's tables doesn't count.
    pub(crate) fn memory(&self) -> Result<u64> {
        Ok(memory::of(self.process.id(), "RssAnon")? << 10)
    }

    /// Ends it without warning, and waits for that. What it installed goes on.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Limpet {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.kill();
    }
}
