//! The hot path: placing an order. Each step is one statement of constant text, and commits by itself, for all orders
//! that are at the same step at the same moment.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cart_api::{PricedLine, Totals};
use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use kernel::address::Address;
use kernel::event::Event;
use kernel::http::Call;
use kernel::id::{LineId, OrderId};
use kernel::{Fault, Money};
use uuid::Uuid;

use super::numbers::{self, Numbered, Numbering};
use super::{SCHEMA, effects};
use crate::domain::payment::Payment;
use crate::domain::{Content, Line, Order};

/// An order that is about to be placed, under a call.
#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) call: Call,
    pub(crate) order: Order,
    pub(crate) lease: Duration,
}

/// Claims calls and inserts their orders as `placing`, each both or neither; the orders' numbers, empty where they get
/// them later, or `None` where the key is taken.
pub(crate) fn begin(
    connection: &mut PgConnection,
    begins: &[Begin],
    numbering: &Numbering,
) -> QueryResult<Vec<Option<String>>> {
    numbering.insert(connection, |connection| begin_once(connection, begins, numbering))
}

fn begin_once(
    connection: &mut PgConnection,
    begins: &[Begin],
    numbering: &Numbering,
) -> QueryResult<Vec<Option<String>>> {
    // Keys are claimed in their order, so that two processes with the same keys do not wait for each other.
    const SQL: &str = "WITH wanted AS MATERIALIZED ( \
            SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS wanted \
                (scope, operation, key, fingerprint, order_id, user_id, cart_id, lease, now, number) \
        ), claimed AS ( \
            INSERT INTO @.idempotency_keys (scope, operation, key, fingerprint, subject, leased_until, created_at) \
            SELECT scope, operation, key, fingerprint, order_id, clock_timestamp() + lease * interval '1 millisecond', now \
            FROM wanted ORDER BY scope, operation, key \
            ON CONFLICT DO NOTHING RETURNING subject, leased_until \
        ) \
        INSERT INTO @.orders (id, number, status, user_id, cart_id, leased_until, created_at, updated_at) \
        SELECT wanted.order_id, CASE WHEN ? THEN ? || nextval('@.order_numbers') ELSE wanted.number END, 'placing', \
            wanted.user_id, wanted.cart_id, claimed.leased_until, wanted.now, wanted.now \
        FROM claimed JOIN wanted ON wanted.order_id = claimed.subject \
        RETURNING id, number";
    let beginning = numbering.at_beginning();
    let calls = || begins.iter().map(|begin| &begin.call);
    let orders = || begins.iter().map(|begin| &begin.order);
    let binds = [
        Bind::Texts(calls().map(|call| call.scope.clone()).collect()),
        Bind::Texts(calls().map(|call| call.operation.clone()).collect()),
        Bind::Texts(calls().map(|call| call.key.clone()).collect()),
        Bind::ByteStrings(calls().map(|call| call.fingerprint.clone()).collect()),
        Bind::Uuids(orders().map(|order| order.id.uuid()).collect()),
        Bind::NullableUuids(orders().map(|order| order.user.map(Into::into)).collect()),
        Bind::NullableUuids(orders().map(|order| order.cart.map(Into::into)).collect()),
        Bind::BigInts(begins.iter().map(|begin| milliseconds(begin.lease)).collect()),
        Bind::Times(orders().map(|order| order.created_at).collect()),
        Bind::NullableTexts(begins.iter().map(|_| beginning.number(&numbering.prefix)).collect()),
        Bind::Bool(beginning.is_counted()),
        Bind::Text(numbering.prefix.clone()),
    ];
    let rows: Vec<Numbered> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    let number = |row: Numbered| (row.id, row.number.unwrap_or_default());
    let mut numbers: HashMap<Uuid, String> = rows.into_iter().map(number).collect();
    Ok(orders().map(|order| numbers.remove(&order.id.uuid())).collect())
}

