//! Orders that staff prepare.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::id::{DraftOrderId, OrderId};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::numbers::{Numbered, Numbering};
use super::placing::milliseconds;
use super::rows::unreadable;
use super::{SCHEMA, json};
use crate::domain::Order;
use crate::domain::draft::{Draft, DraftContent};
use crate::schema::draft_orders;

/// Writes a new draft down.
pub(crate) fn insert(connection: &mut PgConnection, draft: &Draft) -> QueryResult<()> {
    let row = (
        draft_orders::id.eq(draft.id.uuid()),
        draft_orders::content.eq(json(&draft.content)?),
        draft_orders::created_by.eq(draft.created_by.uuid()),
        draft_orders::created_at.eq(draft.created_at),
        draft_orders::updated_at.eq(draft.updated_at),
    );
    diesel::insert_into(draft_orders::table)
        .values(row)
        .execute(connection)
        .map(drop)
}

/// One draft.
pub(crate) fn find(connection: &mut PgConnection, id: DraftOrderId) -> QueryResult<Option<Draft>> {
    let row = draft_orders::table
        .find(id.uuid())
        .select(DraftRow::as_select())
        .first(connection)
        .optional()?;
    row.map(DraftRow::into_draft).transpose()
}

/// One draft, locked for the rest of the transaction.
pub(crate) fn lock(connection: &mut PgConnection, id: DraftOrderId) -> QueryResult<Option<Draft>> {
    let row = draft_orders::table
        .find(id.uuid())
        .select(DraftRow::as_select())
        .for_update()
        .first(connection)
        .optional()?;
    row.map(DraftRow::into_draft).transpose()
}

/// Drafts that are no orders yet, newest first, before `before`.
pub(crate) fn list(connection: &mut PgConnection, before: Option<DraftOrderId>, limit: i64) -> QueryResult<Vec<Draft>> {
    let mut query = draft_orders::table
        .filter(draft_orders::order_id.is_null())
        .order(draft_orders::id.desc())
        .limit(limit)
        .select(DraftRow::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(draft_orders::id.lt(before.uuid()));
    }
    let rows: Vec<DraftRow> = query.load(connection)?;
    rows.into_iter().map(DraftRow::into_draft).collect()
}

/// Gives a draft, which is locked, another content.
pub(crate) fn change(
    connection: &mut PgConnection,
    id: DraftOrderId,
    content: &DraftContent,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(draft_orders::table.find(id.uuid()))
        .set((
            draft_orders::content.eq(json(content)?),
            draft_orders::version.eq(draft_orders::version + 1),
            draft_orders::updated_at.eq(now),
        ))
        .execute(connection)
        .map(drop)
}

/// Notes the order that a draft, which is locked, becomes; `None` where that came to nothing.
pub(crate) fn set_order(connection: &mut PgConnection, id: DraftOrderId, order: Option<OrderId>) -> QueryResult<()> {
    diesel::update(draft_orders::table.find(id.uuid()))
        .set((
            draft_orders::order_id.eq(order.map(OrderId::uuid)),
            draft_orders::version.eq(draft_orders::version + 1),
        ))
        .execute(connection)
        .map(drop)
}

/// Removes a draft that is no order; false where it is one, or is not there.
pub(crate) fn delete(connection: &mut PgConnection, id: DraftOrderId) -> QueryResult<bool> {
    let deleted = diesel::delete(draft_orders::table.find(id.uuid()))
        .filter(draft_orders::order_id.is_null())
        .execute(connection)?;
    Ok(deleted == 1)
}

/// Begins the order of a draft, as `placing`, for this process; its number, empty where it gets one later. `None` where it
/// was begun before.
pub(crate) fn begin(
    connection: &mut PgConnection,
    order: &Order,
    lease: Duration,
    numbering: &Numbering,
) -> QueryResult<Option<String>> {
    const SQL: &str = "INSERT INTO @.orders (id, number, status, user_id, leased_until, created_at, updated_at) \
        VALUES (?, CASE WHEN ? THEN ? || nextval('@.order_numbers') ELSE ? END, 'placing', ?, \
            clock_timestamp() + ? * interval '1 millisecond', ?, ?) \
        ON CONFLICT (id) DO NOTHING RETURNING id, number";
    numbering.insert(connection, |connection| {
        let beginning = numbering.at_beginning();
        let binds = [
            Bind::Uuid(order.id.uuid()),
            Bind::Bool(beginning.is_counted()),
            Bind::Text(numbering.prefix.clone()),
            Bind::NullableText(beginning.number(&numbering.prefix)),
            Bind::NullableUuid(order.user.map(Into::into)),
            Bind::BigInt(milliseconds(lease)),
            Bind::Time(order.created_at),
            Bind::Time(order.updated_at),
        ];
        let row: Option<Numbered> = Statement::new(SCHEMA, SQL, binds).load(connection)?.pop();
        Ok(row.map(|row| row.number.unwrap_or_default()))
    })
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = draft_orders)]
struct DraftRow {
    id: Uuid,
    version: i64,
    content: Value,
    order_id: Option<Uuid>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl DraftRow {
    fn into_draft(self) -> QueryResult<Draft> {
        let content = DraftContent::deserialize(&self.content);
        Ok(Draft {
            id: self.id.into(),
            version: self.version,
            content: content.map_err(|error| unreadable("draft_orders.content", &error.to_string()))?,
            order: self.order_id.map(Into::into),
            created_by: self.created_by.into(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
