//! What `status` says of sessions on disk.

use serde::{Deserialize, Serialize};

/// Sessions on disk, for a start that finds no maps. Moments are in RFC 3339.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The file.
    pub path: String,
    /// Seconds between two of them; `None`: none are written.
    pub interval_s: Option<f64>,
    /// When the last one was written; `None`: none yet since the daemon's start.
    pub written: Option<String>,
    /// Sessions in it.
    pub sessions: u64,
    /// Bytes of it.
    pub bytes: u64,
    /// Seconds that it took, beside everything else.
    pub took_s: f64,
    /// Why there is no newer one.
    pub error: Option<String>,
    /// What the daemon's start took from one, or from maps of another layout; `None`: there was nothing that could be
    /// read, or the maps were still there.
    pub restored: Option<RestoredSessions>,
}

/// What became of the sessions of a snapshot, or of an earlier run's maps of another layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredSessions {
    /// Layout of the maps that they were taken from; `None`: from a file.
    pub layout: Option<u32>,
    /// When the file was written, or the maps were read.
    pub written: String,
    /// Sessions that hold again.
    pub sessions: u64,
    /// Idle for too long or too old by then.
    pub expired: u64,
    /// Their service or backend was gone.
    pub gone: u64,
    /// Their backend had become another one.
    pub changed: u64,
    /// Beyond the sizes of the maps.
    pub no_room: u64,
    /// In damaged blocks, as far as their number is known, or of backends whose names are in one.
    pub unknown: u64,
    /// Blocks of the file that were not as they were written.
    pub damaged_blocks: u64,
    /// The file's end was missing.
    pub cut_short: bool,
    /// It was from so many seconds in the future.
    pub ahead_s: u64,
}