/// Everything that an order takes over in one statement.
#[derive(Debug)]
pub(crate) struct TakeOver {
    pub(crate) order: Order,
    pub(crate) content: Content,
    pub(crate) lines: Vec<Line>,
    pub(crate) payment: Option<Payment>,
    /// What is told of it, where it is placed with this step and has its number already.
    pub(crate) told: Told,
    /// The same for an order that gets its number with this step.
    pub(crate) tell: fn(&TakeOver, number: &str) -> Result<Told, Fault>,
    pub(crate) call: Call,
    pub(crate) lease: Duration,
}

/// What is told of an order that is placed; nothing of one that still has to be paid.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The answer to store.
    pub(crate) answer: Option<Answer>,
    /// What to publish with it.
    pub(crate) event: Option<Event>,
}

/// An order as it is taken over: with the number that it has or gets, and what is told of it.
struct Taken<'a> {
    what: &'a TakeOver,
    number: Cow<'a, str>,
    told: Cow<'a, Told>,
}

/// An answer to be stored: its status, and its body as JSON.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Takes over what is bought: lines, totals, the payment attempt if there is one to make, and the answer and the effects
/// if the order is `placed` with that. The orders' numbers, or `None` where the order is no longer `placing`: somebody has
/// given it up. Orders that were begun without a number get it here, with one more statement for all of them.
pub(crate) fn take_over(
    connection: &mut PgConnection,
    wanted: &[TakeOver],
    numbering: &Numbering,
) -> QueryResult<Vec<Option<String>>> {
    let begun_with_number = |what: &TakeOver| !what.order.number.is_empty();
    if wanted.iter().all(begun_with_number) {
        let taken: Vec<Taken<'_>> = wanted.iter().map(Taken::as_begun).collect();
        return take_over_numbered(connection, &taken);
    }
    connection.transaction(|connection| {
        let unnumbered = wanted.iter().filter(|what| !begun_with_number(what));
        let unnumbered: Vec<(Uuid, i64)> = unnumbered
            .map(|what| (what.order.id.uuid(), what.order.version - 1))
            .collect();
        let numbers = numbers::allot(connection, &unnumbered, &numbering.prefix)?;
        // Whatever has no number now is not `placing` any more, and is passed over below for that.
        let taken: QueryResult<Vec<Taken<'_>>> = wanted
            .iter()
            .map(|what| match numbers.get(&what.order.id.uuid()) {
                Some(number) => Taken::with_number(what, number),
                None => Ok(Taken::as_begun(what)),
            })
            .collect();
        take_over_numbered(connection, &taken?)
    })
}

impl<'a> Taken<'a> {
    fn as_begun(what: &'a TakeOver) -> Self {
        Self {
            what,
            number: Cow::Borrowed(&what.order.number),
            told: Cow::Borrowed(&what.told),
        }
    }

    fn with_number(what: &'a TakeOver, number: &'a str) -> QueryResult<Self> {
        Ok(Self {
            what,
            number: Cow::Borrowed(number),
            told: Cow::Owned((what.tell)(what, number).map_err(database::failed_by)?),
        })
    }
}

