//! The books of stock: how many there are, and the ledger that says why.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use kernel::{Currency, Money};
use product_api::Quote;
use uuid::Uuid;

use super::products::currency;
use super::select::Select;
use super::writing::Stamp;
use crate::domain::SCHEMA;
use crate::domain::stock::{Movement, StockLevel};

/// How many movements are shown with a variant's stock.
const SHOWN_MOVEMENTS: i64 = 50;

/// Opens the books of new variants.
pub(super) fn open(connection: &mut PgConnection, levels: &[(Uuid, i64)], stamp: &Stamp) -> QueryResult<()> {
    const STOCK: &str = "INSERT INTO @.stock (variant_id, on_hand) SELECT * FROM unnest(?, ?)";
    const LEDGER: &str = "INSERT INTO @.stock_movements (variant_id, kind, delta, reason, actor, created_at) \
        SELECT level.variant_id, 'initial', level.on_hand, 'first stock', ?, ? \
        FROM unnest(?, ?) AS level (variant_id, on_hand) WHERE level.on_hand > 0";
    if levels.is_empty() {
        return Ok(());
    }
    let [ids, amounts] = columns(levels);
    Statement::new(SCHEMA, STOCK, [ids.clone(), amounts.clone()]).execute(connection)?;
    let binds = [Bind::Text(stamp.actor.clone()), Bind::Time(stamp.now), ids, amounts];
    Statement::new(SCHEMA, LEDGER, binds).execute(connection).map(drop)
}

