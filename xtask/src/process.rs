//! Running other programs and saying what went wrong with them.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail, ensure};

/// Where administrators' programs live; Debian leaves it out of other users' `PATH`.
const SYSTEM_DIRS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Runs `command` with our output as its own; an error unless it exits with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

/// What `command` writes to its standard output, trimmed; an error, with what it wrote to its
/// standard error, unless it exits with 0.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed ({}): {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command line as somebody would type it.
pub(crate) fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy()));
    words.join(" ")
}

/// The places at which a program of this name is found, in the order of `PATH`.
pub(crate) fn find(program: &str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .collect::<Vec<_>>()
        .into_iter()
        .chain(SYSTEM_DIRS.map(PathBuf::from))
        .map(move |dir| dir.join(program))
        .filter(|file| file.is_file())
}
