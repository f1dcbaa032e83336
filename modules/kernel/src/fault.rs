//! Technical failures, as opposed to refusals by a rule: the same few for every module, and across processes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why an operation could not be carried out although nothing was wrong with the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A dependency is down or overloaded; nothing was done, and trying again later is safe.
    #[error("unavailable: {detail}")]
    Unavailable {
        /// For operators; never shown to clients.
        detail: String,
        /// When to try again, in seconds.
        retry_after: u64,
    },
    /// No answer in time; whether the work was done is unknown.
    #[error("timeout: {detail}")]
    Timeout {
        /// For operators; never shown to clients.
        detail: String,
    },
    /// A bug: something that cannot happen did.
    #[error("internal: {detail}")]
    Internal {
        /// For operators; never shown to clients.
        detail: String,
    },
}

impl Fault {
    /// A dependency is down or overloaded; clients are told to try again in a second.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::Unavailable {
            detail: detail.into(),
            retry_after: 1,
        }
    }

    /// No answer in time.
    pub fn timeout(detail: impl Into<String>) -> Self {
        Self::Timeout { detail: detail.into() }
    }

    /// A bug.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::Internal { detail: detail.into() }
    }

    /// When to try again, where that is safe.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => Some(Duration::from_secs(*retry_after)),
            Self::Timeout { .. } | Self::Internal { .. } => None,
        }
    }
}