/// Sets the stock of variants to absolute figures, though never below what is promised already; the ledger gets the
/// differences. Rows are locked in key order.
pub(super) fn set(connection: &mut PgConnection, levels: &[(Uuid, i64)], stamp: &Stamp) -> QueryResult<()> {
    const SQL: &str = "WITH held AS MATERIALIZED ( \
            SELECT stock.variant_id, stock.on_hand AS before, greatest(level.on_hand, stock.reserved) AS after \
            FROM @.stock AS stock JOIN unnest(?, ?) AS level (variant_id, on_hand) USING (variant_id) \
            ORDER BY stock.variant_id FOR UPDATE OF stock \
        ), changed AS ( \
            UPDATE @.stock AS stock SET on_hand = held.after FROM held \
            WHERE stock.variant_id = held.variant_id AND held.after <> held.before RETURNING stock.variant_id \
        ) \
        INSERT INTO @.stock_movements (variant_id, kind, delta, reason, actor, created_at) \
        SELECT held.variant_id, ?, held.after - held.before, 'counted anew', ?, ? FROM held \
        JOIN changed USING (variant_id)";
    if levels.is_empty() {
        return Ok(());
    }
    let [ids, amounts] = columns(levels);
    let [kind, actor] = [Bind::Text(stamp.kind.to_owned()), Bind::Text(stamp.actor.clone())];
    let binds = [ids, amounts, kind, actor, Bind::Time(stamp.now)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Corrects the stock of a variant and writes it down; false where that would leave fewer than are promised.
pub(crate) fn adjust(
    connection: &mut PgConnection,
    variant: Uuid,
    delta: i64,
    reason: &str,
    stamp: &Stamp,
) -> QueryResult<bool> {
    const SQL: &str = "WITH adjusted AS ( \
            UPDATE @.stock SET on_hand = on_hand + ? WHERE variant_id = ? \
            AND on_hand + ? >= reserved AND on_hand + ? <= 1000000000 RETURNING variant_id \
        ) \
        INSERT INTO @.stock_movements (variant_id, kind, delta, reason, actor, created_at) \
        SELECT variant_id, 'adjustment', ?, ?, ?, ? FROM adjusted";
    let binds = [
        Bind::BigInt(delta),
        Bind::Uuid(variant),
        Bind::BigInt(delta),
        Bind::BigInt(delta),
        Bind::BigInt(delta),
        Bind::Text(reason.to_owned()),
        Bind::Text(stamp.actor.clone()),
        Bind::Time(stamp.now),
    ];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// The stock of a variant with its latest movements. Deleted variants have theirs too.
pub(crate) fn level(connection: &mut PgConnection, variant: Uuid) -> QueryResult<Option<StockLevel>> {
    let mut select = Select::<(SqlUuid, BigInt, BigInt)>::new(
        "SELECT variant.product_id, stock.on_hand, stock.reserved FROM products.stock AS stock \
         JOIN products.variants AS variant ON variant.id = stock.variant_id WHERE stock.variant_id = ",
    );
    select.bind(Bind::Uuid(variant));
    let found: Option<(Uuid, i64, i64)> = select.get_result(connection).optional()?;
    let Some((product, on_hand, reserved)) = found else {
        return Ok(None);
    };
    let mut select = Select::<(Text, BigInt, Text, Text, Timestamptz)>::new(
        "SELECT kind, delta, reason, actor, created_at FROM products.stock_movements WHERE variant_id = ",
    );
    select
        .bind(Bind::Uuid(variant))
        .text(" ORDER BY id DESC LIMIT ")
        .bind(Bind::BigInt(SHOWN_MOVEMENTS));
    let rows: Vec<(String, i64, String, String, DateTime<Utc>)> = select.load(connection)?;
    let movement = |(kind, delta, reason, actor, created_at)| Movement {
        kind,
        delta,
        reason,
        actor,
        created_at,
    };
    Ok(Some(StockLevel {
        variant_id: variant.into(),
        product_id: product.into(),
        on_hand,
        reserved,
        available: on_hand - reserved,
        movements: rows.into_iter().map(movement).collect(),
    }))
}

type QuoteSql = (
    SqlUuid,
    SqlUuid,
    Nullable<Text>,
    Text,
    Text,
    Nullable<Text>,
    Text,
    BigInt,
    BigInt,
    diesel::sql_types::Bool,
);

#[derive(Queryable)]
struct QuoteRow {
    variant: Uuid,
    product: Uuid,
    sku: Option<String>,
    title: String,
    variant_title: String,
    image_url: Option<String>,
    currency: String,
    price_minor: i64,
    available: i64,
    on_sale: bool,
}

/// What is to be quoted, and in which currency.
pub(crate) type Enquiry = (Vec<Uuid>, Currency);

/// What variants cost and how many there are, for each enquiry, by one statement.
pub(crate) fn quote(connection: &mut PgConnection, enquiries: &[Enquiry]) -> QueryResult<Vec<Vec<Quote>>> {
    let all: BTreeSet<Uuid> = enquiries.iter().flat_map(|(variants, _)| variants).copied().collect();
    let mut select = Select::<QuoteSql>::new(
        "SELECT variant.id, variant.product_id, variant.sku, product.title, variant.title, \
         product.images -> 0 ->> 'url', product.currency, variant.price_minor, stock.on_hand - stock.reserved, \
         variant.deleted_at IS NULL AND product.deleted_at IS NULL AND product.status = 'active' \
         FROM products.variants AS variant JOIN products.products AS product ON product.id = variant.product_id \
         JOIN products.stock AS stock ON stock.variant_id = variant.id WHERE variant.id = ANY(",
    );
    select.bind(Bind::Uuids(all.into_iter().collect())).text(")");
    let rows: Vec<QuoteRow> = select.load(connection)?;
    let rows: HashMap<Uuid, QuoteRow> = rows.into_iter().map(|row| (row.variant, row)).collect();
    let answer = |(variants, currency): &Enquiry| {
        let found = variants.iter().filter_map(|variant| rows.get(variant));
        found.map(|row| row.quote(*currency)).collect()
    };
    enquiries.iter().map(answer).collect()
}

impl QuoteRow {
    fn quote(&self, wanted: Currency) -> QueryResult<Quote> {
        let currency = currency(&self.currency)?;
        Ok(Quote {
            variant: self.variant.into(),
            product: self.product.into(),
            sku: self.sku.clone(),
            title: self.title.clone(),
            variant_title: self.variant_title.clone(),
            image_url: self.image_url.clone(),
            unit_price: (currency == wanted).then(|| Money::new(self.price_minor, currency)),
            available: self.available,
            on_sale: self.on_sale,
        })
    }
}

fn columns(levels: &[(Uuid, i64)]) -> [Bind; 2] {
    let (ids, amounts) = levels.iter().copied().unzip();
    [Bind::Uuids(ids), Bind::BigInts(amounts)]
}
