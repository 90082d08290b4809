//! Becoming root where something needs it.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, IsTerminal as _},
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
};

use anyhow::{Error, Result, bail};

use crate::process;

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// Whether a missing right is a failure rather than a reason to skip.
pub(crate) fn is_ci() -> bool {
    env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1")
}

/// `words` as a command that runs as root: as they are, or through `sudo`.
///
/// Without a terminal nobody can type a password, so `sudo` fails there rather than waits.
pub(crate) fn as_root(words: &[&str]) -> Result<Command> {
    let mut command = if is_root() {
        Command::new("env")
    } else if process::find("sudo").next().is_some() {
        let mut sudo = Command::new("sudo");
        if !io::stdin().is_terminal() {
            sudo.arg("--non-interactive");
        }
        sudo.arg("env");
        sudo
    } else {
        bail!("needs root, and there is no sudo here; run as root: {}", words.join(" "));
    };
    command.args(words);
    Ok(command)
}

/// Replaces this process by `program`, as root, so that signals and the exit code are the
/// program's own. Returns only if that failed.
pub(crate) fn exec_as_root(program: &Path, args: &[OsString]) -> Error {
    let mut command = if is_root() {
        Command::new(program)
    } else if process::find("sudo").next().is_some() {
        let mut sudo = Command::new("sudo");
        sudo.arg("-E").arg(program);
        sudo
    } else {
        return Error::msg(format!(
            "{} needs root to load its packet program, and there is no sudo here; run it as root",
            program.display()
        ));
    };
    let failure = command.args(args).exec();
    Error::new(failure).context(format!("cannot start `{}`", process::show(&command)))
}
