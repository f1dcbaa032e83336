//! The stock of a variant as staff see it, and the terms on which it is sold.

use chrono::{DateTime, NaiveDate, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use kernel::page::Page;
use uuid::Uuid;

use super::select::Select;
use crate::domain::SCHEMA;
use crate::domain::location::DEFAULT_LOCATION;
use crate::domain::stock::{LocationLevel, Movement, StockLevel};
use crate::domain::terms::{Preorder, Terms};

/// The columns of a variant from which [`terms`] makes its terms.
pub(super) type TermsSql = (BigInt, Nullable<Date>, BigInt, Nullable<BigInt>);
/// The values of [`TermsSql`].
pub(super) type TermsRow = (i64, Option<NaiveDate>, i64, Option<i64>);

type MovementSql = (
    BigInt,
    Text,
    SqlUuid,
    BigInt,
    Text,
    Text,
    Nullable<SqlUuid>,
    Timestamptz,
);

#[derive(Queryable)]
struct MovementRow {
    id: i64,
    kind: String,
    location: Uuid,
    delta: i64,
    reason: String,
    actor: String,
    transfer: Option<Uuid>,
    created_at: DateTime<Utc>,
}

/// The movements of a variant from newest to oldest.
pub(crate) struct Movements {
    /// Only those before this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: i64,
}

/// The terms that a row's columns make.
pub(super) fn terms((backorder_limit, ships_on, limit, low_stock_threshold): TermsRow) -> Terms {
    Terms {
        backorder_limit,
        preorder: ships_on.map(|ships_on| Preorder { ships_on, limit }),
        low_stock_threshold,
    }
}

/// The stock of a variant with a page of its movements. Deleted variants have theirs too. `seal` makes a cursor of a
/// movement's number.
pub(crate) fn level(
    connection: &mut PgConnection,
    variant: Uuid,
    movements: Movements,
    today: NaiveDate,
    seal: impl FnOnce(i64) -> String,
) -> QueryResult<Option<StockLevel>> {
    let mut select = Select::<(SqlUuid, BigInt, TermsSql)>::new(
        "SELECT product_id, stock_version, backorder_limit, preorder_until, preorder_limit, low_stock_threshold \
         FROM products.variants WHERE id = ",
    );
    select.bind(Bind::Uuid(variant));
    let found: Option<(Uuid, i64, TermsRow)> = select.get_result(connection).optional()?;
    let Some((product, version, row)) = found else {
        return Ok(None);
    };
    let (terms, locations) = (terms(row), locations(connection, variant)?);
    let movements = movements_of(connection, variant, &movements, seal)?;
    let sum = |of: fn(&LocationLevel) -> i64, counts: fn(&LocationLevel) -> bool| -> i64 {
        locations.iter().filter(|level| counts(level)).map(of).sum()
    };
    let (on_hand, reserved) = (
        sum(|level| level.on_hand, |level| level.active),
        sum(|level| level.reserved, |level| level.active),
    );
    let for_sale = sum(|level| level.available, |level| level.active && level.fulfils_online);
    Ok(Some(StockLevel {
        variant_id: variant.into(),
        product_id: product.into(),
        on_hand,
        reserved,
        available: on_hand - reserved,
        sellable: (for_sale + terms.oversell(today)).max(0),
        terms,
        version,
        locations,
        movements: movements.data,
        page: movements.page,
    }))
}

/// The terms of a variant and their version, held until the transaction ends.
pub(crate) fn hold_terms(connection: &mut PgConnection, variant: Uuid) -> QueryResult<Option<(Terms, i64, Uuid)>> {
    let mut select = Select::<(TermsSql, BigInt, SqlUuid)>::new(
        "SELECT backorder_limit, preorder_until, preorder_limit, low_stock_threshold, stock_version, product_id \
         FROM products.variants WHERE id = ",
    );
    select.bind(Bind::Uuid(variant)).text(" FOR NO KEY UPDATE");
    let found: Option<(TermsRow, i64, Uuid)> = select.get_result(connection).optional()?;
    Ok(found.map(|(row, version, product)| (terms(row), version, product)))
}

/// Writes the terms of a variant that is held. The row of stock that is sold below zero may go as far as the largest of
/// the limits says, or as far as it is already: what was promised under other terms stands.
pub(crate) fn set_terms(connection: &mut PgConnection, variant: Uuid, terms: &Terms) -> QueryResult<()> {
    const TERMS: &str = "UPDATE @.variants SET backorder_limit = ?, preorder_until = ?::date, preorder_limit = ?, \
        low_stock_threshold = nullif(?, 0), stock_version = stock_version + 1 WHERE id = ?";
    const STOCK: &str = "UPDATE @.stock SET oversell = greatest(?, reserved - on_hand, 0) \
        WHERE variant_id = ? AND location_id = ?";
    let binds = [
        Bind::BigInt(terms.backorder_limit),
        Bind::NullableText(terms.preorder.map(|preorder| preorder.ships_on.to_string())),
        Bind::BigInt(terms.preorder.map_or(0, |preorder| preorder.limit)),
        Bind::BigInt(terms.low_stock_threshold.unwrap_or(0)),
        Bind::Uuid(variant),
    ];
    Statement::new(SCHEMA, TERMS, binds).execute(connection)?;
    let binds = [
        Bind::BigInt(terms.largest_oversell()),
        Bind::Uuid(variant),
        Bind::Uuid(DEFAULT_LOCATION),
    ];
    Statement::new(SCHEMA, STOCK, binds).execute(connection).map(drop)
}

fn locations(connection: &mut PgConnection, variant: Uuid) -> QueryResult<Vec<LocationLevel>> {
    let mut select = Select::<(SqlUuid, Text, Bool, Bool, BigInt, BigInt)>::new(
        "SELECT location.id, location.name, location.active AND location.deleted_at IS NULL, location.fulfils_online, \
         stock.on_hand, stock.reserved FROM products.stock AS stock \
         JOIN products.locations AS location ON location.id = stock.location_id \
         WHERE (location.deleted_at IS NULL OR stock.on_hand <> 0 OR stock.reserved <> 0) AND stock.variant_id = ",
    );
    select
        .bind(Bind::Uuid(variant))
        .text(" ORDER BY location.priority, location.id");
    let rows: Vec<(Uuid, String, bool, bool, i64, i64)> = select.load(connection)?;
    let level =
        |(location, name, active, fulfils_online, on_hand, reserved): (Uuid, _, _, _, i64, i64)| LocationLevel {
            location_id: location.into(),
            name,
            active,
            fulfils_online,
            on_hand,
            reserved,
            available: on_hand - reserved,
        };
    Ok(rows.into_iter().map(level).collect())
}

fn movements_of(
    connection: &mut PgConnection,
    variant: Uuid,
    wanted: &Movements,
    seal: impl FnOnce(i64) -> String,
) -> QueryResult<Page<Movement>> {
    let mut select = Select::<MovementSql>::new(
        "SELECT id, kind, location_id, delta, reason, actor, transfer_id, created_at \
         FROM products.stock_movements WHERE variant_id = ",
    );
    select
        .bind(Bind::Uuid(variant))
        .text(" AND id < ")
        .bind(Bind::BigInt(wanted.before.unwrap_or(i64::MAX)))
        .text(" ORDER BY id DESC LIMIT ")
        .bind(Bind::BigInt(wanted.limit + 1));
    let rows: Vec<MovementRow> = select.load(connection)?;
    Ok(Page::from_surplus(rows, wanted.limit, |row| seal(row.id)).map(MovementRow::into_movement))
}

impl MovementRow {
    fn into_movement(self) -> Movement {
        Movement {
            kind: self.kind,
            location_id: self.location.into(),
            delta: self.delta,
            reason: self.reason,
            actor: self.actor,
            transfer_id: self.transfer.map(Into::into),
            created_at: self.created_at,
        }
    }
}
