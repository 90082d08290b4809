//! `cargo xtask setup`: finds out what is there and installs what is missing.
//!
//! There is no record of earlier success: looking takes a tenth of a second, and is never wrong.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Error, Result, bail};

use crate::{
    linker, packages, process, rights,
    toolchain::{KNOWN_GOOD, LLVM, Probe, Toolchain, rustup},
    workspace::Workspace,
};

const BPFFS: &str = "/sys/fs/bpf";
/// What lints are made of.
const LINTERS: [(&str, &str); 2] = [("clippy", "clippy"), ("rustfmt", "fmt")];

/// What is able to build the packet program.
pub(crate) struct BpfTools {
    /// Compiles it.
    pub(crate) toolchain: Toolchain,
    /// Whether `cargo clippy` is part of that toolchain.
    pub(crate) has_clippy: bool,
    /// Links it.
    pub(crate) linker: PathBuf,
}

/// What to tell about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// Each item, whether found or installed.
    All,
    /// Only what was installed.
    Changes,
}

impl Tell {
    fn found(self, item: &str, what: &str) {
        if self == Self::All {
            println!("{item:<12} found: {what}");
        }
    }

    fn installing(item: &str, what: &str) {
        eprintln!("{item:<12} missing: {what}");
    }

    fn done(item: &str, what: &str) {
        eprintln!("{item:<12} installed: {what}");
    }
}

/// Sets up everything; an error lists all that could not be.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tell = Tell::All;
    let failures: Vec<Error> = [
        bpf_tools(workspace, tell).map(drop),
        linters(tell).map(drop),
        programs(&[packages::RUN, packages::TEST], tell),
        bpffs(tell),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect();
    if failures.is_empty() {
        return Ok(());
    }
    for failure in &failures {
        eprintln!("FAILED: {failure:#}");
    }
    bail!("{} of the above could not be set up", failures.len());
}

/// What `run` and `bench` need besides the packet program.
pub(crate) fn for_run(tell: Tell) -> Result<()> {
    programs(&[packages::RUN], tell)?;
    bpffs(tell)
}

/// What the tests in namespaces, and measurements beside others, need besides the packet program.
pub(crate) fn for_test(tell: Tell) -> Result<()> {
    programs(&[packages::RUN, packages::TEST], tell)?;
    bpffs(tell)
}

/// A toolchain for the packet program and its linker: what is there, else what can be installed.
pub(crate) fn bpf_tools(workspace: &Workspace, tell: Tell) -> Result<BpfTools> {
    let (toolchain, probe) = bpf_toolchain(tell)?;
    let linker = match linker::find(workspace, &toolchain) {
        Some(linker) => {
            let what = format!("{} ({})", linker::VERSION, linker.display());
            tell.found("bpf-linker", &what);
            linker
        }
        None => {
            let version = linker::VERSION;
            Tell::installing("bpf-linker", &format!("building {version}, takes a minute or two"));
            let linker = linker::install(workspace, &toolchain)?;
            Tell::done("bpf-linker", &format!("{version} ({})", linker.display()));
            linker
        }
    };
    Ok(BpfTools { has_clippy: probe.has_subcommand("clippy"), toolchain, linker })
}

fn bpf_toolchain(tell: Tell) -> Result<(Toolchain, Probe)> {
    let candidates = Toolchain::candidates();
    let ready = |toolchain: &Toolchain| {
        let probe = toolchain.probe()?;
        probe.ensure_ready()?;
        Ok::<_, Error>(probe)
    };
    let describe = |toolchain: &Toolchain, probe: &Probe| {
        format!("in {toolchain} (rustc {}, LLVM {})", probe.release, probe.llvm)
    };
    for toolchain in &candidates {
        if let Ok(probe) = ready(toolchain) {
            tell.found("rust-src", &describe(toolchain, &probe));
            return Ok((toolchain.clone(), probe));
        }
    }
    let mut reasons = Vec::new();
    for toolchain in candidates {
        Tell::installing("rust-src", &format!("trying {toolchain}"));
        match toolchain.install().and_then(|()| ready(&toolchain)) {
            Ok(probe) => {
                Tell::done("rust-src", &describe(&toolchain, &probe));
                return Ok((toolchain, probe));
            }
            Err(error) => {
                eprintln!("{:<12} not with {toolchain}: {error:#}", "rust-src");
                reasons.push(format!("{toolchain}: {error:#}"));
            }
        }
    }
    bail!(
        "no toolchain for the packet program; install one with LLVM {LLVM} and rust-src by hand \
         (`rustup toolchain install {KNOWN_GOOD} --component rust-src`). Tried:\n  {}",
        reasons.join("\n  ")
    )
}

/// rustfmt and clippy of the toolchain that runs this.
pub(crate) fn linters(tell: Tell) -> Result<String> {
    let active = Toolchain::active();
    let probe = active.probe()?;
    for (component, subcommand) in LINTERS {
        if probe.has_subcommand(subcommand) {
            tell.found(component, &format!("in {active} (rustc {})", probe.release));
            continue;
        }
        let Toolchain::Rustup(name) = &active else {
            bail!("no {component} in {active}, and no rustup to add it; install it by hand");
        };
        Tell::installing(component, &format!("adding it to {active}"));
        rustup(&["component", "add", component, "--toolchain", name])?;
        Tell::done(component, &format!("in {active}"));
    }
    Ok(probe.release)
}

fn programs(wanted: &[&[packages::Package]], tell: Tell) -> Result<()> {
    let missing = packages::missing(wanted);
    if missing.is_empty() {
        tell.found("packages", "every program that is used");
        return Ok(());
    }
    Tell::installing("packages", "calling apt-get");
    let names = packages::ensure(&missing).context("packages")?;
    Tell::done("packages", &names);
    Ok(())
}

/// Where the kernel keeps the maps of a daemon that stopped.
fn bpffs(tell: Tell) -> Result<()> {
    if is_bpffs_mounted(&fs::read_to_string("/proc/mounts")?) {
        tell.found("bpffs", BPFFS);
        return Ok(());
    }
    let mount = &["mount", "-t", "bpf", "bpf", BPFFS];
    process::run(&mut rights::as_root(mount)?)
        .with_context(|| format!("bpffs: run as root: {}", mount.join(" ")))?;
    Tell::done("bpffs", &format!("mounted on {BPFFS}"));
    Ok(())
}

fn is_bpffs_mounted(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(1);
        fields.next() == Some(BPFFS) && fields.next() == Some("bpf")
    })
}

#[cfg(test)]
mod tests {
    use super::is_bpffs_mounted;

    #[test]
    fn tells_bpffs_from_other_mounts() {
        let sysfs = "sysfs /sys sysfs rw 0 0\n";
        assert!(!is_bpffs_mounted(sysfs));
        assert!(!is_bpffs_mounted("tmpfs /sys/fs/bpf tmpfs rw 0 0\n"));
        assert!(!is_bpffs_mounted("bpf /mnt/bpf bpf rw 0 0\n"));
        assert!(is_bpffs_mounted(&format!("{sysfs}none /sys/fs/bpf bpf rw,relatime 0 0\n")));
    }
}
