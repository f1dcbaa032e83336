//! The hot path: placing an order. Each step is one statement of constant text, and commits by itself.

use std::time::Duration;

use cart_api::FrozenCart;
use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use kernel::Money;
use kernel::event::Event;
use kernel::http::Call;
use kernel::http::idempotency::Stored;
use kernel::id::{LineId, OrderId};
use serde_json::Value;

use super::SCHEMA;
use crate::domain::payment::Payment;
use crate::domain::{Line, Order, Status};

/// Claims `call` and inserts `order` as `placing`, both or neither; the order's number, or `None` where the key is taken.
pub(crate) fn begin(
    connection: &mut PgConnection,
    call: &Call,
    order: &Order,
    lease: Duration,
) -> QueryResult<Option<String>> {
    const SQL: &str = "WITH claimed AS ( \
            INSERT INTO @.idempotency_keys (scope, operation, key, fingerprint, subject, leased_until, created_at) \
            VALUES (?, ?, ?, ?, ?, clock_timestamp() + ? * interval '1 millisecond', ?) \
            ON CONFLICT DO NOTHING RETURNING subject, leased_until, created_at) \
        INSERT INTO @.orders (id, status, user_id, cart_id, reservation_id, leased_until, created_at, updated_at) \
        SELECT subject, 'placing', ?, ?, ?, leased_until, created_at, created_at FROM claimed \
        RETURNING number";
    let binds = [
        Bind::Text(call.scope.clone()),
        Bind::Text(call.operation.clone()),
        Bind::Text(call.key.clone()),
        Bind::Bytes(call.fingerprint.clone()),
        Bind::Uuid(order.id.uuid()),
        Bind::BigInt(milliseconds(lease)),
        Bind::Time(order.created_at),
        Bind::NullableUuid(order.user.map(Into::into)),
        Bind::Uuid(order.cart.uuid()),
        Bind::Uuid(order.reservation.uuid()),
    ];
    let row: Option<Numbered> = Statement::new(SCHEMA, SQL, binds).get_result(connection).optional()?;
    Ok(row.map(|row| row.number))
}

/// Takes over what is bought: lines, totals, the payment attempt if there is one to make, and the answer if the order is
/// `placed` with that. False where the order is no longer `placing`: somebody has given it up.
pub(crate) fn take_over(connection: &mut PgConnection, taken: &TakeOver<'_>) -> QueryResult<bool> {
    const SQL: &str = "WITH changed AS ( \
            UPDATE @.orders SET status = ?, version = version + 1, user_id = ?, currency = ?, email = ?, \
                subtotal = ?, discount = ?, shipping = ?, tax = ?, total = ?, gift_cards = ?, amount_due = ?, \
                shipping_address = ?, billing_address = ?, shipping_method = ?, effects_pending = ?, \
                leased_until = '-infinity', payment_due_at = ?, placed_at = ?, updated_at = ? \
            WHERE id = ? AND status = 'placing' AND version = ? RETURNING id, currency, updated_at), \
        line AS ( \
            INSERT INTO @.lines (id, order_id, position, variant_id, product_id, sku, title, variant_title, \
                quantity, unit_price, discount, tax, total) \
            SELECT line.id, changed.id, line.position, line.variant_id, line.product_id, line.sku, line.title, \
                line.variant_title, line.quantity, line.unit_price, line.discount, line.tax, line.total \
            FROM changed, unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WITH ORDINALITY AS \
                line (id, variant_id, product_id, sku, title, variant_title, quantity, unit_price, discount, tax, total, position)), \
        payment AS ( \
            INSERT INTO @.payments (id, order_id, provider, status, amount, currency, leased_until, created_at, updated_at) \
            SELECT payment.id, changed.id, payment.provider, payment.status, payment.amount, changed.currency, \
                clock_timestamp() + ? * interval '1 millisecond', changed.updated_at, changed.updated_at \
            FROM changed, unnest(?, ?, ?, ?) AS payment (id, provider, status, amount)), \
        entry AS ( \
            INSERT INTO @.timeline (order_id, at, kind, actor) \
            SELECT changed.id, changed.updated_at, entry.kind, 'customer' FROM changed, unnest(?) AS entry (kind)), \
        event AS ( \
            INSERT INTO @.outbox (id, type, subject, time, data) \
            SELECT event.id, event.type, event.subject, changed.updated_at, event.data::jsonb \
            FROM changed, unnest(?, ?, ?, ?) AS event (id, type, subject, data)), \
        answered AS ( \
            UPDATE @.idempotency_keys SET status = ?, body = ? \
            FROM changed WHERE scope = ? AND operation = ? AND key = ? AND ? > 0) \
        SELECT count(*) AS count FROM changed";
    let count: Count = Statement::new(SCHEMA, SQL, taken.binds()).get_result(connection)?;
    Ok(count.count == 1)
}

