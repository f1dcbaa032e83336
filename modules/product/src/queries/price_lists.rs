//! Price lists and their prices.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Uuid as SqlUuid};
use kernel::id::{CustomerGroupId, PriceListId};
use kernel::{Currency, Money};
use uuid::Uuid;

use super::products::currency;
use super::select::Select;
use crate::domain::SCHEMA;
use crate::domain::price_list::{ListPrice, ListPriceChange, ListStatus, PriceList, Steps};
use crate::schema::price_lists;

/// A list as it is stored.
#[derive(Queryable, Selectable)]
#[diesel(table_name = price_lists, check_for_backend(diesel::pg::Pg))]
pub(super) struct Row {
    id: Uuid,
    name: String,
    currency: String,
    status: String,
    customer_group_id: Option<Uuid>,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// At most `limit` lists after `after`, in the order in which they were made.
pub(crate) fn page(connection: &mut PgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<PriceList>> {
    let rows: Vec<Row> = price_lists::table
        .filter(price_lists::deleted_at.is_null())
        .filter(price_lists::id.gt(after))
        .order(price_lists::id)
        .limit(limit)
        .select(Row::as_select())
        .load(connection)?;
    rows.into_iter().map(Row::into_list).collect()
}

/// A list by its id.
pub(crate) fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<PriceList>> {
    let row: Option<Row> = price_lists::table
        .find(id)
        .filter(price_lists::deleted_at.is_null())
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    row.map(Row::into_list).transpose()
}

/// A list to edit, locked until the transaction ends.
pub(crate) fn lock(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<PriceList>> {
    let row: Option<Row> = price_lists::table
        .find(id)
        .filter(price_lists::deleted_at.is_null())
        .select(Row::as_select())
        .for_update()
        .first(connection)
        .optional()?;
    row.map(Row::into_list).transpose()
}

/// A list whose prices are written: it stays as it is until the transaction ends, but others may write prices too.
pub(crate) fn hold(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<PriceList>> {
    let row: Option<Row> = price_lists::table
        .find(id)
        .filter(price_lists::deleted_at.is_null())
        .select(Row::as_select())
        .for_share()
        .first(connection)
        .optional()?;
    row.map(Row::into_list).transpose()
}

/// Adds a list, which has no prices yet.
pub(crate) fn insert(connection: &mut PgConnection, new: &PriceList) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.price_lists (id, name, currency, status, customer_group_id, starts_at, ends_at, \
        version, created_at, updated_at, apply_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let binds = [
        Bind::Uuid(new.id.uuid()),
        Bind::Text(new.name.clone()),
        Bind::Text(new.currency.code().to_owned()),
        Bind::Text(new.status.name().to_owned()),
        Bind::NullableUuid(new.customer_group_id.map(CustomerGroupId::uuid)),
        Bind::NullableTime(new.starts_at),
        Bind::NullableTime(new.ends_at),
        Bind::BigInt(new.version),
        Bind::Time(new.created_at),
        Bind::Time(new.updated_at),
        Bind::NullableTime(new.next_end(new.created_at)),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Writes a list that is locked.
pub(crate) fn update(connection: &mut PgConnection, list: &PriceList) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.price_lists SET name = ?, status = ?, customer_group_id = ?, starts_at = ?, ends_at = ?, \
        version = ?, updated_at = ? WHERE id = ?";
    let binds = [
        Bind::Text(list.name.clone()),
        Bind::Text(list.status.name().to_owned()),
        Bind::NullableUuid(list.customer_group_id.map(CustomerGroupId::uuid)),
        Bind::NullableTime(list.starts_at),
        Bind::NullableTime(list.ends_at),
        Bind::BigInt(list.version),
        Bind::Time(list.updated_at),
        Bind::Uuid(list.id.uuid()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Takes a list away that is locked. Its prices go when what everybody is offered does without them.
pub(crate) fn delete(connection: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.price_lists SET deleted_at = ?, apply_at = ?, applied_since = NULL, \
        applied_after = NULL WHERE id = ?";
    let binds = [Bind::Time(now), Bind::Time(now), Bind::Uuid(id)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// At most `limit` prices of a list after the variant and quantity in `after`.
pub(crate) fn prices(
    connection: &mut PgConnection,
    list: PriceListId,
    currency: Currency,
    after: (Uuid, i64),
    limit: i64,
) -> QueryResult<Vec<ListPrice>> {
    let mut select = Select::<(SqlUuid, BigInt, BigInt, Nullable<BigInt>)>::new(
        "SELECT listed.variant_id, listed.min_quantity, listed.price_minor, listed.compare_at_minor \
         FROM products.list_prices AS listed WHERE listed.price_list_id = ",
    );
    select
        .bind(Bind::Uuid(list.uuid()))
        .text(" AND (listed.variant_id, listed.min_quantity) > (")
        .bind(Bind::Uuid(after.0))
        .text(", ")
        .bind(Bind::BigInt(after.1))
        .text(") ORDER BY listed.variant_id, listed.min_quantity LIMIT ")
        .bind(Bind::BigInt(limit));
    let rows: Vec<(Uuid, i64, i64, Option<i64>)> = select.load(connection)?;
    let price = |(variant, min_quantity, amount, compare_at): (Uuid, i64, i64, Option<i64>)| ListPrice {
        variant_id: variant.into(),
        min_quantity,
        price: Money::new(amount, currency),
        compare_at_price: compare_at.map(|amount| Money::new(amount, currency)),
    };
    Ok(rows.into_iter().map(price).collect())
}

/// For which quantities there are prices of `variants` on a list.
pub(crate) fn steps(connection: &mut PgConnection, list: PriceListId, variants: Vec<Uuid>) -> QueryResult<Steps> {
    let mut select = Select::<(SqlUuid, BigInt)>::new(
        "SELECT listed.variant_id, listed.min_quantity FROM products.list_prices AS listed \
         WHERE listed.price_list_id = ",
    );
    select
        .bind(Bind::Uuid(list.uuid()))
        .text(" AND listed.variant_id = ANY(")
        .bind(Bind::Uuids(variants))
        .text(")");
    let rows: Vec<(Uuid, i64)> = select.load(connection)?;
    let mut steps = Steps::default();
    for (variant, min_quantity) in rows {
        steps.add(variant.into(), min_quantity);
    }
    Ok(steps)
}

/// Puts prices on a list and takes others off it, by one statement each.
pub(crate) fn write(connection: &mut PgConnection, list: PriceListId, changes: &[&ListPriceChange]) -> QueryResult<()> {
    const PUT: &str = "INSERT INTO @.list_prices (price_list_id, variant_id, min_quantity, price_minor, compare_at_minor) \
        SELECT ?, row.* FROM unnest(?, ?, ?, ?) AS row \
        ON CONFLICT (price_list_id, variant_id, min_quantity) DO UPDATE SET price_minor = excluded.price_minor, \
        compare_at_minor = excluded.compare_at_minor";
    const TAKE: &str = "DELETE FROM @.list_prices AS listed USING unnest(?, ?) AS row (variant_id, min_quantity) \
        WHERE listed.price_list_id = ? AND listed.variant_id = row.variant_id \
        AND listed.min_quantity = row.min_quantity";
    let (put, take): (Vec<&ListPriceChange>, Vec<&ListPriceChange>) =
        changes.iter().copied().partition(|change| change.price.is_some());
    let variants = |of: &[&ListPriceChange]| Bind::Uuids(of.iter().map(|change| change.variant_id.uuid()).collect());
    let quantities = |of: &[&ListPriceChange]| Bind::BigInts(of.iter().map(|change| change.min_quantity).collect());
    if !put.is_empty() {
        let prices = put.iter().filter_map(|change| change.price);
        let compared = put
            .iter()
            .map(|change| change.compare_at_price.map(|price| price.amount));
        let binds = [
            Bind::Uuid(list.uuid()),
            variants(&put),
            quantities(&put),
            Bind::BigInts(prices.map(|price| price.amount).collect()),
            Bind::NullableBigInts(compared.collect()),
        ];
        Statement::new(SCHEMA, PUT, binds).execute(connection)?;
    }
    if !take.is_empty() {
        let binds = [variants(&take), quantities(&take), Bind::Uuid(list.uuid())];
        Statement::new(SCHEMA, TAKE, binds).execute(connection)?;
    }
    Ok(())
}

/// The products of variants that are in the catalogue, by the variants' ids.
pub(crate) fn owners(connection: &mut PgConnection, variants: Vec<Uuid>) -> QueryResult<HashMap<Uuid, Uuid>> {
    let mut select = Select::<(SqlUuid, SqlUuid)>::new(
        "SELECT variant.id, variant.product_id FROM products.variants AS variant \
         WHERE variant.deleted_at IS NULL AND variant.id = ANY(",
    );
    select.bind(Bind::Uuids(variants)).text(")");
    let rows: Vec<(Uuid, Uuid)> = select.load(connection)?;
    Ok(rows.into_iter().collect())
}

impl Row {
    /// The list.
    pub(super) fn into_list(self) -> QueryResult<PriceList> {
        Ok(PriceList {
            id: self.id.into(),
            name: self.name,
            currency: currency(&self.currency)?,
            status: ListStatus::from_name(&self.status),
            customer_group_id: self.customer_group_id.map(Into::into),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
