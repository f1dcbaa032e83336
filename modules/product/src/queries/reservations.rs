//! Reservations: stock that orders have set aside, taken or given back. Each step is one statement, and so one
//! transaction by itself. All of them lock the stock's rows first, in key order, and the reservation after them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Uuid as SqlUuid};
use kernel::id::ReservationId;
use product_api::{Reservation, ReservationState, Shortage};
use uuid::Uuid;

use super::select::Select;
use crate::domain::SCHEMA;

/// What became of an attempt to reserve.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// The stock is set aside.
    Made,
    /// Nothing was changed: there is too little of these, or a reservation of this id exists.
    Refused(Vec<Shortage>),
}

/// What an order wants to have set aside.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) id: Uuid,
    /// How many of each variant.
    pub(crate) demands: BTreeMap<Uuid, i64>,
    pub(crate) now: DateTime<Utc>,
}

/// Sets stock aside for many orders by one statement. True for those that got all they want; false where there is not
/// enough of a variant for all of them together, or a reservation of this id exists: those ask again by themselves.
pub(crate) fn reserve_all(connection: &mut PgConnection, wanted: &[Wanted]) -> QueryResult<Vec<bool>> {
    // `held` waits for whoever has a row, and sees what they left. `claimed` reads `held` to its end, `taken` and
    // `listed` read `claimed`: that is what puts the steps in order.
    const SQL: &str = "WITH demand AS MATERIALIZED ( \
            SELECT * FROM unnest(?, ?, ?) AS demand (reservation_id, variant_id, quantity) \
        ), held AS MATERIALIZED ( \
            SELECT stock.variant_id, CASE WHEN variant.deleted_at IS NULL \
                AND product.deleted_at IS NULL AND product.status = 'active' \
                THEN stock.on_hand - stock.reserved ELSE 0 END AS available \
            FROM @.stock AS stock JOIN @.variants AS variant ON variant.id = stock.variant_id \
            JOIN @.products AS product ON product.id = variant.product_id \
            WHERE stock.variant_id = ANY (?) ORDER BY stock.variant_id FOR UPDATE OF stock \
        ), enough AS ( \
            SELECT held.variant_id FROM held JOIN demand USING (variant_id) \
            GROUP BY held.variant_id, held.available HAVING sum(demand.quantity) <= held.available \
        ), claimed AS ( \
            INSERT INTO @.reservations (id, state, created_at, updated_at) \
            SELECT wanted.id, 'reserved', wanted.now, wanted.now FROM unnest(?, ?) AS wanted (id, now) \
            WHERE wanted.id IN (SELECT demand.reservation_id FROM demand LEFT JOIN enough USING (variant_id) \
                GROUP BY demand.reservation_id HAVING bool_and(enough.variant_id IS NOT NULL)) \
            ORDER BY wanted.id ON CONFLICT DO NOTHING RETURNING id \
        ), taken AS ( \
            UPDATE @.stock AS stock SET reserved = stock.reserved + total.quantity \
            FROM (SELECT demand.variant_id, sum(demand.quantity)::bigint AS quantity \
                FROM demand JOIN claimed ON claimed.id = demand.reservation_id GROUP BY demand.variant_id) AS total \
            WHERE stock.variant_id = total.variant_id RETURNING stock.variant_id \
        ), listed AS ( \
            INSERT INTO @.reservation_lines (reservation_id, variant_id, quantity) \
            SELECT demand.reservation_id, demand.variant_id, demand.quantity \
            FROM demand JOIN claimed ON claimed.id = demand.reservation_id RETURNING variant_id \
        ) \
        SELECT id FROM claimed";
    let (mut ids, mut variants, mut quantities) = (Vec::new(), Vec::new(), Vec::new());
    for one in wanted {
        for (variant, quantity) in &one.demands {
            ids.push(one.id);
            variants.push(*variant);
            quantities.push(*quantity);
        }
    }
    let each: BTreeSet<Uuid> = variants.iter().copied().collect();
    let binds = [
        Bind::Uuids(ids),
        Bind::Uuids(variants),
        Bind::BigInts(quantities),
        Bind::Uuids(each.into_iter().collect()),
        Bind::Uuids(wanted.iter().map(|one| one.id).collect()),
        Bind::Times(wanted.iter().map(|one| one.now).collect()),
    ];
    let rows: Vec<IdRow> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    let claimed: HashSet<Uuid> = rows.into_iter().map(|row| row.id).collect();
    Ok(wanted.iter().map(|one| claimed.contains(&one.id)).collect())
}

