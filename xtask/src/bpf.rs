//! Compiling the packet programs.

use std::{
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    process,
    setup::BpfTools,
    workspace::{self, Workspace},
};

const TARGET: &str = "bpfel-unknown-none";

/// Compiles the packet programs, the balancer's and that for backends, to where `limpet`'s build script looks
/// for them.
///
/// # Errors
/// If they do not compile, or an object can't be written.
pub(crate) fn build(workspace: &Workspace, tools: &BpfTools, log: bool) -> Result<()> {
    let mut cargo = cargo(workspace, tools, "build");
    if log {
        cargo.args(["--features", "log"]);
    }
    let built = workspace::executable(&mut cargo, "limpet-bpf").context("the packet program")?;
    let object = workspace.bpf_object();
    hand_over(&built, &object)?;
    hand_over(&built.with_file_name("limpet-decap"), &object.with_file_name("limpet-decap.bpf.o"))
}

/// Copies a program that was built, unless it is there already: an untouched file spares `limpet` a rebuild.
fn hand_over(built: &Path, object: &Path) -> Result<()> {
    let new = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(object).ok().as_deref() != Some(&new) {
        fs::write(object, new).with_context(|| format!("cannot write {}", object.display()))?;
    }
    Ok(())
}

/// Where [`build`] leaves the bench's feeder.
pub(crate) fn feeder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("bpf").join(TARGET).join("release/limpet-feed")
}

/// Lints the packet program.
pub(crate) fn clippy(workspace: &Workspace, tools: &BpfTools) -> Result<()> {
    process::run(cargo(workspace, tools, "clippy").args(["--", "-D", "warnings"]))
}

/// A Cargo subcommand on the packet program, by stable Rust with the unstable `build-std`.
fn cargo(workspace: &Workspace, tools: &BpfTools, subcommand: &str) -> Command {
    let mut cargo = tools.toolchain.command("cargo");
    workspace.prepare(&mut cargo);
    cargo
        .args([subcommand, "--package=lb-ebpf", "--release", "--target", TARGET])
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(workspace.target.join("bpf"))
        // `1`, not a crate's name: dependencies use unstable features too.
        .env("RUSTC_BOOTSTRAP", "1")
        // The linker sees the whole program by itself.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &tools.linker)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags());
    cargo
}

/// The compiler's flags, as `CARGO_ENCODED_RUSTFLAGS` wants them.
fn rustflags() -> String {
    [
        // Tells aya whose `pt_regs` and calling convention the kernel has.
        &format!("--cfg=bpf_target_arch=\"{ARCH}\""),
        // The linker makes BTF from debug information; BTF maps are nothing without it.
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        // BPF's third instruction set has the atomic operations that flows are claimed with.
        "-Ctarget-cpu=v3",
        // Packet headers are aligned to nothing; without this feature of LLVM 22 each field is
        // loaded byte by byte. The verifier allows it on both architectures.
        "-Clink-arg=--cpu-features=+allows-misaligned-mem-access",
        // Small structures are filled and copied by stores, not by a call for each.
        "-Clink-arg=--disable-expand-memcpy-in-order",
    ]
    .join("\x1f")
}
