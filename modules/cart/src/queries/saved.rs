//! What users have put aside for later.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::id::{UserId, VariantId};
use uuid::Uuid;

use crate::SCHEMA;
use crate::domain::Item;
use crate::schema::saved_items;

/// Something that was put aside, as the catalogue told it then.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = saved_items, check_for_backend(diesel::pg::Pg))]
pub(crate) struct Saved {
    pub(crate) variant_id: Uuid,
    pub(crate) product_id: Uuid,
    pub(crate) title: String,
    pub(crate) variant_title: String,
    pub(crate) image_url: Option<String>,
    pub(crate) quantity: i32,
    pub(crate) saved_at: DateTime<Utc>,
}

/// All that `user` has put aside, newest first.
pub(crate) fn all(connection: &mut PgConnection, user: UserId) -> QueryResult<Vec<Saved>> {
    saved_items::table
        .filter(saved_items::user_id.eq(user.uuid()))
        .order((saved_items::saved_at.desc(), saved_items::variant_id))
        .select(Saved::as_select())
        .load(connection)
}

/// What `user` has put aside of a variant, held until the transaction ends.
pub(crate) fn hold(connection: &mut PgConnection, user: UserId, variant: VariantId) -> QueryResult<Option<Saved>> {
    saved_items::table
        .find((user.uuid(), variant.uuid()))
        .for_update()
        .select(Saved::as_select())
        .first(connection)
        .optional()
}

/// Puts a line of a cart aside. False where `user` has `most` other variants there already.
pub(crate) fn put(
    connection: &mut PgConnection,
    user: UserId,
    item: &Item,
    most: i64,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    const SQL: &str = "INSERT INTO @.saved_items \
            (user_id, variant_id, product_id, title, variant_title, image_url, quantity, saved_at) \
        SELECT ?, ?, ?, ?, ?, ?, ?, ? \
        WHERE (SELECT count(*) FROM @.saved_items WHERE user_id = ? AND variant_id <> ?) < ? \
        ON CONFLICT (user_id, variant_id) DO UPDATE SET quantity = excluded.quantity, saved_at = excluded.saved_at";
    let quantity = i32::try_from(item.quantity).unwrap_or(i32::MAX);
    let binds = [
        Bind::Uuid(user.uuid()),
        Bind::Uuid(item.variant.uuid()),
        Bind::Uuid(item.product.uuid()),
        Bind::Text(item.title.clone()),
        Bind::Text(item.variant_title.clone()),
        Bind::NullableText(item.image_url.clone()),
        Bind::Integer(quantity),
        Bind::Time(now),
        Bind::Uuid(user.uuid()),
        Bind::Uuid(item.variant.uuid()),
        Bind::BigInt(most),
    ];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// Forgets what `user` has put aside of a variant; false where there was nothing.
pub(crate) fn remove(connection: &mut PgConnection, user: UserId, variant: VariantId) -> QueryResult<bool> {
    let gone = diesel::delete(saved_items::table.find((user.uuid(), variant.uuid()))).execute(connection)?;
    Ok(gone == 1)
}

/// Forgets all that `user` has put aside.
pub(crate) fn forget(connection: &mut PgConnection, user: UserId) -> QueryResult<()> {
    diesel::delete(saved_items::table.filter(saved_items::user_id.eq(user.uuid())))
        .execute(connection)
        .map(drop)
}
