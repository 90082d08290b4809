//! bpf-linker: what makes one BPF object of LLVM's bitcode.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{process, toolchain::Toolchain, workspace::Workspace};

/// The last one whose LLVM is [`crate::toolchain::LLVM`].
pub(crate) const VERSION: &str = "0.10.3";

/// The bpf-linker for this toolchain, if it is there.
pub(crate) fn find(workspace: &Workspace, toolchain: &Toolchain) -> Option<PathBuf> {
    let own = root(workspace, toolchain).join("bin/bpf-linker");
    // Others' linkers take their LLVM from a rustup toolchain, and Debian's is not there.
    let others = process::find("bpf-linker").filter(|_| *toolchain != Toolchain::Debian);
    std::iter::once(own).chain(others).find(|linker| version(linker).as_deref() == Some(VERSION))
}

/// Builds the bpf-linker for this toolchain, which takes a minute or two. It goes to the target
/// directory, so that a linker of another version in the user's own place stays as it is.
pub(crate) fn install(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    let mut cargo = toolchain.command("cargo");
    workspace.prepare(&mut cargo);
    cargo
        .args(["install", "bpf-linker", "--locked", "--force", "--version", VERSION])
        .arg("--root")
        .arg(root(workspace, toolchain))
        // Cargo's default for what it installs: a temporary directory.
        .env_remove("CARGO_TARGET_DIR");
    if *toolchain == Toolchain::Debian {
        cargo.args(["--no-default-features", "--features=llvm-22"]).env("LLVM_PREFIX", "/usr/lib/llvm-22");
    }
    process::run(&mut cargo).with_context(|| {
        format!("bpf-linker {VERSION} can't be built; install it by hand, so that it is in PATH")
    })?;
    find(workspace, toolchain).with_context(|| format!("bpf-linker {VERSION} is installed, but does not run"))
}

/// Where we install the linker for this toolchain.
fn root(workspace: &Workspace, toolchain: &Toolchain) -> PathBuf {
    workspace.target.join(match toolchain {
        Toolchain::Debian => "tools/debian",
        Toolchain::Rustup(_) | Toolchain::Path => "tools",
    })
}

/// The version that a linker says it has.
fn version(linker: &Path) -> Option<String> {
    if !linker.is_file() {
        return None;
    }
    let said = process::read(Command::new(linker).arg("--version")).ok()?;
    said.strip_prefix("bpf-linker ").map(str::to_owned)
}
