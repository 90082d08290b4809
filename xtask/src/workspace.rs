//! The workspace and Cargo for the host's side of it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::process;

/// Where the sources are and where everything built goes.
pub(crate) struct Workspace {
    /// The directory of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, absolute.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks Cargo, which knows `CARGO_TARGET_DIR` and everybody's configuration.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent directory")?;
        let mut cargo = Command::new("cargo");
        cargo
            .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
            .arg("--manifest-path")
            .arg(root.join("Cargo.toml"));
        let metadata: Value = serde_json::from_str(&process::read(&mut cargo)?)?;
        let target =
            metadata["target_directory"].as_str().context("`cargo metadata` names no target directory")?;
        Ok(Self { root: root.to_owned(), target: target.into() })
    }

    /// Cargo of the toolchain that runs this, at the root of the workspace.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new("cargo");
        self.prepare(&mut cargo);
        // A build script looks for the packet program in the default target directory.
        if self.target != self.root.join("target") && env::var_os("LIMPET_BPF_OBJECT").is_none() {
            cargo.env("LIMPET_BPF_OBJECT", self.bpf_object());
        }
        cargo
    }

    /// Moves `command` to the root and frees it from what the `cargo run` around us has set: our
    /// own package's names, and the library path of a toolchain that may not be the one wanted
    /// (bpf-linker takes the first libLLVM that it finds there).
    pub(crate) fn prepare(&self, command: &mut Command) {
        let ours = env::vars_os().map(|(key, _)| key).filter(|key| {
            let key = key.to_string_lossy();
            key.starts_with("CARGO_PKG_")
                || ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "LD_LIBRARY_PATH"].contains(&&*key)
        });
        for key in ours {
            command.env_remove(key);
        }
        command
            .current_dir(&self.root)
            // It may have been relative to where the user is.
            .env("CARGO_TARGET_DIR", &self.target);
    }

    /// The packet program as `limpet` embeds it.
    pub(crate) fn bpf_object(&self) -> PathBuf {
        self.target.join("bpf/limpet.bpf.o")
    }
}

/// Runs a `cargo build` and returns where Cargo says that it put the executable `name`.
pub(crate) fn executable(cargo: &mut Command, name: &str) -> Result<PathBuf> {
    cargo.arg("--message-format=json-render-diagnostics");
    let shown = process::show(cargo);
    let output =
        cargo.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(output.status.success(), "`{shown}` failed ({})", output.status);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("`{shown}` built no executable `{name}`"))
}
