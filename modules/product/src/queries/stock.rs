//! The books of stock: how many there are at each location, and the ledger that says why. Whoever changes them by hand
//! holds all rows of the variants first, in key order, so that nothing is sold meanwhile and events are told exactly.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Uuid as SqlUuid};
use uuid::Uuid;

use super::writing::Stamp;
use crate::domain::SCHEMA;
use crate::domain::location::DEFAULT_LOCATION;
use crate::domain::stock::{Delta, Held, Target, Unbooked, change_to};

/// Why a change is made, as the ledger has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause<'a> {
    pub(crate) kind: &'static str,
    pub(crate) reason: &'a str,
    /// The transfer that the changes are sides of.
    pub(crate) transfer: Option<Uuid>,
}

/// Opens the books of new variants, at the default location.
pub(super) fn open(connection: &mut PgConnection, levels: &[(Uuid, i64)], stamp: &Stamp) -> QueryResult<()> {
    const STOCK: &str = "INSERT INTO @.stock (variant_id, location_id, on_hand) \
        SELECT level.variant_id, ?, level.on_hand FROM unnest(?, ?) AS level (variant_id, on_hand)";
    const LEDGER: &str = "INSERT INTO @.stock_movements \
            (variant_id, location_id, kind, delta, reason, actor, created_at) \
        SELECT level.variant_id, ?, 'initial', level.on_hand, 'first stock', ?, ? \
        FROM unnest(?, ?) AS level (variant_id, on_hand) WHERE level.on_hand > 0";
    if levels.is_empty() {
        return Ok(());
    }
    let (ids, amounts) = levels.iter().copied().unzip();
    let [location, ids, amounts] = [Bind::Uuid(DEFAULT_LOCATION), Bind::Uuids(ids), Bind::BigInts(amounts)];
    let binds = [location.clone(), ids.clone(), amounts.clone()];
    Statement::new(SCHEMA, STOCK, binds).execute(connection)?;
    let binds = [
        location,
        Bind::Text(stamp.actor.clone()),
        Bind::Time(stamp.now),
        ids,
        amounts,
    ];
    Statement::new(SCHEMA, LEDGER, binds).execute(connection).map(drop)
}

/// Makes the stock of variants what a file says; the ledger gets the differences. Where some of it cannot be, nothing is
/// changed, and these are answered with the reasons.
pub(crate) fn set(
    connection: &mut PgConnection,
    targets: &[Target],
    stamp: &Stamp,
) -> QueryResult<Vec<(Target, Unbooked)>> {
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let held = hold(connection, targets.iter().map(|target| target.variant).collect())?;
    let by_variant = held.chunk_by(|row, next| row.variant == next.variant);
    let by_variant: HashMap<Uuid, &[Held]> = by_variant.map(|rows| (rows[0].variant, rows)).collect();
    let (mut deltas, mut unbooked) = (Vec::new(), Vec::new());
    for target in targets {
        let rows = by_variant.get(&target.variant).copied().unwrap_or_default();
        match change_to(target, rows) {
            Ok(delta) => deltas.extend(delta),
            Err(reason) => unbooked.push((*target, reason)),
        }
    }
    if unbooked.is_empty() {
        let cause = Cause {
            kind: "import",
            reason: "counted anew",
            transfer: None,
        };
        change(connection, &deltas, cause, stamp)?;
        tell(connection, &held, stamp.now)?;
    }
    Ok(unbooked)
}

