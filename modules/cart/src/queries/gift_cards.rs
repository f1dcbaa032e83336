//! Gift cards and store credit, as staff move money on them. Whoever changes a balance has its row first, by the very
//! statement that changes it, and writes the entry in the same transaction.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Uuid as SqlUuid};
use kernel::id::{GiftCardEntryId, GiftCardId, UserId};
use kernel::money::MAX_AMOUNT;
use kernel::{Currency, Money};
use uuid::Uuid;

use super::unreadable;
use crate::SCHEMA;
use crate::domain::gift_card::{GiftCard, GiftCardEntry, StoreCredit};
use crate::schema::{gift_card_entries, gift_cards};

/// What staff write beside an amount.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) staff: UserId,
    pub(crate) reason: Option<String>,
    pub(crate) now: DateTime<Utc>,
}

/// At most `limit` cards before `before`, newest first; those of `user` alone where it is given.
pub(crate) fn page(
    connection: &mut PgConnection,
    user: Option<UserId>,
    before: Option<GiftCardId>,
    limit: i64,
) -> QueryResult<Vec<GiftCard>> {
    let mut query = gift_cards::table
        .order(gift_cards::id.desc())
        .limit(limit)
        .select(Row::as_select())
        .into_boxed();
    if let Some(user) = user {
        query = query.filter(gift_cards::user_id.eq(user.uuid()));
    }
    if let Some(before) = before {
        query = query.filter(gift_cards::id.lt(before.uuid()));
    }
    let rows: Vec<Row> = query.load(connection)?;
    rows.into_iter().map(Row::into_card).collect()
}

/// A card by its id.
pub(crate) fn find(connection: &mut PgConnection, id: GiftCardId) -> QueryResult<Option<GiftCard>> {
    let row: Option<Row> = gift_cards::table
        .find(id.uuid())
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    row.map(Row::into_card).transpose()
}

/// The same, and keeps others from writing it until the transaction ends.
pub(crate) fn lock(connection: &mut PgConnection, id: GiftCardId) -> QueryResult<Option<GiftCard>> {
    let row: Option<Row> = gift_cards::table
        .find(id.uuid())
        .select(Row::as_select())
        .for_no_key_update()
        .first(connection)
        .optional()?;
    row.map(Row::into_card).transpose()
}

/// Adds the gift card of a code, with the money that is on it.
pub(crate) fn insert(
    connection: &mut PgConnection,
    new: &GiftCard,
    code_hash: Vec<u8>,
    note: &Note,
) -> QueryResult<()> {
    diesel::insert_into(gift_cards::table)
        .values((
            gift_cards::id.eq(new.id.uuid()),
            gift_cards::code_hash.eq(code_hash),
            gift_cards::last_characters.eq(&new.last_characters),
            gift_cards::currency.eq(new.balance.currency.code()),
            gift_cards::balance_minor.eq(new.balance.amount),
            gift_cards::enabled.eq(new.enabled),
            gift_cards::expires_at.eq(new.expires_at),
            gift_cards::version.eq(new.version),
            gift_cards::created_at.eq(new.created_at),
            gift_cards::updated_at.eq(new.updated_at),
        ))
        .execute(connection)?;
    enter(connection, new.id, "issued", new.balance.amount, note)
}

/// Writes what staff say of a card, with its version; not its balance.
pub(crate) fn update(connection: &mut PgConnection, after: &GiftCard) -> QueryResult<()> {
    diesel::update(gift_cards::table.find(after.id.uuid()))
        .set((
            gift_cards::enabled.eq(after.enabled),
            gift_cards::expires_at.eq(after.expires_at),
            gift_cards::version.eq(after.version),
            gift_cards::updated_at.eq(after.updated_at),
        ))
        .execute(connection)
        .map(drop)
}

/// Puts `amount` on a card, or takes it off where it is less than nothing; `false`, and nothing is written, where there is no
/// such card with money of that currency, or it would have less than nothing or more than any card has.
pub(crate) fn adjust(connection: &mut PgConnection, id: GiftCardId, amount: Money, note: &Note) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.gift_cards SET balance_minor = balance_minor + ?, updated_at = ? \
        WHERE id = ? AND currency = ? AND balance_minor + ? BETWEEN 0 AND ?";
    let binds = [
        Bind::BigInt(amount.amount),
        Bind::Time(note.now),
        Bind::Uuid(id.uuid()),
        Bind::Text(amount.currency.code().to_owned()),
        Bind::BigInt(amount.amount),
        Bind::BigInt(MAX_AMOUNT),
    ];
    if Statement::new(SCHEMA, SQL, binds).execute(connection)? == 0 {
        return Ok(false);
    }
    enter(connection, id, "adjusted", amount.amount, note)?;
    Ok(true)
}

