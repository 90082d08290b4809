//! The Rust toolchain that compiles the packet program.
//!
//! It has to have an LLVM of the version that bpf-linker links with, and the source of `core`,
//! which nobody ships compiled for BPF.

use std::{
    env,
    ffi::OsString,
    fmt::{self, Display},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{packages, process};

/// The LLVM of rustc 1.95: bitcode is read reliably only by the version that wrote it.
pub(crate) const LLVM: u32 = 22;
/// Installed where the toolchain in use has another LLVM: what we develop with.
pub(crate) const KNOWN_GOOD: &str = "1.95.0";
/// The same in Debian, where rustup's server can't be reached. `llvm-22-dev` is for the linker.
const DEBIAN: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy", "llvm-22-dev"];

/// Where a toolchain comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// One of rustup's, by its name.
    Rustup(String),
    /// Whatever `PATH` leads to, on a host without rustup.
    Path,
    /// Debian's packages, in /usr.
    Debian,
}

/// What a toolchain is able to do.
pub(crate) struct Probe {
    /// rustc's version.
    pub(crate) release: String,
    /// The major version of its LLVM.
    pub(crate) llvm: u32,
    sysroot: PathBuf,
}

impl Toolchain {
    /// The one that runs this.
    pub(crate) fn active() -> Self {
        env::var("RUSTUP_TOOLCHAIN").map_or(Self::Path, Self::Rustup)
    }

    /// The ones that might do, best first.
    pub(crate) fn candidates() -> Vec<Self> {
        let mut all = vec![Self::active(), Self::Rustup(KNOWN_GOOD.to_owned()), Self::Debian];
        all.dedup();
        all
    }

    /// `cargo` or `rustc` of this toolchain, whichever toolchain runs this.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = match self {
            Self::Rustup(name) => {
                let mut rustup = Command::new("rustup");
                rustup.args(["run", name, program]);
                rustup
            }
            Self::Path => Command::new(program),
            Self::Debian => Command::new(Path::new("/usr/bin").join(program)),
        };
        for key in ["RUSTC", "RUSTDOC", "RUSTC_WORKSPACE_WRAPPER", "LD_LIBRARY_PATH"] {
            command.env_remove(key);
        }
        if *self == Self::Debian {
            // Cargo looks there for rustc and for its own subcommands; rustup's may come first.
            let mut path = OsString::from("/usr/bin:");
            path.push(env::var_os("PATH").unwrap_or_default());
            command.env("PATH", path);
        }
        command
    }

    /// Asks rustc about itself.
    pub(crate) fn probe(&self) -> Result<Probe> {
        let about = process::read(self.command("rustc").arg("-vV"))?;
        let sysroot = process::read(self.command("rustc").args(["--print", "sysroot"]))?;
        let field = |name| field(&about, name).with_context(|| format!("rustc states no {name}"));
        Ok(Probe {
            release: field("release")?.to_owned(),
            llvm: major(field("LLVM version")?)?,
            sysroot: sysroot.into(),
        })
    }

    /// Installs what is missing for the packet program, or says why that can't be.
    pub(crate) fn install(&self) -> Result<()> {
        match self {
            Self::Rustup(name) if self.probe().is_ok() => {
                self.probe()?.ensure_llvm()?;
                rustup(&["component", "add", "rust-src", "--toolchain", name])
            }
            Self::Rustup(name) if *self == Self::active() => bail!("{name} does not work"),
            Self::Rustup(name) => rustup(&[
                "toolchain",
                "install",
                name,
                "--profile=minimal",
                "--no-self-update",
                "--component=rust-src",
                "--component=clippy",
            ]),
            Self::Path => {
                self.probe()?.ensure_llvm()?;
                bail!("no source of `core` in it, and no rustup to add it")
            }
            Self::Debian => packages::install(&DEBIAN),
        }
    }
}

impl Probe {
    /// An error unless bpf-linker reads what this toolchain writes.
    pub(crate) fn ensure_llvm(&self) -> Result<()> {
        ensure!(self.llvm == LLVM, "rustc {} has LLVM {}, bpf-linker needs {LLVM}", self.release, self.llvm);
        Ok(())
    }

    /// An error unless this toolchain can compile the packet program.
    pub(crate) fn ensure_ready(&self) -> Result<()> {
        self.ensure_llvm()?;
        let core = self.sysroot.join("lib/rustlib/src/rust/library/core");
        ensure!(core.is_dir(), "no source of `core` in {}", core.display());
        Ok(())
    }

    /// Whether the toolchain has this subcommand of Cargo.
    pub(crate) fn has_subcommand(&self, name: &str) -> bool {
        self.sysroot.join("bin").join(format!("cargo-{name}")).is_file()
    }
}

impl Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rustup(name) => write!(f, "rustup's {name}"),
            Self::Path => f.write_str("the toolchain in PATH"),
            Self::Debian => f.write_str("Debian's toolchain"),
        }
    }
}

/// `rustup` with these arguments.
pub(crate) fn rustup(args: &[&str]) -> Result<()> {
    process::run(Command::new("rustup").args(args))
}

/// The value of a line `name: value`.
fn field<'a>(about: &'a str, name: &str) -> Option<&'a str> {
    about.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The major number of a version such as `22.1.2`.
fn major(version: &str) -> Result<u32> {
    let number = version.split('.').next().unwrap_or(version);
    number.parse().with_context(|| format!("`{version}` is not a version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: &str = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\n\
                         release: 1.95.0\nLLVM version: 22.1.2";

    #[test]
    fn reads_what_rustc_says() {
        assert_eq!(field(ABOUT, "release"), Some("1.95.0"));
        assert_eq!(field(ABOUT, "LLVM version"), Some("22.1.2"));
        assert_eq!(field(ABOUT, "LLVM"), None);
    }

    #[test]
    fn takes_the_major_version() {
        assert_eq!(major("22.1.2").unwrap(), 22);
        assert_eq!(major("23").unwrap(), 23);
        assert!(major("unknown").is_err());
    }
}
