//! Stock that orders set aside: one statement for many orders, which locks the rows of the stock in key order and the
//! reservations after them.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Uuid as SqlUuid};
use uuid::Uuid;

use crate::domain::SCHEMA;
use crate::domain::allocation::{Demands, Level, Levels, Part};
use crate::domain::bundle::Contents;
use crate::domain::location::DEFAULT_LOCATION;

/// What an order wants to have set aside.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) id: Uuid,
    /// How many of each variant.
    pub(crate) demands: Demands,
    pub(crate) now: DateTime<Utc>,
}

/// What became of an attempt to reserve together with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// False where there is not enough for all of them together, a reservation of this id exists, or the number of
    /// locations is another than was assumed: such an order asks again by itself.
    pub(crate) is_made: bool,
    /// Whether several locations serve orders.
    pub(crate) are_several: bool,
}

/// Sets stock aside for many orders by one statement, in a shop where the default location alone serves orders.
pub(crate) fn reserve_at_default(connection: &mut PgConnection, wanted: &[Wanted]) -> QueryResult<Vec<Attempt>> {
    let all = |one: &Wanted| {
        let part = |(variant, quantity): (&Uuid, &i64)| Part {
            variant: *variant,
            location: DEFAULT_LOCATION,
            quantity: *quantity,
        };
        one.demands.iter().map(part).collect()
    };
    let parts: Vec<Vec<Part>> = wanted.iter().map(all).collect();
    let orders: Vec<(&Wanted, &[Part])> = wanted.iter().zip(parts.iter().map(Vec::as_slice)).collect();
    let taken = take(connection, &orders, Assumed::One)?;
    Ok(taken.attempts(wanted))
}

/// The same where several locations serve orders: what they have is read first, and allocated to one order after the
/// other. Whether it is still there, [`take`] decides.
pub(crate) fn reserve_at_several(connection: &mut PgConnection, wanted: &[Wanted]) -> QueryResult<Vec<Attempt>> {
    let variants: BTreeSet<Uuid> = wanted.iter().flat_map(|one| one.demands.keys()).copied().collect();
    let now = wanted.iter().map(|one| one.now).max().unwrap_or_default();
    let mut levels = levels(connection, variants.into_iter().collect(), now)?;
    let mut parts: Vec<(&Wanted, Vec<Part>)> = Vec::with_capacity(wanted.len());
    let mut seen = HashSet::new();
    for one in wanted.iter().filter(|one| seen.insert(one.id)) {
        if let Ok(allocated) = levels.allocate(&one.demands) {
            levels.take(&allocated);
            parts.push((one, allocated));
        }
    }
    let orders: Vec<(&Wanted, &[Part])> = parts.iter().map(|(one, parts)| (*one, parts.as_slice())).collect();
    let taken = take(connection, &orders, Assumed::Any)?;
    Ok(taken.attempts(wanted))
}

/// Sets stock aside for one order whose stock is held. False where a reservation of this id exists.
pub(crate) fn reserve(connection: &mut PgConnection, wanted: &Wanted, parts: &[Part]) -> QueryResult<bool> {
    let taken = take(connection, &[(wanted, parts)], Assumed::Any)?;
    Ok(taken.claimed.contains(&wanted.id))
}

/// What the locations that serve orders have of variants, and of the components of those that are bundles.
pub(crate) fn levels(connection: &mut PgConnection, variants: Vec<Uuid>, now: DateTime<Utc>) -> QueryResult<Levels> {
    const SQL: &str = "WITH part AS MATERIALIZED ( \
            SELECT wanted.id AS wanted_id, coalesce(part.component_id, wanted.id) AS variant_id, \
                coalesce(part.quantity, 1) AS each \
            FROM unnest(?) AS wanted (id) LEFT JOIN @.bundle_parts AS part ON part.bundle_id = wanted.id \
        ) \
        SELECT part.wanted_id, part.each, stock.variant_id, stock.location_id, \
            CASE WHEN variant.deleted_at IS NULL AND product.deleted_at IS NULL AND product.status = 'active' \
            THEN stock.on_hand - stock.reserved + CASE WHEN location.is_default THEN @.oversell_limit( \
                variant.backorder_limit, variant.preorder_until, variant.preorder_limit, ?) ELSE 0 END \
            ELSE 0 END AS sellable \
        FROM part JOIN @.stock AS stock ON stock.variant_id = part.variant_id \
        JOIN @.locations AS location ON location.id = stock.location_id AND location.sells \
        JOIN @.variants AS variant ON variant.id = stock.variant_id \
        JOIN @.products AS product ON product.id = variant.product_id \
        ORDER BY location.priority, stock.location_id, stock.variant_id";
    let binds = [Bind::Uuids(variants), Bind::Time(now)];
    let rows: Vec<LevelRow> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    let mut contents = Contents::default();
    for row in rows.iter().filter(|row| row.wanted_id != row.variant_id) {
        contents.insert(row.wanted_id, row.variant_id, row.each);
    }
    Ok(Levels::new(rows.into_iter().map(LevelRow::into_level)).with(contents))
}