fn take_over_numbered(connection: &mut PgConnection, taken: &[Taken<'_>]) -> QueryResult<Vec<Option<String>>> {
    const SQL: &str = "WITH changed AS ( \
            UPDATE @.orders AS orders SET status = wanted.status, version = orders.version + 1, number = wanted.number, \
                user_id = wanted.user_id, currency = wanted.currency, locale = wanted.locale, email = wanted.email, \
                subtotal = wanted.subtotal, discount = wanted.discount, shipping = wanted.shipping, tax = wanted.tax, \
                tax_included = wanted.tax_included, \
                total = wanted.total, gift_cards = wanted.gift_cards, amount_due = wanted.amount_due, \
                shipping_address = wanted.shipping_address::jsonb, billing_address = wanted.billing_address::jsonb, \
                pricing = wanted.pricing::json, leased_until = '-infinity', \
                payment_due_at = wanted.payment_due_at, placed_at = wanted.placed_at, updated_at = wanted.now \
            FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS wanted (id, version, number, status, \
                user_id, currency, locale, email, subtotal, discount, shipping, tax, tax_included, total, gift_cards, \
                amount_due, shipping_address, billing_address, pricing, payment_due_at, placed_at, now, lease) \
            WHERE orders.id = wanted.id AND orders.status = 'placing' AND orders.version = wanted.version \
            RETURNING orders.id, orders.status, orders.currency, wanted.now, \
                clock_timestamp() + wanted.lease * interval '1 millisecond' AS leased_until \
        ), line AS ( \
            INSERT INTO @.lines (id, order_id, position, variant_id, product_id, sku, title, variant_title, \
                quantity, unit_price, discount, tax, total, taxes) \
            SELECT line.id, line.order_id, line.position, line.variant_id, line.product_id, line.sku, line.title, \
                line.variant_title, line.quantity, line.unit_price, line.discount, line.tax, line.total, line.taxes::json \
            FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS line (id, order_id, position, variant_id, \
                product_id, sku, title, variant_title, quantity, unit_price, discount, tax, total, taxes) \
            JOIN changed ON changed.id = line.order_id \
        ), payment AS ( \
            INSERT INTO @.payments (id, order_id, provider, status, amount, currency, leased_until, created_at, updated_at) \
            SELECT payment.id, changed.id, payment.provider, payment.status, payment.amount, changed.currency, \
                changed.leased_until, changed.now, changed.now \
            FROM unnest(?, ?, ?, ?, ?) AS payment (id, order_id, provider, status, amount) \
            JOIN changed ON changed.id = payment.order_id \
        ), entry AS ( \
            INSERT INTO @.timeline (order_id, at, kind, actor) \
            SELECT changed.id, changed.now, entry.kind, 'customer' \
            FROM changed, (VALUES (1, 'created'), (2, 'placed')) AS entry (position, kind) \
            WHERE entry.kind = 'created' OR changed.status = 'placed' ORDER BY changed.id, entry.position \
        ), event AS ( \
            INSERT INTO @.outbox (id, type, subject, time, data) \
            SELECT event.id, event.type, event.subject, changed.now, event.data::jsonb \
            FROM unnest(?, ?, ?, ?, ?) AS event (order_id, id, type, subject, data) \
            JOIN changed ON changed.id = event.order_id \
        ), effects AS ( \
            INSERT INTO @.effects (order_id, leased_until) \
            SELECT id, leased_until FROM changed WHERE status = 'placed' \
        ), answered AS ( \
            UPDATE @.idempotency_keys AS claim SET status = answer.status, body = answer.body::json \
            FROM unnest(?, ?, ?, ?, ?, ?) AS answer (order_id, scope, operation, key, status, body) \
            JOIN changed ON changed.id = answer.order_id \
            WHERE claim.scope = answer.scope AND claim.operation = answer.operation AND claim.key = answer.key \
        ) \
        SELECT id FROM changed";
    let mut binds = order_binds(taken)?;
    binds.extend(line_binds(taken)?);
    binds.extend(payment_binds(taken));
    binds.extend(event_binds(taken));
    binds.extend(answer_binds(taken));
    let rows: Vec<IdRow> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    let changed: HashSet<Uuid> = rows.into_iter().map(|row| row.id).collect();
    let number = |one: &Taken<'_>| {
        changed
            .contains(&one.what.order.id.uuid())
            .then(|| one.number.clone().into_owned())
    };
    Ok(taken.iter().map(number).collect())
}

