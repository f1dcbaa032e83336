//! The sandbox's books. Each charge is made once per key; every later change is a conditional update.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use kernel::id::PaymentId;
use kernel::keys::random_bytes;
use kernel::{Currency, Money};
use uuid::Uuid;

use super::super::{BookEntry, BookPage, Charge};

/// How many charges a page of the books has.
const PAGE: usize = 500;

pub(super) mod schema {
    diesel::table! {
        sandbox.charges (key) {
            key -> Uuid,
            reference -> Text,
            amount -> Int8,
            currency -> Text,
            state -> Text,
            reason -> Nullable<Text>,
            captured -> Int8,
            refunded -> Int8,
            created_at -> Timestamptz,
        }
    }

    diesel::table! {
        sandbox.refunds (key) {
            key -> Uuid,
            charge -> Uuid,
            amount -> Int8,
            created_at -> Timestamptz,
        }
    }

    diesel::table! {
        sandbox.events (id) {
            id -> Uuid,
            charge -> Uuid,
            #[sql_name = "type"]
            kind -> Text,
            created_at -> Timestamptz,
            attempts -> Int4,
            delivered_at -> Nullable<Timestamptz>,
            leased_until -> Timestamptz,
        }
    }

    diesel::allow_tables_to_appear_in_same_query!(charges, refunds, events);
}

use schema::{charges, refunds};

/// How a charge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChargeState {
    RequiresAction,
    Authorized,
    Captured,
    Declined,
    Voided,
}

impl ChargeState {
    fn name(self) -> &'static str {
        match self {
            Self::RequiresAction => "requires_action",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Voided => "voided",
        }
    }

    /// What shops are told when a charge comes to stand like this.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::RequiresAction => "charge.requires_action",
            Self::Authorized => "charge.authorized",
            Self::Captured => "charge.captured",
            Self::Declined => "charge.declined",
            Self::Voided => "charge.voided",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [
            Self::RequiresAction,
            Self::Authorized,
            Self::Captured,
            Self::Declined,
            Self::Voided,
        ];
        all.into_iter().find(|state| state.name() == name)
    }
}

/// A charge in the books.
pub(super) struct ChargeRow {
    pub(super) reference: String,
    pub(super) amount: Money,
    pub(super) captured: Money,
    pub(super) state: ChargeState,
    pub(super) reason: Option<String>,
}

/// A charge to be made.
#[derive(Insertable)]
#[diesel(table_name = charges)]
pub(super) struct NewCharge {
    key: Uuid,
    reference: String,
    amount: i64,
    currency: String,
    state: &'static str,
    reason: Option<&'static str>,
    captured: i64,
    created_at: DateTime<Utc>,
}

impl NewCharge {
    pub(super) fn new(charge: &Charge, state: ChargeState, reason: Option<&'static str>, now: DateTime<Utc>) -> Self {
        Self::in_state(charge.payment, charge.amount, state, reason, now)
    }

    /// In place of a charge that must not be made any more.
    fn forbidden(payment: PaymentId, amount: Money, now: DateTime<Utc>) -> Self {
        Self::in_state(payment, amount, ChargeState::Voided, None, now)
    }

    fn in_state(
        payment: PaymentId,
        money: Money,
        state: ChargeState,
        reason: Option<&'static str>,
        now: DateTime<Utc>,
    ) -> Self {
        let amount = money.amount;
        let reference: String = random_bytes(16).iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            key: payment.uuid(),
            reference: format!("sbx_{reference}"),
            amount,
            currency: money.currency.code().to_owned(),
            state: state.name(),
            reason,
            captured: if state == ChargeState::Captured { amount } else { 0 },
            created_at: now,
        }
    }
}

/// Makes a charge, or finds the one that was made under its key; true where it was made by this.
pub(super) fn charge(connection: &mut PgConnection, new: &NewCharge) -> QueryResult<(ChargeRow, bool)> {
    let made = diesel::insert_into(charges::table)
        .values(new)
        .on_conflict(charges::key)
        .do_nothing()
        .execute(connection)?;
    let row = find(connection, new.key.into())?.ok_or(diesel::result::Error::NotFound)?;
    Ok((row, made == 1))
}

/// The charge under a key.
pub(super) fn find(connection: &mut PgConnection, payment: PaymentId) -> QueryResult<Option<ChargeRow>> {
    let row: Option<(String, i64, i64, String, String, Option<String>)> = charges::table
        .find(payment.uuid())
        .select((
            charges::reference,
            charges::amount,
            charges::captured,
            charges::currency,
            charges::state,
            charges::reason,
        ))
        .first(connection)
        .optional()?;
    row.map(|(reference, amount, captured, currency, state, reason)| {
        let state = ChargeState::named(&state).ok_or_else(|| unreadable("state"))?;
        Ok(ChargeRow {
            reference,
            amount: money(amount, &currency)?,
            captured: money(captured, &currency)?,
            state,
            reason,
        })
    })
    .transpose()
}

