//! Why the daemon does not do what it was asked.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::config;

/// A request that was understood and not done; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of answer this is.
    pub kind: RefusalKind,
    /// One sentence: what is wrong, and what to do about it.
    pub message: String,
    /// What is wrong with the configuration file, where that is the reason.
    #[serde(default)]
    pub errors: Vec<config::Error>,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// There is no such thing: HTTP status 404.
    NotFound,
    /// What was asked makes no sense, or the configuration is wrong: HTTP status 422.
    Invalid,
    /// The daemon tried and could not: HTTP status 500.
    Failed,
}

impl Refusal {
    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::NotFound, message)
    }

    /// What was asked makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, message)
    }

    /// The daemon tried and could not.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Failed, message)
    }

    fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), errors: Vec::new() }
    }
}

impl From<config::Errors> for Refusal {
    fn from(errors: config::Errors) -> Self {
        let errors = errors.as_slice().to_vec();
        let count = match errors.len() {
            1 => "an error".to_owned(),
            count => format!("{count} errors"),
        };
        let message = format!("the configuration file has {count}; nothing was changed, what runs goes on");
        Self { errors, ..Self::invalid(message) }
    }
}

/// With all its causes in one line.
impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self)).into_response()
    }
}
