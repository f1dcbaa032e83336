//! What comes back of an order that was sold. The stock's rows are held first, in key order, and the reservation after them,
//! as everywhere.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Uuid as SqlUuid};
use uuid::Uuid;

use crate::domain::SCHEMA;
use crate::domain::allocation::Part;
use crate::domain::restock::Sold;

/// The variants that a reservation has lines of.
pub(crate) fn variants(connection: &mut PgConnection, reservation: Uuid) -> QueryResult<Vec<Uuid>> {
    const SQL: &str = "SELECT DISTINCT variant_id AS id FROM @.reservation_lines WHERE reservation_id = ?";
    let rows: Vec<IdRow> = Statement::new(SCHEMA, SQL, [Bind::Uuid(reservation)]).load(connection)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The components of those of `variants` that are bundles: bundle, component, and how many are in one.
pub(crate) fn components(connection: &mut PgConnection, variants: Vec<Uuid>) -> QueryResult<Vec<(Uuid, Uuid, i64)>> {
    const SQL: &str = "SELECT bundle_id, component_id, quantity FROM @.bundle_components WHERE bundle_id = ANY (?)";
    let rows: Vec<ComponentRow> = Statement::new(SCHEMA, SQL, [Bind::Uuids(variants)]).load(connection)?;
    let component = |row: ComponentRow| (row.bundle_id, row.component_id, row.quantity);
    Ok(rows.into_iter().map(component).collect())
}

/// The state of a reservation, held for the rest of the transaction.
pub(crate) fn hold(connection: &mut PgConnection, reservation: Uuid) -> QueryResult<Option<String>> {
    const SQL: &str = "SELECT state FROM @.reservations WHERE id = ? FOR UPDATE";
    let row: Option<StateRow> = Statement::new(SCHEMA, SQL, [Bind::Uuid(reservation)])
        .load(connection)?
        .pop();
    Ok(row.map(|row| row.state))
}

/// What a reservation has taken, and how much of that has come back.
pub(crate) fn sold(connection: &mut PgConnection, reservation: Uuid) -> QueryResult<Vec<Sold>> {
    const SQL: &str = "SELECT variant_id, location_id, quantity, returned FROM @.reservation_lines \
        WHERE reservation_id = ? ORDER BY variant_id, location_id";
    let rows: Vec<SoldRow> = Statement::new(SCHEMA, SQL, [Bind::Uuid(reservation)]).load(connection)?;
    let sold = |row: SoldRow| Sold {
        variant: row.variant_id,
        location: row.location_id,
        quantity: row.quantity,
        returned: row.returned,
    };
    Ok(rows.into_iter().map(sold).collect())
}

/// Notes that something comes back; false where that was noted before.
pub(crate) fn note(
    connection: &mut PgConnection,
    id: Uuid,
    reservation: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    const SQL: &str = "INSERT INTO @.restocks (id, reservation_id, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
    let binds = [Bind::Uuid(id), Bind::Uuid(reservation), Bind::Time(now)];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// Puts parts back where they were taken from, and tells of variants that can be had again. The stock is held.
pub(crate) fn put_back(
    connection: &mut PgConnection,
    id: Uuid,
    reservation: Uuid,
    parts: &[Part],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    const SQL: &str = "WITH part AS MATERIALIZED ( \
            SELECT * FROM unnest(?, ?, ?) AS part (variant_id, location_id, quantity) \
        ), level AS MATERIALIZED ( \
            SELECT stock.variant_id, variant.product_id, variant.low_stock_threshold, \
                @.oversell_limit(variant.backorder_limit, variant.preorder_until, variant.preorder_limit, ?) AS oversell, \
                coalesce(sum(stock.on_hand - stock.reserved) FILTER (WHERE location.sells), 0)::bigint AS before, \
                coalesce(sum(part.quantity) FILTER (WHERE location.sells), 0)::bigint AS more \
            FROM @.stock AS stock JOIN @.locations AS location ON location.id = stock.location_id \
            JOIN @.variants AS variant ON variant.id = stock.variant_id \
            LEFT JOIN part ON part.variant_id = stock.variant_id AND part.location_id = stock.location_id \
            WHERE stock.variant_id IN (SELECT variant_id FROM part) GROUP BY stock.variant_id, variant.id \
        ), marked AS ( \
            UPDATE @.reservation_lines AS line SET returned = line.returned + part.quantity FROM part \
            WHERE line.reservation_id = ? AND line.variant_id = part.variant_id AND line.location_id = part.location_id \
        ), returned AS ( \
            UPDATE @.stock AS stock SET on_hand = stock.on_hand + part.quantity FROM part \
            WHERE stock.variant_id = part.variant_id AND stock.location_id = part.location_id \
        ), written AS ( \
            INSERT INTO @.stock_movements \
                (variant_id, location_id, kind, delta, reason, actor, reservation_id, restock_id, created_at) \
            SELECT variant_id, location_id, 'restock', quantity, 'returned', 'order', ?, ?, ? FROM part \
        ) \
        INSERT INTO @.outbox (id, type, subject, time, data) \
        SELECT gen_random_uuid(), event.type, event.subject, ?, event.data FROM level \
        CROSS JOIN LATERAL @.stock_events(level.variant_id, level.product_id, level.low_stock_threshold, \
            level.oversell, level.before, level.before + level.more) AS event";
    let binds = [
        Bind::Uuids(parts.iter().map(|part| part.variant).collect()),
        Bind::Uuids(parts.iter().map(|part| part.location).collect()),
        Bind::BigInts(parts.iter().map(|part| part.quantity).collect()),
        Bind::Time(now),
        Bind::Uuid(reservation),
        Bind::Uuid(reservation),
        Bind::Uuid(id),
        Bind::Time(now),
        Bind::Time(now),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

#[derive(QueryableByName)]
struct StateRow {
    #[diesel(sql_type = Text)]
    state: String,
}

#[derive(QueryableByName)]
struct ComponentRow {
    #[diesel(sql_type = SqlUuid)]
    bundle_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    component_id: Uuid,
    #[diesel(sql_type = BigInt)]
    quantity: i64,
}

#[derive(QueryableByName)]
struct SoldRow {
    #[diesel(sql_type = SqlUuid)]
    variant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    location_id: Uuid,
    #[diesel(sql_type = BigInt)]
    quantity: i64,
    #[diesel(sql_type = BigInt)]
    returned: i64,
}
