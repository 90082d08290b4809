//! Sessions that are given to another backend, and back.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Which sessions to move, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MoveOrder {
    /// Name of the service; needed where several have a backend of the target's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Of clients in this prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpNet>,
    /// Name of the backend that they are on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Name of the backend that they are to be on.
    pub to: String,
    /// Only this part of them, always the same clients: 1..=100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// So many a second, at least 1; without it, as fast as it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Only count them.
    #[serde(default)]
    pub dry_run: bool,
}

/// A move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// By which it can be undone; 0 for one that was only planned.
    pub id: u64,
    /// The service.
    pub service: String,
    /// The backend that sessions are moved to.
    pub to: String,
    /// When it was ordered, in seconds since 1970.
    pub ordered_at: u64,
    /// Sessions that it is about.
    pub total: u64,
    /// Those that were moved.
    pub moved: u64,
    /// Those that had ended, or were moved otherwise, before their turn came.
    pub skipped: u64,
    /// How far it is.
    pub state: MoveState,
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveState {
    /// Nothing was done, as was asked for.
    Planned,
    /// Under way.
    Running,
    /// Done.
    Done,
    /// The daemon ended before it was done, or could not go on: the others stayed.
    Interrupted,
    /// Taken back.
    Undone,
}

impl MoveState {
    /// As in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Done => "done",
            Self::Interrupted => "interrupted",
            Self::Undone => "undone",
        }
    }
}

/// The moves that are remembered, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// Each of them.
    pub moves: Vec<Move>,
}

/// Which move to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoOrder {
    /// Its number.
    pub id: u64,
}

/// What was moved back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The move.
    pub id: u64,
    /// Sessions that are back where they were.
    pub back: u64,
    /// The others, by reason.
    pub kept: BTreeMap<String, u64>,
}
