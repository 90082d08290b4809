//! One daemon takes the place of another.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the daemon that comes next waits for the listening sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// A unix socket, to which they are sent (`SCM_RIGHTS`, one byte of data in each message).
    pub to: PathBuf,
}

/// They are sent, and the daemon lets go of everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOver {
    /// Its process, which ends once what it has open is done.
    pub pid: u32,
}