fn order_binds(taken: &[Taken<'_>]) -> QueryResult<Vec<Bind>> {
    let orders = || taken.iter().map(|one| &one.what.order);
    let contents = || taken.iter().map(|one| &one.what.content);
    let amounts =
        |part: fn(&Totals) -> Money| Bind::BigInts(contents().map(|content| part(&content.totals).amount).collect());
    let addresses = |part: fn(&Content) -> &Option<Address>| {
        let texts = contents().map(|content| part(content).as_ref().map(serde_json::to_string).transpose());
        let texts = texts.collect::<Result<Vec<Option<String>>, _>>();
        texts
            .map(Bind::NullableTexts)
            .map_err(|error| diesel::result::Error::SerializationError(error.into()))
    };
    let pricing: Result<Vec<String>, _> = contents()
        .map(|content| serde_json::to_string(&content.pricing))
        .collect();
    Ok(vec![
        Bind::Uuids(orders().map(|order| order.id.uuid()).collect()),
        Bind::BigInts(orders().map(|order| order.version - 1).collect()),
        // An order that is not `placing` any more may have no number, and is not changed.
        Bind::Texts(taken.iter().map(|one| one.number.clone().into_owned()).collect()),
        Bind::Texts(orders().map(|order| order.status.name().to_owned()).collect()),
        Bind::NullableUuids(orders().map(|order| order.user.map(Into::into)).collect()),
        Bind::Texts(contents().map(|content| content.currency.code().to_owned()).collect()),
        Bind::Texts(contents().map(|content| content.locale.to_string()).collect()),
        Bind::Texts(contents().map(|content| content.email.clone()).collect()),
        amounts(|totals| totals.subtotal),
        amounts(|totals| totals.discount),
        amounts(|totals| totals.shipping),
        amounts(|totals| totals.tax),
        amounts(|totals| totals.tax_included),
        amounts(|totals| totals.total),
        amounts(|totals| totals.gift_cards),
        amounts(|totals| totals.amount_due),
        addresses(|content| &content.shipping_address)?,
        addresses(|content| &content.billing_address)?,
        Bind::Texts(pricing.map_err(|error| diesel::result::Error::SerializationError(error.into()))?),
        Bind::NullableTimes(orders().map(|order| order.payment_due_at).collect()),
        Bind::NullableTimes(orders().map(|order| order.placed_at).collect()),
        Bind::Times(orders().map(|order| order.updated_at).collect()),
        Bind::BigInts(taken.iter().map(|one| milliseconds(one.what.lease)).collect()),
    ])
}

fn line_binds(taken: &[Taken<'_>]) -> QueryResult<Vec<Bind>> {
    let taken: Vec<&TakeOver> = taken.iter().map(|one| one.what).collect();
    let positions = |one: &TakeOver| (1..).take(one.lines.len()).collect::<Vec<i64>>();
    let orders = taken
        .iter()
        .flat_map(|one| one.lines.iter().map(|_| one.order.id.uuid()));
    let lines = || taken.iter().flat_map(|one| &one.lines);
    let amounts = |part: fn(&Line) -> Money| Bind::BigInts(lines().map(|line| part(line).amount).collect());
    let taxes: Result<Vec<String>, _> = lines().map(|line| serde_json::to_string(&line.taxes)).collect();
    let taxes = taxes.map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    Ok(vec![
        Bind::Uuids(lines().map(|line| line.id.uuid()).collect()),
        Bind::Uuids(orders.collect()),
        Bind::BigInts(taken.iter().flat_map(|one| positions(one)).collect()),
        Bind::Uuids(lines().map(|line| line.variant_id.uuid()).collect()),
        Bind::Uuids(lines().map(|line| line.product_id.uuid()).collect()),
        Bind::NullableTexts(lines().map(|line| line.sku.clone()).collect()),
        Bind::Texts(lines().map(|line| line.title.clone()).collect()),
        Bind::Texts(lines().map(|line| line.variant_title.clone()).collect()),
        Bind::BigInts(lines().map(|line| line.quantity).collect()),
        amounts(|line| line.unit_price),
        amounts(|line| line.discount),
        amounts(|line| line.tax),
        amounts(|line| line.total),
        Bind::Texts(taxes),
    ])
}

fn payment_binds(taken: &[Taken<'_>]) -> [Bind; 5] {
    let payments = || taken.iter().filter_map(|one| one.what.payment.as_ref());
    [
        Bind::Uuids(payments().map(|payment| payment.id.uuid()).collect()),
        Bind::Uuids(payments().map(|payment| payment.order.uuid()).collect()),
        Bind::Texts(payments().map(|payment| payment.provider.clone()).collect()),
        Bind::Texts(payments().map(|payment| payment.status.name().to_owned()).collect()),
        Bind::BigInts(payments().map(|payment| payment.amount.amount).collect()),
    ]
}

fn event_binds(taken: &[Taken<'_>]) -> [Bind; 5] {
    let orders = taken.iter().filter(|one| one.told.event.is_some());
    let events = || taken.iter().filter_map(|one| one.told.event.as_ref());
    [
        Bind::Uuids(orders.map(|one| one.what.order.id.uuid()).collect()),
        Bind::Uuids(events().map(|event| event.id.uuid()).collect()),
        Bind::Texts(events().map(|event| event.r#type.clone()).collect()),
        Bind::Texts(events().map(|event| event.subject.clone()).collect()),
        Bind::Texts(events().map(|event| event.data.to_string()).collect()),
    ]
}

fn answer_binds(taken: &[Taken<'_>]) -> [Bind; 6] {
    let answered = || {
        taken
            .iter()
            .filter_map(|one| Some((one.what, one.told.answer.as_ref()?)))
    };
    let calls = || answered().map(|(one, _)| &one.call);
    [
        Bind::Uuids(answered().map(|(one, _)| one.order.id.uuid()).collect()),
        Bind::Texts(calls().map(|call| call.scope.clone()).collect()),
        Bind::Texts(calls().map(|call| call.operation.clone()).collect()),
        Bind::Texts(calls().map(|call| call.key.clone()).collect()),
        Bind::SmallInts(
            answered()
                .map(|(_, answer)| i16::try_from(answer.status).unwrap_or(500))
                .collect(),
        ),
        Bind::Texts(answered().map(|(_, answer)| answer.body.clone()).collect()),
    ]
}

/// The lines of an order out of its cart.
pub(crate) fn lines_of(priced: &[PricedLine]) -> Vec<Line> {
    let line = |line: &PricedLine| Line {
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
        taxes: line.taxes.clone(),
        fulfilled_quantity: 0,
        returned_quantity: 0,
        announced_quantity: 0,
        reservation: None,
    };
    priced.iter().map(line).collect()
}

/// Points the claim of a call at another order: the first one has died.
///
/// The new order's number, empty where it gets it later.
pub(crate) fn redirect_claim(
    connection: &mut PgConnection,
    call: &Call,
    order: &Order,
    lease: Duration,
    numbering: &Numbering,
) -> QueryResult<String> {
    numbering.insert(connection, |connection| {
        redirect_once(connection, call, order, lease, numbering)
    })
}

fn redirect_once(
    connection: &mut PgConnection,
    call: &Call,
    order: &Order,
    lease: Duration,
    numbering: &Numbering,
) -> QueryResult<String> {
    const SQL: &str = "WITH claimed AS ( \
            UPDATE @.idempotency_keys SET subject = ?, leased_until = clock_timestamp() + ? * interval '1 millisecond' \
            WHERE scope = ? AND operation = ? AND key = ? AND status IS NULL RETURNING subject, leased_until) \
        INSERT INTO @.orders (id, number, status, user_id, cart_id, leased_until, created_at, updated_at) \
        SELECT subject, CASE WHEN ? THEN ? || nextval('@.order_numbers') ELSE ? END, 'placing', ?, ?, leased_until, ?, ? FROM claimed \
        RETURNING id, number";
    let beginning = numbering.at_beginning();
    let binds = [
        Bind::Uuid(order.id.uuid()),
        Bind::BigInt(milliseconds(lease)),
        Bind::Text(call.scope.clone()),
        Bind::Text(call.operation.clone()),
        Bind::Text(call.key.clone()),
        Bind::Bool(beginning.is_counted()),
        Bind::Text(numbering.prefix.clone()),
        Bind::NullableText(beginning.number(&numbering.prefix)),
        Bind::NullableUuid(order.user.map(Into::into)),
        Bind::NullableUuid(order.cart.map(Into::into)),
        Bind::Time(order.created_at),
        Bind::Time(order.updated_at),
    ];
    let row: Numbered = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(row.number.unwrap_or_default())
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
    const SQL: &str = "UPDATE @.orders SET status = 'cancelled', version = version + 1, \
            leased_until = '-infinity', cancelled_at = ?, updated_at = ? \
        WHERE id = ? AND status = 'placing' AND version = ?";
    let binds = [
        Bind::Time(now),
        Bind::Time(now),
        Bind::Uuid(order.id.uuid()),
        Bind::BigInt(order.version),
    ];
    let refused = Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1;
    if refused && undo {
        effects::ask(connection, order.id)?;
    }
    Ok(refused)
}

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[derive(QueryableByName)]
struct Versioned {
    #[diesel(sql_type = BigInt)]
    version: i64,
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
}