/// Makes sure that variants have a row at a location. Unknown variants are left out. None of them becomes a bundle before
/// the transaction ends.
pub(crate) fn ensure(connection: &mut PgConnection, location: Uuid, variants: Vec<Uuid>) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.stock (variant_id, location_id, on_hand, is_bundle) \
        SELECT id, ?, 0, is_bundle FROM @.variants WHERE id = ANY (?) ORDER BY id FOR KEY SHARE ON CONFLICT DO NOTHING";
    let binds = [Bind::Uuid(location), Bind::Uuids(variants)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// All rows of variants, held until the transaction ends, in key order.
pub(crate) fn hold(connection: &mut PgConnection, variants: Vec<Uuid>) -> QueryResult<Vec<Held>> {
    const SQL: &str = "SELECT stock.variant_id, stock.location_id, stock.on_hand, stock.reserved, \
            location.active AND location.deleted_at IS NULL AS active, location.sells, stock.is_bundle \
        FROM @.stock AS stock JOIN @.locations AS location ON location.id = stock.location_id \
        WHERE stock.variant_id = ANY (?) ORDER BY stock.variant_id, stock.location_id FOR UPDATE OF stock";
    let rows: Vec<HeldRow> = Statement::new(SCHEMA, SQL, [Bind::Uuids(variants)]).load(connection)?;
    Ok(rows.into_iter().map(HeldRow::into_held).collect())
}

/// Changes rows that are held, and writes that down. Answers how many were changed: none that would then have fewer than
/// are promised, or be raised above what the books take.
pub(crate) fn change(
    connection: &mut PgConnection,
    deltas: &[Delta],
    cause: Cause<'_>,
    stamp: &Stamp,
) -> QueryResult<usize> {
    const SQL: &str = "WITH change AS MATERIALIZED ( \
            SELECT * FROM unnest(?, ?, ?) AS change (variant_id, location_id, delta) \
        ), changed AS ( \
            UPDATE @.stock AS stock SET on_hand = stock.on_hand + change.delta FROM change \
            WHERE stock.variant_id = change.variant_id AND stock.location_id = change.location_id \
            AND (change.delta > 0 OR stock.on_hand + change.delta >= stock.reserved) \
            AND (change.delta < 0 OR stock.on_hand + change.delta <= 1000000000) \
            RETURNING stock.variant_id, stock.location_id, change.delta \
        ) \
        INSERT INTO @.stock_movements \
            (variant_id, location_id, kind, delta, reason, actor, transfer_id, created_at) \
        SELECT variant_id, location_id, ?, delta, ?, ?, ?, ? FROM changed ORDER BY variant_id, location_id";
    if deltas.is_empty() {
        return Ok(0);
    }
    let binds = [
        Bind::Uuids(deltas.iter().map(|one| one.variant).collect()),
        Bind::Uuids(deltas.iter().map(|one| one.location).collect()),
        Bind::BigInts(deltas.iter().map(|one| one.delta).collect()),
        Bind::Text(cause.kind.to_owned()),
        Bind::Text(cause.reason.to_owned()),
        Bind::Text(stamp.actor.clone()),
        Bind::NullableUuid(cause.transfer),
        Bind::Time(stamp.now),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection)
}

/// Publishes what has become of stock that was `held` before it was changed: running low, out, back.
pub(crate) fn tell(connection: &mut PgConnection, held: &[Held], now: DateTime<Utc>) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.outbox (id, type, subject, time, data) \
        SELECT gen_random_uuid(), event.type, event.subject, ?, event.data FROM ( \
            SELECT variant.id, variant.product_id, variant.low_stock_threshold, before.available AS before, \
                @.oversell_limit(variant.backorder_limit, variant.preorder_until, variant.preorder_limit, ?) AS oversell, \
                coalesce(sum(stock.on_hand - stock.reserved) FILTER (WHERE location.sells), 0)::bigint AS after \
            FROM unnest(?, ?) AS before (variant_id, available) \
            JOIN @.variants AS variant ON variant.id = before.variant_id \
            JOIN @.stock AS stock ON stock.variant_id = variant.id \
            JOIN @.locations AS location ON location.id = stock.location_id \
            GROUP BY variant.id, before.available \
        ) AS change CROSS JOIN LATERAL @.stock_events(change.id, change.product_id, change.low_stock_threshold, \
            change.oversell, change.before, change.after) AS event";
    let mut before: BTreeMap<Uuid, i64> = BTreeMap::new();
    for row in held {
        let available = if row.sells { row.on_hand - row.reserved } else { 0 };
        *before.entry(row.variant).or_default() += available;
    }
    if before.is_empty() {
        return Ok(());
    }
    let (variants, available) = before.into_iter().unzip();
    let binds = [
        Bind::Time(now),
        Bind::Time(now),
        Bind::Uuids(variants),
        Bind::BigInts(available),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

#[derive(QueryableByName)]
struct HeldRow {
    #[diesel(sql_type = SqlUuid)]
    variant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    location_id: Uuid,
    #[diesel(sql_type = BigInt)]
    on_hand: i64,
    #[diesel(sql_type = BigInt)]
    reserved: i64,
    #[diesel(sql_type = Bool)]
    active: bool,
    #[diesel(sql_type = Bool)]
    sells: bool,
    #[diesel(sql_type = Bool)]
    is_bundle: bool,
}

impl HeldRow {
    fn into_held(self) -> Held {
        Held {
            variant: self.variant_id,
            location: self.location_id,
            on_hand: self.on_hand,
            reserved: self.reserved,
            active: self.active,
            sells: self.sells,
            is_bundle: self.is_bundle,
        }
    }
}