/// Everything that an order takes over in one statement.
pub(crate) struct TakeOver<'a> {
    pub(crate) order: &'a Order,
    pub(crate) cart: &'a FrozenCart,
    pub(crate) lines: &'a [Line],
    pub(crate) payment: Option<&'a Payment>,
    /// The answer to store, where the order is placed with this step.
    pub(crate) answer: Option<&'a Stored>,
    /// What to publish with it.
    pub(crate) event: Option<&'a Event>,
    pub(crate) timeline: Vec<&'static str>,
    pub(crate) call: &'a Call,
    pub(crate) lease: Duration,
}

impl TakeOver<'_> {
    fn binds(&self) -> Vec<Bind> {
        let Self {
            order,
            cart,
            lines,
            payment,
            ..
        } = self;
        let totals = &cart.totals;
        let lease = milliseconds(self.lease);
        let amount = |money: Money| Bind::BigInt(money.amount);
        let address = |address: &Option<kernel::address::Address>| {
            Bind::NullableJson(address.as_ref().and_then(|address| serde_json::to_value(address).ok()))
        };
        let amounts = |part: fn(&Line) -> Money| Bind::BigInts(lines.iter().map(|line| part(line).amount).collect());
        let payments: Vec<&Payment> = payment.iter().copied().collect();
        let events: Vec<&Event> = self.event.iter().copied().collect();
        let answer = self.answer.cloned().unwrap_or(Stored {
            status: 0,
            body: Value::Null,
        });
        vec![
            Bind::Text(order.status.name().to_owned()),
            Bind::NullableUuid(cart.user.map(Into::into)),
            Bind::Text(cart.currency.code().to_owned()),
            Bind::Text(cart.email.clone()),
            amount(totals.subtotal),
            amount(totals.discount),
            amount(totals.shipping),
            amount(totals.tax),
            amount(totals.total),
            amount(totals.gift_cards),
            amount(totals.amount_due),
            address(&cart.shipping_address),
            address(&cart.billing_address),
            Bind::NullableText(cart.shipping_method.clone()),
            Bind::Bool(order.status == Status::Placed),
            Bind::NullableTime(order.payment_due_at),
            Bind::NullableTime(order.placed_at),
            Bind::Time(order.updated_at),
            Bind::Uuid(order.id.uuid()),
            Bind::BigInt(order.version - 1),
            Bind::Uuids(lines.iter().map(|line| line.id.uuid()).collect()),
            Bind::Uuids(lines.iter().map(|line| line.variant_id.uuid()).collect()),
            Bind::Uuids(lines.iter().map(|line| line.product_id.uuid()).collect()),
            Bind::NullableTexts(lines.iter().map(|line| line.sku.clone()).collect()),
            Bind::Texts(lines.iter().map(|line| line.title.clone()).collect()),
            Bind::Texts(lines.iter().map(|line| line.variant_title.clone()).collect()),
            Bind::BigInts(lines.iter().map(|line| line.quantity).collect()),
            amounts(|line| line.unit_price),
            amounts(|line| line.discount),
            amounts(|line| line.tax),
            amounts(|line| line.total),
            Bind::BigInt(lease),
            Bind::Uuids(payments.iter().map(|payment| payment.id.uuid()).collect()),
            Bind::Texts(payments.iter().map(|payment| payment.provider.clone()).collect()),
            Bind::Texts(
                payments
                    .iter()
                    .map(|payment| payment.status.name().to_owned())
                    .collect(),
            ),
            Bind::BigInts(payments.iter().map(|payment| payment.amount.amount).collect()),
            Bind::Texts(self.timeline.iter().map(|kind| (*kind).to_owned()).collect()),
            Bind::Uuids(events.iter().map(|event| event.id.uuid()).collect()),
            Bind::Texts(events.iter().map(|event| event.r#type.clone()).collect()),
            Bind::Texts(events.iter().map(|event| event.subject.clone()).collect()),
            Bind::Texts(events.iter().map(|event| event.data.to_string()).collect()),
            Bind::SmallInt(i16::try_from(answer.status).unwrap_or(0)),
            Bind::Json(answer.body),
            Bind::Text(self.call.scope.clone()),
            Bind::Text(self.call.operation.clone()),
            Bind::Text(self.call.key.clone()),
            Bind::Integer(i32::from(answer.status)),
        ]
    }
}

/// The lines of an order out of its cart.
pub(crate) fn lines_of(cart: &FrozenCart) -> Vec<Line> {
    let line = |line: &cart_api::PricedLine| Line {
        id: LineId::generate(),
        variant_id: line.variant,
        product_id: line.product,
        sku: line.sku.clone(),
        title: line.title.clone(),
        variant_title: line.variant_title.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price,
        discount: line.discount,
        tax: line.tax,
        total: line.total,
    };
    cart.lines.iter().map(line).collect()
}

/// Points the claim of a call at another order: the first one has died.
pub(crate) fn redirect_claim(
    connection: &mut PgConnection,
    call: &Call,
    order: &Order,
    lease: Duration,
) -> QueryResult<String> {
    const SQL: &str = "WITH claimed AS ( \
            UPDATE @.idempotency_keys SET subject = ?, leased_until = clock_timestamp() + ? * interval '1 millisecond' \
            WHERE scope = ? AND operation = ? AND key = ? AND status IS NULL RETURNING subject, leased_until) \
        INSERT INTO @.orders (id, status, user_id, cart_id, reservation_id, leased_until, created_at, updated_at) \
        SELECT subject, 'placing', ?, ?, ?, leased_until, ?, ? FROM claimed \
        RETURNING number";
    let binds = [
        Bind::Uuid(order.id.uuid()),
        Bind::BigInt(milliseconds(lease)),
        Bind::Text(call.scope.clone()),
        Bind::Text(call.operation.clone()),
        Bind::Text(call.key.clone()),
        Bind::NullableUuid(order.user.map(Into::into)),
        Bind::Uuid(order.cart.uuid()),
        Bind::Uuid(order.reservation.uuid()),
        Bind::Time(order.created_at),
        Bind::Time(order.updated_at),
    ];
    let row: Numbered = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(row.number)
}

/// Takes over an order whose placing has stopped half-way: its new version, by which whoever had it before is fenced
/// off; `None` where somebody still has it, or it was given up.
pub(crate) fn renew(
    connection: &mut PgConnection,
    order: OrderId,
    lease: Duration,
    now: DateTime<Utc>,
) -> QueryResult<Option<i64>> {
    const SQL: &str = "UPDATE @.orders SET version = version + 1, updated_at = ?, \
            leased_until = clock_timestamp() + ? * interval '1 millisecond' \
        WHERE id = ? AND status = 'placing' AND leased_until < clock_timestamp() RETURNING version";
    let binds = [
        Bind::Time(now),
        Bind::BigInt(milliseconds(lease)),
        Bind::Uuid(order.uuid()),
    ];
    let row: Option<Versioned> = Statement::new(SCHEMA, SQL, binds).get_result(connection).optional()?;
    Ok(row.map(|row| row.version))
}

/// Ends an order that was refused on its way; with `undo`, what was claimed for it is given back as an effect. False
/// where somebody else has taken it over.
pub(crate) fn refuse(
    connection: &mut PgConnection,
    order: &Order,
    undo: bool,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.orders SET status = 'cancelled', version = version + 1, effects_pending = ?, \
            leased_until = '-infinity', cancelled_at = ?, updated_at = ? \
        WHERE id = ? AND status = 'placing' AND version = ?";
    let binds = [
        Bind::Bool(undo),
        Bind::Time(now),
        Bind::Time(now),
        Bind::Uuid(order.id.uuid()),
        Bind::BigInt(order.version),
    ];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[derive(QueryableByName)]
struct Numbered {
    #[diesel(sql_type = Text)]
    number: String,
}

#[derive(QueryableByName)]
struct Versioned {
    #[diesel(sql_type = BigInt)]
    version: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}
