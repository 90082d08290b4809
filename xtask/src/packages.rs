//! Debian's packages that running and testing use.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::{process, rights};

/// A package, known by the program in it: another package, or distribution, may have brought it.
pub(crate) struct Package {
    name: &'static str,
    program: &'static str,
    /// The service that the package starts, though we want only the program.
    service: Option<&'static str>,
}

const fn package(name: &'static str, program: &'static str) -> Package {
    Package { name, program, service: None }
}

/// What the demo, and whoever plays with it, uses.
pub(crate) const RUN: &[Package] = &[package("iproute2", "ip"), package("ethtool", "ethtool")];

/// What the tests, and measurements beside others, use besides.
pub(crate) const TEST: &[Package] = &[
    Package { name: "nginx-light", program: "nginx", service: Some("nginx") },
    Package { name: "haproxy", program: "haproxy", service: Some("haproxy") },
    package("nftables", "nft"),
    package("curl", "curl"),
    // 100 MB to download with what it needs, 300 MB installed, and ready in half a minute.
    package("chromium-headless-shell", "chromium-headless-shell"),
    package("tcpdump", "tcpdump"),
    package("bpftool", "bpftool"),
    package("wrk", "wrk"),
];

/// The ones whose program is not there.
pub(crate) fn missing<'a>(wanted: &[&'a [Package]]) -> Vec<&'a Package> {
    wanted
        .iter()
        .copied()
        .flatten()
        .filter(|package| process::find(package.program).next().is_none())
        .collect()
}

/// Installs `packages` and returns their names; an error if a program is still missing then.
pub(crate) fn ensure(packages: &[&Package]) -> Result<String> {
    let names: Vec<_> = packages.iter().map(|package| package.name).collect();
    install(&names)?;
    for package in packages {
        ensure!(
            process::find(package.program).next().is_some(),
            "package {} is installed, but there is no program `{}`",
            package.name,
            package.program
        );
        if let Some(service) = package.service {
            stop(service)?;
        }
    }
    Ok(names.join(" "))
}

/// `apt-get install`, with a fresh list of packages if the one there does not do.
pub(crate) fn install(names: &[&str]) -> Result<()> {
    let by_hand = || format!("install these packages by hand: {}", names.join(" "));
    ensure!(process::find("apt-get").next().is_some(), "no apt-get here; {}", by_hand());
    // The run level keeps Debian's scripts from starting services where there is no systemd.
    let mut words = vec![
        "DEBIAN_FRONTEND=noninteractive",
        "RUNLEVEL=1",
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
    ];
    words.extend(names);
    if process::read(&mut rights::as_root(&words)?).is_err() {
        process::run(&mut rights::as_root(&["apt-get", "--quiet", "update"])?).with_context(by_hand)?;
        process::run(&mut rights::as_root(&words)?).with_context(by_hand)?;
    }
    Ok(())
}

/// Stops a service that came with a package, now and at the next boot.
fn stop(service: &str) -> Result<()> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    process::run(&mut rights::as_root(&["systemctl", "--quiet", "disable", "--now", service])?)
}
