//! A real curl.

use std::process::{Command, Output, Stdio};

use anyhow::{Result, ensure};
use lb_user::lab::Netns;
use tokio::task::spawn_blocking;

/// A curl that tells errors and does not wait for ever.
#[must_use]
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end, which is a good one; returns what it writes.
pub async fn run(clients: &Netns, arguments: &[&str]) -> Result<String> {
    let output = output(clients, arguments).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "curl {arguments:?}: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs it to its end, whatever that is.
pub async fn output(clients: &Netns, arguments: &[&str]) -> Result<Output> {
    let child = clients.spawn(&mut command(arguments))?;
    Ok(spawn_blocking(|| child.wait_with_output()).await??)
}
