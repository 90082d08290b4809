//! The programs of `limpet-tests`, which run as root on a packet program of their own.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    build, rights,
    setup::{self, Tell},
    workspace::{self, Workspace},
};

/// Builds the packet program and, with these options, the program `name`; then becomes it. Returns only if
/// something failed.
pub(crate) fn run(workspace: &Workspace, name: &str, options: &[&str], args: &[OsString]) -> Result<()> {
    let tools = setup::bpf_tools(workspace, Tell::Changes)?;
    build::packet_program(workspace, &tools, false)?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package=limpet-tests", "--bin", name]).args(options);
    let program = workspace::executable(&mut cargo, name)?;
    setup::for_run(Tell::Changes)?;
    Err(rights::exec_as_root(&program, args))
}
