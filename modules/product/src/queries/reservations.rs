//! What becomes of stock that is set aside: taken or given back. Each step is one statement, and so one transaction by
//! itself. All of them lock the stock's rows first, in key order, and the reservation after them.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use kernel::id::ReservationId;
use product_api::{Reservation, ReservationState};
use uuid::Uuid;

use super::select::Select;
use crate::domain::SCHEMA;

/// Turns what is set aside into sales. Answers the reservations that are sold, now or before.
pub(crate) fn commit(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<ReservationId>> {
    // Several reservations may hold the same stock, which an UPDATE changes once: their lines are summed first.
    const SQL: &str = "WITH line AS ( \
            SELECT reservation_id, variant_id, location_id, quantity FROM @.reservation_lines \
            WHERE reservation_id = ANY (?) \
        ), held AS MATERIALIZED ( \
            SELECT variant_id FROM @.stock \
            WHERE (variant_id, location_id) IN (SELECT variant_id, location_id FROM line) \
            ORDER BY variant_id, location_id FOR UPDATE \
        ), before AS MATERIALIZED ( \
            SELECT id, state FROM @.reservations WHERE id = ANY (?) AND (SELECT count(*) FROM held) >= 0 \
            ORDER BY id FOR UPDATE \
        ), committed AS ( \
            UPDATE @.reservations AS reservation SET state = 'committed', updated_at = ? FROM before \
            WHERE reservation.id = before.id AND before.state = 'reserved' RETURNING reservation.id \
        ), sold AS ( \
            UPDATE @.stock AS stock SET on_hand = stock.on_hand - total.quantity, \
                reserved = stock.reserved - total.quantity \
            FROM (SELECT line.variant_id, line.location_id, sum(line.quantity)::bigint AS quantity \
                FROM line JOIN committed ON committed.id = line.reservation_id \
                GROUP BY line.variant_id, line.location_id) AS total \
            WHERE stock.variant_id = total.variant_id AND stock.location_id = total.location_id \
            RETURNING stock.variant_id \
        ), written AS ( \
            INSERT INTO @.stock_movements \
                (variant_id, location_id, kind, delta, reason, actor, reservation_id, created_at) \
            SELECT line.variant_id, line.location_id, 'sale', -line.quantity, 'sold', 'order', committed.id, ? \
            FROM line JOIN committed ON committed.id = line.reservation_id RETURNING variant_id \
        ) \
        SELECT id FROM before WHERE state IN ('reserved', 'committed')";
    let binds = [
        Bind::Uuids(ids.clone()),
        Bind::Uuids(ids),
        Bind::Time(now),
        Bind::Time(now),
    ];
    let rows: Vec<IdRow> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

/// Gives back what a reservation holds or has taken, or forbids one that does not exist. False where another transaction
/// made the reservation at this very moment: then try again.
pub(crate) fn release(connection: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> QueryResult<bool> {
    // Nothing is taken away from anybody, but all rows that count in a variant's sum are held, so that it crosses a line
    // once.
    const SQL: &str = "WITH line AS MATERIALIZED ( \
            SELECT variant_id, location_id, quantity - returned AS quantity FROM @.reservation_lines \
            WHERE reservation_id = ? AND quantity > returned \
        ), held AS MATERIALIZED ( \
            SELECT stock.variant_id, stock.location_id, variant.product_id, variant.low_stock_threshold, location.sells, \
                stock.on_hand - stock.reserved AS available, line.quantity, @.oversell_limit(variant.backorder_limit, \
                    variant.preorder_until, variant.preorder_limit, ?) AS oversell \
            FROM @.stock AS stock JOIN @.locations AS location ON location.id = stock.location_id \
            JOIN @.variants AS variant ON variant.id = stock.variant_id \
            LEFT JOIN line ON line.variant_id = stock.variant_id AND line.location_id = stock.location_id \
            WHERE stock.variant_id IN (SELECT variant_id FROM line) \
            ORDER BY stock.variant_id, stock.location_id FOR UPDATE OF stock \
        ), before AS MATERIALIZED ( \
            SELECT id, state FROM @.reservations WHERE id = ? AND (SELECT count(*) FROM held) >= 0 FOR UPDATE \
        ), released AS ( \
            UPDATE @.reservations AS reservation SET state = 'released', updated_at = ? FROM before \
            WHERE reservation.id = before.id AND before.state <> 'released' RETURNING reservation.id, before.state \
        ), forbidden AS ( \
            INSERT INTO @.reservations (id, state, created_at, updated_at) SELECT ?, 'released', ?, ? \
            WHERE NOT EXISTS (SELECT FROM before) ON CONFLICT DO NOTHING RETURNING id \
        ), returned AS ( \
            UPDATE @.stock AS stock SET \
                reserved = stock.reserved - CASE released.state WHEN 'reserved' THEN held.quantity ELSE 0 END, \
                on_hand = stock.on_hand + CASE released.state WHEN 'committed' THEN held.quantity ELSE 0 END \
            FROM held, released WHERE held.quantity IS NOT NULL \
            AND stock.variant_id = held.variant_id AND stock.location_id = held.location_id RETURNING stock.variant_id \
        ), written AS ( \
            INSERT INTO @.stock_movements \
                (variant_id, location_id, kind, delta, reason, actor, reservation_id, created_at) \
            SELECT held.variant_id, held.location_id, 'restock', held.quantity, 'order cancelled', 'order', released.id, ? \
            FROM held, released WHERE held.quantity IS NOT NULL AND released.state = 'committed' RETURNING variant_id \
        ), change AS ( \
            SELECT held.variant_id, held.product_id, held.low_stock_threshold, held.oversell, \
                coalesce(sum(held.available) FILTER (WHERE held.sells), 0)::bigint AS before, \
                coalesce(sum(held.available + coalesce(held.quantity, 0)) FILTER (WHERE held.sells), 0)::bigint AS after \
            FROM held, released GROUP BY held.variant_id, held.product_id, held.low_stock_threshold, held.oversell \
        ), told AS ( \
            INSERT INTO @.outbox (id, type, subject, time, data) \
            SELECT gen_random_uuid(), event.type, event.subject, ?, event.data FROM change \
            CROSS JOIN LATERAL @.stock_events(change.variant_id, change.product_id, change.low_stock_threshold, \
                change.oversell, change.before, change.after) AS event RETURNING id \
        ) \
        SELECT coalesce((SELECT state FROM before), (SELECT 'forbidden' FROM forbidden)) AS before";
    let [again, time] = [Bind::Uuid(id), Bind::Time(now)];
    let binds = [
        again.clone(),
        time.clone(),
        again.clone(),
        time.clone(),
        again,
        time.clone(),
        time.clone(),
        time.clone(),
        time,
    ];
    let row: StateRow = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(row.before.is_some())
}

/// The state of a reservation.
pub(crate) fn state(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<String>> {
    let mut select = Select::<Text>::new("SELECT state FROM products.reservations WHERE id = ");
    select.bind(Bind::Uuid(id));
    select.get_result(connection).optional()
}

/// The reservations that hold or have taken stock, after `after`.
pub(crate) fn live(connection: &mut PgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<Reservation>> {
    let mut select = Select::<(SqlUuid, Text)>::new(
        "SELECT id, state FROM products.reservations WHERE state <> 'released' AND id > ",
    );
    select
        .bind(Bind::Uuid(after))
        .text(" ORDER BY id LIMIT ")
        .bind(Bind::BigInt(limit));
    let rows: Vec<(Uuid, String)> = select.load(connection)?;
    let reservation = |(id, state): (Uuid, String)| Reservation {
        id: id.into(),
        state: match state.as_str() {
            "reserved" => ReservationState::Reserved,
            _ => ReservationState::Committed,
        },
    };
    Ok(rows.into_iter().map(reservation).collect())
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

#[derive(QueryableByName)]
struct StateRow {
    #[diesel(sql_type = Nullable<Text>)]
    before: Option<String>,
}