/// Adds the money of `grant` to the store credit of its user in its currency, which is made where there is none; `None`, and
/// nothing is written, where it would have more than any card has.
pub(crate) fn grant(connection: &mut PgConnection, grant: &GiftCard, note: &Note) -> QueryResult<Option<GiftCardId>> {
    const SQL: &str = "INSERT INTO @.gift_cards AS card \
            (id, user_id, currency, balance_minor, enabled, version, created_at, updated_at) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
        ON CONFLICT ON CONSTRAINT gift_cards_user_currency_key DO UPDATE \
            SET balance_minor = card.balance_minor + excluded.balance_minor, updated_at = excluded.updated_at \
            WHERE card.balance_minor + excluded.balance_minor <= ? \
        RETURNING card.id";
    let binds = [
        Bind::Uuid(grant.id.uuid()),
        Bind::NullableUuid(grant.user_id.map(UserId::uuid)),
        Bind::Text(grant.balance.currency.code().to_owned()),
        Bind::BigInt(grant.balance.amount),
        Bind::Bool(grant.enabled),
        Bind::BigInt(grant.version),
        Bind::Time(grant.created_at),
        Bind::Time(grant.updated_at),
        Bind::BigInt(MAX_AMOUNT),
    ];
    let account: Option<Account> = Statement::new(SCHEMA, SQL, binds).get_result(connection).optional()?;
    let Some(account) = account else {
        return Ok(None);
    };
    let id = GiftCardId::from(account.id);
    enter(connection, id, "issued", grant.balance.amount, note)?;
    Ok(Some(id))
}

/// Whether staff have put no more on a card, in all, than any card has: then all that its orders have spent can be returned.
/// The card is held by whoever asks.
pub(crate) fn holds_all_that_was_given(connection: &mut PgConnection, id: GiftCardId) -> QueryResult<bool> {
    const SQL: &str = "SELECT coalesce(sum(amount_minor), 0) <= ? AS done FROM @.gift_card_entries \
        WHERE gift_card_id = ? AND kind IN ('issued', 'adjusted')";
    let binds = [Bind::BigInt(MAX_AMOUNT), Bind::Uuid(id.uuid())];
    let holds: Done = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(holds.done)
}

/// At most `limit` entries of a card after `after`, in the order in which they were written.
pub(crate) fn page_of_entries(
    connection: &mut PgConnection,
    card: &GiftCard,
    after: Uuid,
    limit: i64,
) -> QueryResult<Vec<GiftCardEntry>> {
    let rows: Vec<EntryRow> = gift_card_entries::table
        .filter(gift_card_entries::gift_card_id.eq(card.id.uuid()))
        .filter(gift_card_entries::id.gt(after))
        .order(gift_card_entries::id)
        .limit(limit)
        .select(EntryRow::as_select())
        .load(connection)?;
    let entry = |row: EntryRow| GiftCardEntry {
        id: row.id.into(),
        kind: row.kind,
        amount: Money::new(row.amount_minor, card.balance.currency),
        order_id: row.order_id.map(Into::into),
        staff_id: row.staff_id.map(Into::into),
        reason: row.reason,
        created_at: row.created_at,
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// What store credit `user` can pay with at `now`, by currency.
pub(crate) fn store_credit(
    connection: &mut PgConnection,
    user: UserId,
    now: DateTime<Utc>,
) -> QueryResult<Vec<StoreCredit>> {
    let is_valid = gift_cards::expires_at
        .is_null()
        .or(gift_cards::expires_at.gt(now).assume_not_null());
    let rows: Vec<(String, i64, Option<DateTime<Utc>>)> = gift_cards::table
        .filter(gift_cards::user_id.eq(user.uuid()))
        .filter(gift_cards::enabled)
        .filter(is_valid)
        .order(gift_cards::currency)
        .select((gift_cards::currency, gift_cards::balance_minor, gift_cards::expires_at))
        .load(connection)?;
    let credit = |(currency, balance, expires_at): (String, i64, Option<DateTime<Utc>>)| {
        let currency: Currency = currency.parse().map_err(unreadable)?;
        Ok(StoreCredit {
            balance: Money::new(balance, currency),
            expires_at,
        })
    };
    rows.into_iter().map(credit).collect()
}

fn enter(connection: &mut PgConnection, card: GiftCardId, kind: &str, amount: i64, note: &Note) -> QueryResult<()> {
    diesel::insert_into(gift_card_entries::table)
        .values((
            gift_card_entries::id.eq(GiftCardEntryId::generate().uuid()),
            gift_card_entries::gift_card_id.eq(card.uuid()),
            gift_card_entries::kind.eq(kind),
            gift_card_entries::amount_minor.eq(amount),
            gift_card_entries::staff_id.eq(note.staff.uuid()),
            gift_card_entries::reason.eq(&note.reason),
            gift_card_entries::created_at.eq(note.now),
        ))
        .execute(connection)
        .map(drop)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = gift_cards, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    last_characters: Option<String>,
    user_id: Option<Uuid>,
    currency: String,
    balance_minor: i64,
    enabled: bool,
    expires_at: Option<DateTime<Utc>>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = gift_card_entries, check_for_backend(diesel::pg::Pg))]
struct EntryRow {
    id: Uuid,
    kind: String,
    amount_minor: i64,
    order_id: Option<Uuid>,
    staff_id: Option<Uuid>,
    reason: Option<String>,
    created_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Account {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

#[derive(QueryableByName)]
struct Done {
    #[diesel(sql_type = Bool)]
    done: bool,
}

impl Row {
    fn into_card(self) -> QueryResult<GiftCard> {
        let currency: Currency = self.currency.parse().map_err(unreadable)?;
        Ok(GiftCard {
            id: self.id.into(),
            last_characters: self.last_characters,
            user_id: self.user_id.map(Into::into),
            balance: Money::new(self.balance_minor, currency),
            enabled: self.enabled,
            expires_at: self.expires_at,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
