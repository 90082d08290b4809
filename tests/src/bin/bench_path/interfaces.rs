//! Has the kernel work for each interface of a path in threads of its own, so that what it spends on the balancer's
//! can be told from what it spends on those of clients and backends.
//!
//! Otherwise whoever sends does the work of all who receive, up to the other end of the path.

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lb_user::{
    dataplane::{PassGuard, attach_pass},
    lab::Netns,
};
use limpet_tests::cpu;
use nix::net::if_::if_nametoindex;

/// What a veth needs to take frames that are no socket buffers yet.
pub(crate) fn pass(namespace: &Netns, device: &str) -> Result<PassGuard> {
    namespace
        .run(|| attach_pass(if_nametoindex(device)?))
        .with_context(|| format!("cannot attach to {device}"))
}

/// `ethtool -K`.
pub(crate) fn set_features(namespace: &Netns, device: &str, features: &[&str]) -> Result<()> {
    let mut ethtool = Command::new("ethtool");
    ethtool.args(["-K", device]).args(features).stdout(std::process::Stdio::null());
    let status = namespace.spawn(&mut ethtool).context("cannot run `ethtool`: install it")?.wait()?;
    ensure!(status.success(), "ethtool cannot set {} on {device}", features.join(" "));
    Ok(())
}

/// Writes settings of an interface; each is a file below its directory in `/sys`.
pub(crate) fn set(namespace: &Netns, device: &str, settings: &[(String, String)]) -> Result<()> {
    let lines: String = settings
        .iter()
        .map(|(file, value)| format!("echo {value} > /sys/class/net/{device}/{file};"))
        .collect();
    // The namespace's own /sys is what `ip netns exec` mounts.
    let words = ["netns", "exec", namespace.name(), "sh", "-ec", &lines];
    let output = Command::new("ip").args(words).output().context("cannot run `ip`: install iproute2")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cannot set up {device}: {}", complaint.trim());
    Ok(())
}

/// The kernel's threads for some interfaces.
#[derive(Default)]
pub(crate) struct Threads(Vec<u32>);

impl Threads {
    /// Makes them for `device`, which must be one that has work for them: with an XDP program, or with GRO on.
    pub(crate) fn add(&mut self, namespace: &Netns, device: &str) -> Result<()> {
        let before = running(device)?;
        set(namespace, device, &[("threaded".to_owned(), "1".to_owned())])?;
        let new: Vec<_> = running(device)?.into_keys().filter(|id| !before.contains_key(id)).collect();
        ensure!(!new.is_empty(), "the kernel made no thread for {device}");
        self.0.extend(new);
        Ok(())
    }

    /// Ids of all.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.0
    }

    /// CPU time of all, so far.
    pub(crate) fn time(&self) -> Result<Duration> {
        self.0.iter().map(|id| cpu::of_process(*id)).sum()
    }
}

/// Threads for interfaces of this name, in whatever namespace.
fn running(device: &str) -> Result<BTreeMap<u32, String>> {
    let prefix = format!("napi/{device}-");
    let mut found = BTreeMap::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        let id = process.file_name().to_str().and_then(|id| id.parse().ok());
        if let (true, Some(id)) = (name.starts_with(&prefix), id) {
            found.insert(id, name);
        }
    }
    Ok(found)
}
