//! A named network namespace: made, entered, emptied and removed.
//!
//! Entering is a `setns` on a thread of its own. `ip netns exec` would also remount `/sys`, which hides the
//! BPF file system from what runs inside.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sched::{CloneFlags, setns},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Where `ip netns` keeps its handles.
const HANDLES: &str = "/run/netns";

/// How long processes that were killed may take to leave a namespace.
const LEAVE: Duration = Duration::from_secs(5);

/// A handle on a named namespace. Dropping the handle leaves the namespace alone: [`Netns::remove`] ends it.
#[derive(Debug, Clone)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes a namespace. Fails where the name is taken or the caller is not root.
    pub(super) fn create(name: String) -> Result<Self> {
        let ns = Self { name };
        ip(&["netns", "add", &ns.name], "")?;
        // Set before any link exists, so that every link starts with them: addresses are usable at once,
        // and nothing but this code configures the network.
        ns.set_sysctl("net/ipv6/conf/all/accept_dad", "0")?;
        ns.set_sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        ns.set_sysctl("net/ipv6/conf/default/accept_ra", "0")?;
        ns.ip_batch("link set lo up\n")?;
        Ok(ns)
    }

    /// All namespaces whose name begins with `prefix`.
    pub(super) fn with_prefix(prefix: &str) -> Vec<Self> {
        let Ok(handles) = fs::read_dir(HANDLES) else {
            return Vec::new(); // nobody ever made one
        };
        handles
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(prefix))
            .map(|name| Self { name })
            .collect()
    }

    /// The name, as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What `nsenter --net=` takes.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(HANDLES).join(&self.name)
    }

    /// Runs `work` inside the namespace, on a thread of its own, and waits for it.
    ///
    /// # Panics
    /// When `work` panics, or the namespace is gone.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter().expect("the namespace lives as long as its lab");
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a program inside the namespace.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        self.run(|| command.spawn())
    }

    /// A runtime whose tasks run inside the namespace: what is *spawned* on it, not what it blocks on.
    pub fn runtime(&self) -> io::Result<tokio::runtime::Runtime> {
        let ns = self.clone();
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .on_thread_start(move || ns.enter().expect("the namespace lives as long as its lab"))
            .build()
    }

    /// Writes a setting below `/proc/sys` of the namespace.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<()> {
        self.run(|| fs::write(Path::new("/proc/sys").join(key), value))
            .with_context(|| format!("cannot set {key} to {value} in namespace {}", self.name))
    }

    /// Runs lines of `ip` in the namespace; the first that fails ends it.
    pub fn ip_batch(&self, lines: &str) -> Result<()> {
        ip(&["-n", &self.name, "-batch", "-"], lines)
    }

    /// Kills what still runs inside, and removes the namespace.
    pub(super) fn remove(&self) -> Result<()> {
        let deadline = Instant::now() + LEAVE;
        loop {
            let inside = self.inhabitants();
            if inside.is_empty() {
                break;
            }
            for pid in inside {
                // Gone already is what we want.
                let _ = kill(pid, Signal::SIGKILL);
            }
            if Instant::now() > deadline {
                bail!("processes in namespace {} do not die", self.name);
            }
            thread::sleep(Duration::from_millis(10));
        }
        ip(&["netns", "delete", &self.name], "")
    }

    /// Processes (not threads of this one) that live in the namespace. A killed process that its parent
    /// has not waited for is already out.
    fn inhabitants(&self) -> Vec<Pid> {
        let Ok(ours) = fs::metadata(self.path()) else {
            return Vec::new();
        };
        let Ok(processes) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        processes
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                fs::metadata(format!("/proc/{pid}/ns/net"))
                    .is_ok_and(|theirs| theirs.ino() == ours.ino() && theirs.dev() == ours.dev())
            })
            .map(Pid::from_raw)
            .collect()
    }

    /// Moves the calling thread into the namespace for good.
    fn enter(&self) -> io::Result<()> {
        Ok(setns(File::open(self.path())?, CloneFlags::CLONE_NEWNET)?)
    }
}

/// Runs `ip` with `input`, and turns what it complains of into the error.
fn ip(arguments: &[&str], input: &str) -> Result<()> {
    let mut child = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run `ip`: install iproute2")?;
    let mut stdin = child.stdin.take().expect("stdin was piped");
    // `ip` stops reading at the first line that fails; what it says then is the better error.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("ip {}: {}", arguments.join(" "), complaint.trim());
    }
    Ok(())
}
