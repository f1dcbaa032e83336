//! Notes about an order, among staff or for its buyer.

use database::OrRefuse;
use kernel::http::Call;
use kernel::id::OrderId;
use serde_json::json;
use uuid::Uuid;

use super::Service;
use super::fulfil::locked;
use super::reply::Reply;
use crate::domain::Actor;
use crate::domain::view::Audience;
use crate::error::OrderError;
use crate::queries::{self, Entry};

impl Service {
    /// Writes a note into an order's timeline; the buyer sees it where it is not `internal`.
    pub(crate) async fn add_note(
        &self,
        order: OrderId,
        text: String,
        internal: bool,
        actor: Actor,
        call: Option<Call>,
    ) -> Result<Reply, OrderError> {
        self.detached(move |service| async move {
            let once = |id| service.add_note_once(order, id, text, internal, actor);
            service.under_key(call, once).await
        })
        .await
    }

    async fn add_note_once(
        &self,
        order: OrderId,
        id: Uuid,
        text: String,
        internal: bool,
        actor: Actor,
    ) -> Result<Reply, OrderError> {
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                locked(connection, order)?.or_refuse()?;
                if queries::has_note(connection, order, id)? {
                    return Ok(());
                }
                let entry = Entry {
                    kind: "note",
                    actor,
                    detail: Some(json!({"id": id, "text": text})),
                    internal,
                };
                queries::touch(connection, order, now)?;
                Ok(queries::write_down(connection, order, entry, now)?)
            })
            .await?;
        self.reply_with(order, 201, Audience::Staff).await
    }
}