/// Sets stock aside for one order: all that it wants or nothing, and says what there is too little of.
pub(crate) fn reserve(connection: &mut PgConnection, wanted: &Wanted) -> QueryResult<Reserved> {
    // `held` waits for whoever has a row, and sees what they left. `claimed` reads `held` to its end, `taken` and
    // `listed` read `claimed`: that is what puts the steps in order.
    const SQL: &str = "WITH demand AS ( \
            SELECT * FROM unnest(?, ?) AS demand (variant_id, quantity) \
        ), held AS MATERIALIZED ( \
            SELECT demand.variant_id, demand.quantity, CASE WHEN variant.deleted_at IS NULL \
                AND product.deleted_at IS NULL AND product.status = 'active' \
                THEN stock.on_hand - stock.reserved ELSE 0 END AS available \
            FROM demand JOIN @.stock AS stock ON stock.variant_id = demand.variant_id \
            JOIN @.variants AS variant ON variant.id = demand.variant_id \
            JOIN @.products AS product ON product.id = variant.product_id \
            ORDER BY stock.variant_id FOR UPDATE OF stock \
        ), claimed AS ( \
            INSERT INTO @.reservations (id, state, created_at, updated_at) SELECT ?, 'reserved', ?, ? \
            WHERE (SELECT count(*) FROM held WHERE held.available >= held.quantity) = (SELECT count(*) FROM demand) \
            ON CONFLICT DO NOTHING RETURNING id \
        ), taken AS ( \
            UPDATE @.stock AS stock SET reserved = stock.reserved + held.quantity FROM held, claimed \
            WHERE stock.variant_id = held.variant_id RETURNING stock.variant_id \
        ), listed AS ( \
            INSERT INTO @.reservation_lines (reservation_id, variant_id, quantity) \
            SELECT claimed.id, held.variant_id, held.quantity FROM held, claimed RETURNING variant_id \
        ) \
        SELECT demand.variant_id, demand.quantity AS requested, coalesce(held.available, 0) AS available, \
            EXISTS (SELECT FROM claimed) AS claimed \
        FROM demand LEFT JOIN held USING (variant_id) \
        UNION ALL SELECT NULL, 0, 0, EXISTS (SELECT FROM claimed)";
    let (variants, quantities) = wanted
        .demands
        .iter()
        .map(|(variant, quantity)| (*variant, *quantity))
        .unzip();
    let binds = [
        Bind::Uuids(variants),
        Bind::BigInts(quantities),
        Bind::Uuid(wanted.id),
        Bind::Time(wanted.now),
        Bind::Time(wanted.now),
    ];
    let rows: Vec<DemandRow> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    if rows.iter().any(|row| row.claimed) {
        return Ok(Reserved::Made);
    }
    let short = rows.into_iter().filter(|row| row.available < row.requested);
    Ok(Reserved::Refused(short.filter_map(DemandRow::into_shortage).collect()))
}

/// Turns what is set aside into sales. Answers the reservations that are sold, now or before.
pub(crate) fn commit(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<ReservationId>> {
    // Several reservations may hold the same stock, which an UPDATE changes once: their lines are summed first.
    const SQL: &str = "WITH line AS ( \
            SELECT reservation_id, variant_id, quantity FROM @.reservation_lines WHERE reservation_id = ANY (?) \
        ), held AS MATERIALIZED ( \
            SELECT variant_id FROM @.stock WHERE variant_id IN (SELECT variant_id FROM line) \
            ORDER BY variant_id FOR UPDATE \
        ), before AS MATERIALIZED ( \
            SELECT id, state FROM @.reservations WHERE id = ANY (?) AND (SELECT count(*) FROM held) >= 0 \
            ORDER BY id FOR UPDATE \
        ), committed AS ( \
            UPDATE @.reservations AS reservation SET state = 'committed', updated_at = ? FROM before \
            WHERE reservation.id = before.id AND before.state = 'reserved' RETURNING reservation.id \
        ), sold AS ( \
            UPDATE @.stock AS stock SET on_hand = stock.on_hand - total.quantity, \
                reserved = stock.reserved - total.quantity \
            FROM (SELECT line.variant_id, sum(line.quantity)::bigint AS quantity \
                FROM line JOIN committed ON committed.id = line.reservation_id GROUP BY line.variant_id) AS total \
            WHERE stock.variant_id = total.variant_id RETURNING stock.variant_id \
        ), written AS ( \
            INSERT INTO @.stock_movements (variant_id, kind, delta, reason, actor, reservation_id, created_at) \
            SELECT line.variant_id, 'sale', -line.quantity, 'sold', 'order', committed.id, ? \
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
    const SQL: &str = "WITH held AS MATERIALIZED ( \
            SELECT line.variant_id, line.quantity FROM @.reservation_lines AS line \
            JOIN @.stock AS stock ON stock.variant_id = line.variant_id WHERE line.reservation_id = ? \
            ORDER BY line.variant_id FOR UPDATE OF stock \
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
            FROM held, released WHERE stock.variant_id = held.variant_id RETURNING stock.variant_id \
        ), written AS ( \
            INSERT INTO @.stock_movements (variant_id, kind, delta, reason, actor, reservation_id, created_at) \
            SELECT held.variant_id, 'restock', held.quantity, 'order cancelled', 'order', released.id, ? \
            FROM held, released WHERE released.state = 'committed' RETURNING variant_id \
        ) \
        SELECT coalesce((SELECT state FROM before), (SELECT 'forbidden' FROM forbidden)) AS before";
    let [again, time] = [Bind::Uuid(id), Bind::Time(now)];
    let binds = [
        again.clone(),
        again.clone(),
        time.clone(),
        again,
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
struct DemandRow {
    /// Empty for the last row, which is there for a reservation without lines.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    variant_id: Option<Uuid>,
    #[diesel(sql_type = BigInt)]
    requested: i64,
    #[diesel(sql_type = BigInt)]
    available: i64,
    #[diesel(sql_type = Bool)]
    claimed: bool,
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

impl DemandRow {
    fn into_shortage(self) -> Option<Shortage> {
        Some(Shortage {
            variant_id: self.variant_id?.into(),
            requested: self.requested,
            available: self.available,
        })
    }
}
