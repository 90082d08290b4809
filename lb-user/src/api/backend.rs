//! What can be done to a backend at run time.

use serde::{Deserialize, Serialize};

/// What to do to which backend. Stays in force over reloads and restarts until it is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendOrder {
    /// Name of the service.
    pub service: String,
    /// Name of the backend.
    pub backend: String,
    /// What to do.
    pub action: BackendAction,
    /// With [`BackendAction::Drain`]: disable it after so many seconds, whoever is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u64>,
    /// With [`BackendAction::Weight`]: the weight, 1..=65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

/// What to do to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendAction {
    /// Give it no new clients; those that it has stay.
    Drain,
    /// Give it nothing: its clients move.
    Disable,
    /// Give it again what its health permits.
    Enable,
    /// Give it another share of new clients.
    Weight,
    /// Back to what the configuration file says.
    Reset,
}
