//! What an order still has to tell stock: goods that go back, and what was set aside for it beside what it was placed with.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::id::{OrderId, ReservationId, RestockId, VariantId};
use uuid::Uuid;

use super::SCHEMA;
use super::placing::milliseconds;
use crate::schema::{extra_reservations, restocks};

/// Goods that go back into stock.
#[derive(Clone, Debug)]
pub(crate) struct Restock {
    pub(crate) id: RestockId,
    /// The reservation that they were sold under.
    pub(crate) reservation: ReservationId,
    /// What, and how many.
    pub(crate) goods: Vec<(VariantId, i64)>,
}

impl Restock {
    /// Goods by the reservation that they were sold under: `own` where nothing else is said.
    pub(crate) fn by_reservation(
        own: ReservationId,
        goods: impl IntoIterator<Item = (Option<ReservationId>, VariantId, i64)>,
    ) -> Vec<Self> {
        let mut restocks: Vec<Self> = Vec::new();
        for (reservation, variant, count) in goods {
            let reservation = reservation.unwrap_or(own);
            match restocks.iter_mut().find(|restock| restock.reservation == reservation) {
                Some(restock) => restock.goods.push((variant, count)),
                None => restocks.push(Self {
                    id: RestockId::generate(),
                    reservation,
                    goods: vec![(variant, count)],
                }),
            }
        }
        restocks
    }
}

/// Writes down that goods go back.
pub(crate) fn insert_restock(
    connection: &mut PgConnection,
    order: OrderId,
    restock: &Restock,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let (variants, quantities): (Vec<Uuid>, Vec<i64>) = restock
        .goods
        .iter()
        .map(|(variant, count)| (variant.uuid(), *count))
        .unzip();
    let row = (
        restocks::id.eq(restock.id.uuid()),
        restocks::order_id.eq(order.uuid()),
        restocks::reservation_id.eq(restock.reservation.uuid()),
        restocks::variant_ids.eq(variants),
        restocks::quantities.eq(quantities),
        restocks::created_at.eq(now),
    );
    diesel::insert_into(restocks::table)
        .values(row)
        .execute(connection)
        .map(drop)
}

/// What stock has not heard of yet of an order's goods that go back.
pub(crate) fn untold_restocks(connection: &mut PgConnection, order: OrderId) -> QueryResult<Vec<Restock>> {
    let rows: Vec<(Uuid, Uuid, Vec<Uuid>, Vec<i64>)> = restocks::table
        .filter(restocks::order_id.eq(order.uuid()))
        .filter(restocks::told.eq(false))
        .order(restocks::id)
        .select((
            restocks::id,
            restocks::reservation_id,
            restocks::variant_ids,
            restocks::quantities,
        ))
        .load(connection)?;
    let restock = |(id, reservation, variants, quantities): (Uuid, Uuid, Vec<Uuid>, Vec<i64>)| Restock {
        id: id.into(),
        reservation: reservation.into(),
        goods: variants.into_iter().map(VariantId::from).zip(quantities).collect(),
    };
    Ok(rows.into_iter().map(restock).collect())
}

/// Stock has heard of it.
pub(crate) fn end_restock(connection: &mut PgConnection, id: RestockId) -> QueryResult<()> {
    diesel::update(restocks::table.find(id.uuid()))
        .set(restocks::told.eq(true))
        .execute(connection)
        .map(drop)
}

/// Writes down that stock is about to be asked for more, by this process.
pub(crate) fn ask(
    connection: &mut PgConnection,
    order: OrderId,
    reservation: ReservationId,
    lease: Duration,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.extra_reservations (id, order_id, state, leased_until, created_at) \
        VALUES (?, ?, 'asked', clock_timestamp() + ? * interval '1 millisecond', ?) ON CONFLICT DO NOTHING";
    let binds = [
        Bind::Uuid(reservation.uuid()),
        Bind::Uuid(order.uuid()),
        Bind::BigInt(milliseconds(lease)),
        Bind::Time(now),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// The order keeps what was asked for; false where it was given up meanwhile.
pub(crate) fn keep(connection: &mut PgConnection, reservation: ReservationId) -> QueryResult<bool> {
    let kept = diesel::update(extra_reservations::table.find(reservation.uuid()))
        .filter(extra_reservations::state.eq("asked"))
        .set(extra_reservations::state.eq("kept"))
        .execute(connection)?;
    Ok(kept == 1)
}

/// The order does without what was asked for; true where it had not kept it.
pub(crate) fn give_up(connection: &mut PgConnection, reservation: ReservationId) -> QueryResult<bool> {
    let given_up = diesel::update(extra_reservations::table.find(reservation.uuid()))
        .filter(extra_reservations::state.eq("asked"))
        .set(extra_reservations::state.eq("given_up"))
        .execute(connection)?;
    Ok(given_up == 1)
}

/// Gives up what somebody asked for who has died since; answers the orders that it was for.
pub(crate) fn give_up_dead(connection: &mut PgConnection, limit: i64) -> QueryResult<Vec<OrderId>> {
    const SQL: &str = "UPDATE @.extra_reservations AS given_up SET state = 'given_up' \
        FROM (SELECT id FROM @.extra_reservations WHERE state = 'asked' AND leased_until < clock_timestamp() \
              ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED) AS dead \
        WHERE given_up.id = dead.id RETURNING given_up.order_id AS id";
    let rows: Vec<IdRow> = Statement::new(SCHEMA, SQL, [Bind::BigInt(limit)]).load(connection)?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

/// What stock has not heard of yet of an order's further reservations: each with whether the order keeps it.
pub(crate) fn untold_reservations(
    connection: &mut PgConnection,
    order: OrderId,
) -> QueryResult<Vec<(ReservationId, bool)>> {
    let rows: Vec<(Uuid, String)> = extra_reservations::table
        .filter(extra_reservations::order_id.eq(order.uuid()))
        .filter(extra_reservations::state.ne("asked"))
        .filter(extra_reservations::told.eq(false))
        .order(extra_reservations::id)
        .select((extra_reservations::id, extra_reservations::state))
        .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|(id, state)| (id.into(), state == "kept"))
        .collect())
}

/// All that an order keeps beside what it was placed with.
pub(crate) fn kept(connection: &mut PgConnection, order: OrderId) -> QueryResult<Vec<ReservationId>> {
    let rows: Vec<Uuid> = extra_reservations::table
        .filter(extra_reservations::order_id.eq(order.uuid()))
        .filter(extra_reservations::state.eq("kept"))
        .order(extra_reservations::id)
        .select(extra_reservations::id)
        .load(connection)?;
    Ok(rows.into_iter().map(ReservationId::from).collect())
}

/// The orders of further reservations, where they are such.
pub(crate) fn owners(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> QueryResult<Vec<(ReservationId, OrderId, String)>> {
    let rows: Vec<(Uuid, Uuid, String)> = extra_reservations::table
        .filter(extra_reservations::id.eq_any(ids))
        .select((
            extra_reservations::id,
            extra_reservations::order_id,
            extra_reservations::state,
        ))
        .load(connection)?;
    let owner = |(id, order, state): (Uuid, Uuid, String)| (id.into(), order.into(), state);
    Ok(rows.into_iter().map(owner).collect())
}

/// Stock has heard of it.
pub(crate) fn end_reservation(connection: &mut PgConnection, reservation: ReservationId) -> QueryResult<()> {
    diesel::update(extra_reservations::table.find(reservation.uuid()))
        .set(extra_reservations::told.eq(true))
        .execute(connection)
        .map(drop)
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
}