/// What the parts of orders were made from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Assumed {
    /// That only one location serves orders. Bundles among them are still to be taken apart.
    One,
    /// What the locations have, and what bundles consist of.
    Any,
}

struct Taken {
    claimed: HashSet<Uuid>,
    are_several: bool,
}

impl Taken {
    fn attempts(&self, wanted: &[Wanted]) -> Vec<Attempt> {
        let attempt = |one: &Wanted| Attempt {
            is_made: self.claimed.contains(&one.id),
            are_several: self.are_several,
        };
        wanted.iter().map(attempt).collect()
    }
}

/// Sets the parts of many orders aside: each gets all of its parts or nothing. An order gets nothing where a location has
/// not enough for all orders together, where a reservation of its id exists, or where what was assumed does not hold.
/// Tells of variants that run low or out, in the same transaction. A bundle is its components from the first step on; one
/// that is edited at this moment is what it was before or what it is after.
fn take(connection: &mut PgConnection, orders: &[(&Wanted, &[Part])], assumed: Assumed) -> QueryResult<Taken> {
    // `held` waits for whoever has a row, and sees what they left: all rows of a variant that count in its sum, so that
    // it crosses a line once. It sees that of the rows of stock alone: `stock.oversell` is what terms that were lowered
    // meanwhile have left. NOT IN is looked up in a table, however many orders and lines there are. `claimed` reads
    // `held` to its end, everything after reads `claimed`: that is what puts the steps in order.
    const SQL: &str = "WITH part AS MATERIALIZED ( \
            SELECT wanted.reservation_id, coalesce(part.component_id, wanted.variant_id) AS variant_id, \
                wanted.location_id, sum(wanted.quantity * coalesce(part.quantity, 1))::bigint AS quantity \
            FROM unnest(?, ?, ?, ?) AS wanted (reservation_id, variant_id, location_id, quantity) \
            LEFT JOIN @.bundle_parts AS part ON part.bundle_id = wanted.variant_id AND NOT ? \
            GROUP BY 1, 2, 3 \
        ), held AS MATERIALIZED ( \
            SELECT stock.variant_id, stock.location_id, variant.product_id, variant.low_stock_threshold, terms.oversell, \
                stock.on_hand - stock.reserved AS available, \
                CASE WHEN variant.deleted_at IS NULL AND product.deleted_at IS NULL AND product.status = 'active' \
                THEN stock.on_hand - stock.reserved \
                    + CASE WHEN stock.location_id = ? THEN least(terms.oversell, stock.oversell) ELSE 0 END \
                ELSE 0 END AS sellable \
            FROM @.stock AS stock JOIN @.variants AS variant ON variant.id = stock.variant_id \
            JOIN @.products AS product ON product.id = variant.product_id \
            CROSS JOIN LATERAL (SELECT @.oversell_limit(variant.backorder_limit, variant.preorder_until, \
                variant.preorder_limit, ?) AS oversell) AS terms \
            WHERE stock.variant_id = ANY (ARRAY (SELECT DISTINCT variant_id FROM part)) \
            AND stock.location_id = ANY (ARRAY (SELECT id FROM @.locations WHERE sells)) \
            ORDER BY stock.variant_id, stock.location_id FOR UPDATE OF stock \
        ), enough AS ( \
            SELECT held.variant_id, held.location_id FROM held JOIN part USING (variant_id, location_id) \
            GROUP BY held.variant_id, held.location_id, held.sellable HAVING sum(part.quantity) <= held.sellable \
        ), claimed AS ( \
            INSERT INTO @.reservations (id, state, created_at, updated_at) \
            SELECT wanted.id, 'reserved', wanted.now, wanted.now FROM unnest(?, ?) AS wanted (id, now) \
            WHERE (SELECT count(*) FROM held) >= 0 AND (? OR (SELECT count(*) FROM @.locations WHERE sells) = 1) \
            AND wanted.id NOT IN (SELECT reservation_id FROM part \
                WHERE (variant_id, location_id) NOT IN (SELECT variant_id, location_id FROM enough)) \
            ORDER BY wanted.id ON CONFLICT DO NOTHING RETURNING id \
        ), total AS MATERIALIZED ( \
            SELECT part.variant_id, part.location_id, sum(part.quantity)::bigint AS quantity \
            FROM part JOIN claimed ON claimed.id = part.reservation_id GROUP BY part.variant_id, part.location_id \
        ), taken AS ( \
            UPDATE @.stock AS stock SET reserved = stock.reserved + total.quantity FROM total \
            WHERE stock.variant_id = total.variant_id AND stock.location_id = total.location_id \
            RETURNING stock.variant_id \
        ), listed AS ( \
            INSERT INTO @.reservation_lines (reservation_id, variant_id, location_id, quantity) \
            SELECT part.reservation_id, part.variant_id, part.location_id, part.quantity \
            FROM part JOIN claimed ON claimed.id = part.reservation_id RETURNING variant_id \
        ), change AS ( \
            SELECT held.variant_id, held.product_id, held.low_stock_threshold, held.oversell, \
                sum(held.available)::bigint AS before, \
                (sum(held.available) - sum(coalesce(total.quantity, 0)))::bigint AS after \
            FROM held LEFT JOIN total USING (variant_id, location_id) \
            GROUP BY held.variant_id, held.product_id, held.low_stock_threshold, held.oversell \
        ), told AS ( \
            INSERT INTO @.outbox (id, type, subject, time, data) \
            SELECT gen_random_uuid(), event.type, event.subject, ?, event.data FROM change \
            CROSS JOIN LATERAL @.stock_events(change.variant_id, change.product_id, change.low_stock_threshold, \
                change.oversell, change.before, change.after) AS event RETURNING id \
        ) \
        SELECT ARRAY (SELECT id FROM claimed) AS claimed, \
            (SELECT count(*) FROM @.locations WHERE sells) > 1 AS are_several";
    let (mut ids, mut variants, mut places, mut quantities) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // An order that asks twice at the same moment is one order.
    let mut seen = HashSet::new();
    for (wanted, parts) in orders.iter().filter(|(wanted, _)| seen.insert(wanted.id)) {
        for part in *parts {
            ids.push(wanted.id);
            variants.push(part.variant);
            places.push(part.location);
            quantities.push(part.quantity);
        }
    }
    let now = orders.iter().map(|(one, _)| one.now).max().unwrap_or_default();
    let binds = [
        Bind::Uuids(ids),
        Bind::Uuids(variants),
        Bind::Uuids(places),
        Bind::BigInts(quantities),
        Bind::Bool(assumed == Assumed::Any),
        Bind::Uuid(DEFAULT_LOCATION),
        Bind::Time(now),
        Bind::Uuids(orders.iter().map(|(one, _)| one.id).collect()),
        Bind::Times(orders.iter().map(|(one, _)| one.now).collect()),
        Bind::Bool(assumed == Assumed::Any),
        Bind::Time(now),
    ];
    let row: TakenRow = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(Taken {
        claimed: row.claimed.into_iter().collect(),
        are_several: row.are_several,
    })
}

#[derive(QueryableByName)]
struct LevelRow {
    /// The bundle that the variant is a component of, or the variant itself.
    #[diesel(sql_type = SqlUuid)]
    wanted_id: Uuid,
    /// How many of the variant are in one of those.
    #[diesel(sql_type = BigInt)]
    each: i64,
    #[diesel(sql_type = SqlUuid)]
    variant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    location_id: Uuid,
    #[diesel(sql_type = BigInt)]
    sellable: i64,
}

impl LevelRow {
    fn into_level(self) -> Level {
        Level {
            variant: self.variant_id,
            location: self.location_id,
            sellable: self.sellable,
        }
    }
}

#[derive(QueryableByName)]
struct TakenRow {
    #[diesel(sql_type = Array<SqlUuid>)]
    claimed: Vec<Uuid>,
    #[diesel(sql_type = Bool)]
    are_several: bool,
}