/// Takes what was authorised, or a part of it, and lets the rest go; true where so much is taken, now or before.
pub(super) fn capture(connection: &mut PgConnection, payment: PaymentId, amount: Money) -> QueryResult<bool> {
    let updated = diesel::update(charges::table.find(payment.uuid()))
        .filter(charges::state.eq("authorized"))
        .filter(charges::amount.ge(amount.amount))
        .filter(charges::currency.eq(amount.currency.code()))
        .set((charges::state.eq("captured"), charges::captured.eq(amount.amount)))
        .execute(connection)?;
    if updated == 1 {
        return Ok(true);
    }
    let before = find(connection, payment)?;
    Ok(before.is_some_and(|charge| charge.state == ChargeState::Captured && charge.captured == amount))
}

/// Gives an authorisation back, or forbids a charge that has not arrived; true where nothing is held any more.
pub(super) fn void(
    connection: &mut PgConnection,
    payment: PaymentId,
    amount: Money,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let forbidden = NewCharge::forbidden(payment, amount, now);
    diesel::insert_into(charges::table)
        .values(&forbidden)
        .on_conflict(charges::key)
        .do_nothing()
        .execute(connection)?;
    diesel::update(charges::table.find(payment.uuid()))
        .filter(charges::state.eq_any(["authorized", "requires_action"]))
        .set(charges::state.eq("voided"))
        .execute(connection)?;
    let state: String = charges::table
        .find(payment.uuid())
        .select(charges::state)
        .first(connection)?;
    Ok(state != "captured")
}

/// Gives money back once per `operation`; true where it is given back, now or before.
pub(super) fn refund(
    connection: &mut PgConnection,
    operation: Uuid,
    payment: PaymentId,
    amount: Money,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let values = (
        refunds::key.eq(operation),
        refunds::charge.eq(payment.uuid()),
        refunds::amount.eq(amount.amount),
        refunds::created_at.eq(now),
    );
    let known = charges::table
        .find(payment.uuid())
        .filter(charges::currency.eq(amount.currency.code()));
    if diesel::select(diesel::dsl::exists(refunds::table.find(operation))).get_result::<bool>(connection)? {
        return Ok(true);
    }
    let taken = diesel::update(known)
        .filter(charges::captured.ge(charges::refunded + amount.amount))
        .set(charges::refunded.eq(charges::refunded + amount.amount))
        .execute(connection)?;
    if taken == 1 {
        // A racing repeat fails here on the key and rolls its own update back; repeated, it finds the refund made.
        diesel::insert_into(refunds::table).values(values).execute(connection)?;
    }
    Ok(taken == 1)
}

/// The buyer's answer to a challenge: which charge it is about, and whether that waited for it.
pub(super) fn authenticate(
    connection: &mut PgConnection,
    reference: &str,
    approve: bool,
) -> QueryResult<Option<(PaymentId, bool)>> {
    let charge = charges::table.filter(charges::reference.eq(reference));
    let waiting = charge.filter(charges::state.eq("requires_action"));
    let answered = if approve {
        diesel::update(waiting)
            .set((charges::state.eq("captured"), charges::captured.eq(charges::amount)))
            .execute(connection)?
    } else {
        diesel::update(waiting)
            .set((
                charges::state.eq("declined"),
                charges::reason.eq("authentication_failed"),
            ))
            .execute(connection)?
    };
    let key: Option<Uuid> = charge.select(charges::key).first(connection).optional()?;
    Ok(key.map(|key| (key.into(), answered == 1)))
}

/// The charges since `since`, those after `after` by key.
pub(super) fn list(connection: &mut PgConnection, since: Option<DateTime<Utc>>, after: Uuid) -> QueryResult<BookPage> {
    let rows: Vec<(Uuid, String, i64, i64, String, i64)> = charges::table
        .filter(charges::key.gt(after))
        .filter(charges::created_at.ge(since.unwrap_or(DateTime::UNIX_EPOCH)))
        .order(charges::key)
        .limit(i64::try_from(PAGE).unwrap_or(i64::MAX))
        .select((
            charges::key,
            charges::reference,
            charges::amount,
            charges::captured,
            charges::currency,
            charges::refunded,
        ))
        .load(connection)?;
    let next = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.0.to_string());
    let entry = |(key, reference, amount, captured, currency, refunded): (Uuid, String, i64, i64, String, i64)| {
        Ok(BookEntry {
            reference,
            payment: Some(key.into()),
            amount: money(amount, &currency)?,
            captured,
            refunded,
        })
    };
    let entries = rows.into_iter().map(entry).collect::<QueryResult<_>>()?;
    Ok(BookPage { entries, next })
}

fn money(amount: i64, currency: &str) -> QueryResult<Money> {
    let currency: Currency = currency.parse().map_err(|_| unreadable("currency"))?;
    Ok(Money::new(amount, currency))
}

fn unreadable(column: &str) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(format!("sandbox.charges has an unknown {column}").into())
}
