//! Which price lists have to be carried over to what everybody is offered, and how far that is.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use kernel::id::PriceListId;
use uuid::Uuid;

use super::price_lists::Row;
use super::select::Select;
use crate::domain::SCHEMA;
use crate::domain::price_list::PriceList;
use crate::schema::price_lists;

/// A list whose prices have to be carried over.
pub(crate) struct Due {
    /// As it is now.
    pub(crate) list: PriceList,
    pub(crate) is_deleted: bool,
    /// For which moment that has begun, and the last variant for which it was done.
    pub(crate) begun: Option<(DateTime<Utc>, Uuid)>,
}

/// Whether a list is due at `now`.
pub(crate) fn is_any_due(connection: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        price_lists::table.filter(price_lists::apply_at.le(now)),
    ))
    .get_result(connection)
}

/// The list that is to be carried over next at `now`, locked until the transaction ends; one that somebody else is at is
/// left out. Those that have not begun come first, so that a large one holds up no other.
pub(crate) fn lock_due(connection: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<Option<Due>> {
    type Found = (Row, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<Uuid>);
    let found: Option<Found> = price_lists::table
        .filter(price_lists::apply_at.le(now))
        .order((
            price_lists::applied_after.is_not_null(),
            price_lists::apply_at,
            price_lists::id,
        ))
        .select((
            Row::as_select(),
            price_lists::deleted_at,
            price_lists::applied_since,
            price_lists::applied_after,
        ))
        .for_update()
        .skip_locked()
        .first(connection)
        .optional()?;
    let due = |(row, deleted_at, since, after): Found| {
        Ok(Due {
            list: row.into_list()?,
            is_deleted: deleted_at.is_some(),
            begun: since.zip(after),
        })
    };
    found.map(due).transpose()
}

/// Has the prices of a list, which is locked, carried over from the first one on.
pub(crate) fn begin(connection: &mut PgConnection, list: PriceListId, now: DateTime<Utc>) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.price_lists SET apply_at = ?, applied_since = NULL, applied_after = NULL WHERE id = ?";
    let binds = [Bind::Time(now), Bind::Uuid(list.uuid())];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Leaves a list that is due at `now` alone until another moment. How far it is stays noted.
pub(crate) fn put_off(
    connection: &mut PgConnection,
    list: PriceListId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.price_lists SET apply_at = ? WHERE id = ? AND apply_at <= ?";
    let binds = [Bind::Time(until), Bind::Uuid(list.uuid()), Bind::Time(now)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// At most `limit` variants of a list after `after`, in the order of their ids.
pub(crate) fn next_variants(
    connection: &mut PgConnection,
    list: PriceListId,
    after: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<Uuid>> {
    let mut select = Select::<SqlUuid>::new(
        "SELECT DISTINCT listed.variant_id FROM products.list_prices AS listed WHERE listed.price_list_id = ",
    );
    select
        .bind(Bind::Uuid(list.uuid()))
        .text(" AND listed.variant_id > ")
        .bind(Bind::Uuid(after.unwrap_or_default()))
        .text(" ORDER BY listed.variant_id LIMIT ")
        .bind(Bind::BigInt(limit));
    select.load(connection)
}

/// Notes how far the prices of a list, which is locked, are carried over: up to a variant, for the moment `since`. That was
/// done at `now`, which whoever writes prices of the list later goes by, although he may have come before.
pub(crate) fn go_on(
    connection: &mut PgConnection,
    list: PriceListId,
    since: DateTime<Utc>,
    after: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.price_lists SET applied_since = ?, applied_after = ?, \
        applied_at = greatest(applied_at, ?) WHERE id = ?";
    let binds = [
        Bind::Time(since),
        Bind::Uuid(after),
        Bind::Time(now),
        Bind::Uuid(list.uuid()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Notes that the last prices of a list, which is locked, were carried over at `now`, and when that is next to be done.
pub(crate) fn finish(
    connection: &mut PgConnection,
    list: PriceListId,
    next: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.price_lists SET apply_at = ?, applied_since = NULL, applied_after = NULL, \
        applied_at = greatest(applied_at, ?) WHERE id = ?";
    let binds = [Bind::NullableTime(next), Bind::Time(now), Bind::Uuid(list.uuid())];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Removes prices of a list that nothing is offered by any more, which would be too many in one statement.
pub(crate) fn remove_prices(connection: &mut PgConnection, list: PriceListId, variants: Vec<Uuid>) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.list_prices WHERE price_list_id = ? AND variant_id = ANY(?)";
    Statement::new(SCHEMA, SQL, [Bind::Uuid(list.uuid()), Bind::Uuids(variants)])
        .execute(connection)
        .map(drop)
}

/// Removes a list for good that has no prices any more.
pub(crate) fn remove(connection: &mut PgConnection, list: PriceListId) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.price_lists WHERE id = ?";
    Statement::new(SCHEMA, SQL, [Bind::Uuid(list.uuid())])
        .execute(connection)
        .map(drop)
}
