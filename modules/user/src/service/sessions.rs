//! Sign-ins as their owner sees them.

use database::refuse;
use kernel::id::SessionId;
use kernel::identity::SignedIn;
use kernel::page::Page;
use user_api::UserError;

use super::{Service, caller};
use crate::domain::session::Session;
use crate::queries;

impl Service {
    /// A page of the caller's sessions, newest first.
    pub(crate) async fn sessions(
        &self,
        who: SignedIn,
        after: Option<SessionId>,
        limit: i64,
    ) -> Result<Page<Session>, UserError> {
        let now = self.clock.now();
        let list = session_list(&who);
        let rows = self
            .database
            .run(move |connection| {
                caller(connection, &who, now)?;
                let rows = queries::sessions::list(connection, &who, after, limit + 1, now)?;
                Ok(rows)
            })
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(&list, &last.id)
        }))
    }

    /// Ends one of the caller's sessions, which may be the one that asks.
    pub(crate) async fn end_session(&self, who: SignedIn, id: SessionId) -> Result<(), UserError> {
        let now = self.clock.now();
        self.database
            .transaction(move |connection| {
                caller(connection, &who, now)?;
                match queries::sessions::end_of(connection, who.user, id)? {
                    true => Ok(()),
                    false => refuse(UserError::NotFound("session".to_owned())),
                }
            })
            .await
    }
}

/// What the cursors of the caller's sessions belong to.
pub(crate) fn session_list(who: &SignedIn) -> String {
    format!("sessions of {}", who.user)
}
