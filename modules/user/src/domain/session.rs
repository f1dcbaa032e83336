//! Sign-ins.

use chrono::{DateTime, Utc};
use kernel::id::SessionId;
use serde::Serialize;

use super::account::Account;

/// The most characters that are kept of a browser's name.
const MAX_USER_AGENT: usize = 200;

/// A sign-in that holds, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// The browser or app that signed in, as it calls itself.
    pub(crate) user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub(crate) current: bool,
    pub(crate) created_at: DateTime<Utc>,
    /// The last refresh, or the sign-in.
    pub(crate) last_used_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// A sign-in as the exchange of its refresh token needs it.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) account: Account,
    pub(crate) nonce: Vec<u8>,
    pub(crate) generation: i32,
    pub(crate) last_used_at: DateTime<Utc>,
}

/// A sign-in to be.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) nonce: Vec<u8>,
    pub(crate) user_agent: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// What is kept of a `User-Agent` header: printable, and not endless.
pub(crate) fn shown_user_agent(header: &str) -> Option<String> {
    let shown: String = header
        .chars()
        .filter(|character| !character.is_control())
        .take(MAX_USER_AGENT)
        .collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_bounded_and_printable() {
        assert_eq!(shown_user_agent("curl/8.0\t"), Some("curl/8.0".to_owned()));
        assert_eq!(shown_user_agent(" \u{7} "), None);
        assert_eq!(shown_user_agent(&"x".repeat(500)).unwrap().len(), MAX_USER_AGENT);
    }
}
