//! What an order uses up: promotions, codes and the money on gift cards. Claimed with the cart, given back when the order
//! dies. Rows are locked in the order of their ids, promotions before codes before cards, so that no two orders wait for
//! each other.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Uuid as SqlUuid};
use kernel::Currency;
use kernel::id::{GiftCardId, OrderId, PromotionId, UserId};
use uuid::Uuid;

use super::rules;
use crate::SCHEMA;

/// All that an order uses up.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) order: OrderId,
    /// By whom uses are counted.
    pub(crate) customer: String,
    pub(crate) currency: Currency,
    /// Each with the code by which it was asked for, and what it takes off.
    pub(crate) promotions: Vec<(PromotionId, Option<String>, i64)>,
    /// Whose first order it is, where a promotion is given for that.
    pub(crate) first_order_of: Option<UserId>,
    /// Each with what it pays, which is something.
    pub(crate) cards: Vec<(GiftCardId, i64)>,
    pub(crate) now: DateTime<Utc>,
}

impl Claims {
    /// Whether the order uses nothing up.
    pub(crate) fn is_empty(&self) -> bool {
        self.promotions.is_empty() && self.cards.is_empty()
    }
}

/// Claims everything, where the rules still have `revision`; `false` where any of it is not to be had any more. The
/// transaction has to be given up then.
pub(crate) fn claim(connection: &mut PgConnection, claims: &Claims, revision: i64) -> QueryResult<bool> {
    Ok(rules::share(connection)? == revision
        && claim_first_order(connection, claims)?
        && claim_promotions(connection, claims)?
        && claim_codes(connection, claims)?
        && count_uses(connection, claims)?
        && spend(connection, claims)?)
}

/// Gives back all that `order` has claimed. Repeatable.
pub(crate) fn return_all(connection: &mut PgConnection, order: OrderId, now: DateTime<Utc>) -> QueryResult<()> {
    const FIRST: &str = "DELETE FROM @.first_orders WHERE order_id = ?";
    const LOCK: &str = "SELECT true AS done FROM @.promotions \
        WHERE id IN (SELECT promotion_id FROM @.promotion_uses WHERE order_id = ?) ORDER BY id FOR NO KEY UPDATE";
    const LOCK_CODES: &str = "SELECT true AS done FROM @.promotion_codes WHERE usage_limit IS NOT NULL \
        AND code IN (SELECT code FROM @.promotion_uses WHERE order_id = ?) ORDER BY code FOR NO KEY UPDATE";
    const LOCK_CUSTOMERS: &str = "SELECT true AS done FROM @.promotion_customers AS customer \
        JOIN @.promotion_uses AS living ON living.promotion_id = customer.promotion_id \
            AND living.customer = customer.customer \
        WHERE living.order_id = ? ORDER BY customer.promotion_id FOR NO KEY UPDATE OF customer";
    const UNUSE: &str = "WITH gone AS ( \
            DELETE FROM @.promotion_uses WHERE order_id = ? \
            RETURNING promotion_id, code, customer, amount_minor, currency \
        ), promotion AS ( \
            UPDATE @.promotions AS promotion SET uses = promotion.uses - 1, spent_minor = promotion.spent_minor \
                - CASE WHEN promotion.budget_currency = gone.currency THEN gone.amount_minor ELSE 0 END \
            FROM gone WHERE promotion.id = gone.promotion_id \
                AND (promotion.usage_limit IS NOT NULL OR promotion.budget_minor IS NOT NULL) \
        ), code AS ( \
            UPDATE @.promotion_codes AS code SET uses = code.uses - 1 \
            FROM gone WHERE code.code = gone.code AND code.promotion_id = gone.promotion_id \
                AND code.usage_limit IS NOT NULL \
        ), customer AS ( \
            UPDATE @.promotion_customers AS customer SET uses = customer.uses - 1 \
            FROM gone WHERE customer.promotion_id = gone.promotion_id AND customer.customer = gone.customer \
        ) \
        SELECT true AS done";
    const SPENT: &str = "SELECT card.id, -entry.amount_minor AS amount FROM @.gift_cards AS card \
        JOIN @.gift_card_entries AS entry ON entry.gift_card_id = card.id \
        WHERE entry.order_id = ? AND entry.kind = 'spent' ORDER BY card.id FOR NO KEY UPDATE OF card";
    const REPAY: &str = "WITH entered AS ( \
            INSERT INTO @.gift_card_entries (id, gift_card_id, kind, amount_minor, order_id, created_at) \
            SELECT spent.entry_id, spent.id, 'returned', spent.amount, ?, ? \
            FROM unnest(?, ?, ?) AS spent (entry_id, id, amount) \
            ON CONFLICT (order_id, gift_card_id, kind) DO NOTHING RETURNING gift_card_id, amount_minor \
        ), repaid AS ( \
            UPDATE @.gift_cards AS card SET balance_minor = card.balance_minor + entered.amount_minor, updated_at = ? \
            FROM entered WHERE card.id = entered.gift_card_id \
        ) \
        SELECT true AS done";
    let of_order = || Bind::Uuid(order.uuid());
    rules::share(connection)?;
    Statement::new(SCHEMA, FIRST, [of_order()]).execute(connection)?;
    for lock in [LOCK, LOCK_CODES, LOCK_CUSTOMERS] {
        let _: Vec<Done> = Statement::new(SCHEMA, lock, [of_order()]).load(connection)?;
    }
    let _: Done = Statement::new(SCHEMA, UNUSE, [of_order()]).get_result(connection)?;
    let spent: Vec<Spent> = Statement::new(SCHEMA, SPENT, [of_order()]).load(connection)?;
    if spent.is_empty() {
        return Ok(());
    }
    let binds = [
        of_order(),
        Bind::Time(now),
        // The ledger is in the order of its ids.
        Bind::Uuids(spent.iter().map(|_| Uuid::now_v7()).collect()),
        Bind::Uuids(spent.iter().map(|spent| spent.id).collect()),
        Bind::BigInts(spent.iter().map(|spent| spent.amount).collect()),
        Bind::Time(now),
    ];
    let _: Done = Statement::new(SCHEMA, REPAY, binds).get_result(connection)?;
    Ok(())
}

/// What an order has paid with a gift card.
#[derive(QueryableByName)]
struct Spent {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    amount: i64,
}

#[derive(QueryableByName)]
struct Done {
    #[diesel(sql_type = Bool)]
    done: bool,
}

/// Another order of the same user at the same moment waits here, and hears that it is not the first.
fn claim_first_order(connection: &mut PgConnection, claims: &Claims) -> QueryResult<bool> {
    const SQL: &str = "INSERT INTO @.first_orders (user_id, order_id) VALUES (?, ?) ON CONFLICT (user_id) DO NOTHING";
    let Some(user) = claims.first_order_of else {
        return Ok(true);
    };
    let binds = [Bind::Uuid(user.uuid()), Bind::Uuid(claims.order.uuid())];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

fn claim_promotions(connection: &mut PgConnection, claims: &Claims) -> QueryResult<bool> {
    const SQL: &str = "WITH wanted AS MATERIALIZED ( \
            SELECT * FROM unnest(?, ?) AS wanted (id, amount) \
        ), limited AS MATERIALIZED ( \
            SELECT promotion.id FROM @.promotions AS promotion JOIN wanted ON wanted.id = promotion.id \
            WHERE promotion.usage_limit IS NOT NULL OR promotion.budget_minor IS NOT NULL \
            ORDER BY promotion.id FOR NO KEY UPDATE OF promotion \
        ), claimed AS ( \
            UPDATE @.promotions AS promotion SET uses = promotion.uses + 1, spent_minor = promotion.spent_minor \
                + CASE WHEN promotion.budget_currency = ? THEN wanted.amount ELSE 0 END \
            FROM limited JOIN wanted ON wanted.id = limited.id \
            WHERE promotion.id = limited.id \
                AND coalesce(promotion.uses < promotion.usage_limit, true) \
                AND coalesce(promotion.spent_minor + wanted.amount <= promotion.budget_minor, true) \
            RETURNING promotion.id \
        ) \
        SELECT (SELECT count(*) FROM limited) = (SELECT count(*) FROM claimed) AS done";
    if claims.promotions.is_empty() {
        return Ok(true);
    }
    let binds = [
        Bind::Uuids(claims.promotions.iter().map(|(id, ..)| id.uuid()).collect()),
        Bind::BigInts(claims.promotions.iter().map(|(.., amount)| *amount).collect()),
        Bind::Text(claims.currency.code().to_owned()),
    ];
    let claimed: Done = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(claimed.done)
}

/// A code that is gone meanwhile counts as used up. Codes without a limit are not written, so that orders with the same one do
/// not wait for each other.
fn claim_codes(connection: &mut PgConnection, claims: &Claims) -> QueryResult<bool> {
    const SQL: &str = "WITH wanted AS MATERIALIZED ( \
            SELECT * FROM unnest(?, ?) AS wanted (code, promotion_id) \
        ), present AS MATERIALIZED ( \
            SELECT code.code, code.usage_limit FROM @.promotion_codes AS code \
            JOIN wanted ON wanted.code = code.code AND wanted.promotion_id = code.promotion_id \
        ), held AS MATERIALIZED ( \
            SELECT code.code FROM @.promotion_codes AS code JOIN present ON present.code = code.code \
            WHERE present.usage_limit IS NOT NULL ORDER BY code.code FOR NO KEY UPDATE OF code \
        ), claimed AS ( \
            UPDATE @.promotion_codes AS code SET uses = code.uses + 1 FROM held \
            WHERE code.code = held.code AND code.uses < code.usage_limit RETURNING code.code \
        ) \
        SELECT (SELECT count(*) FROM claimed) + (SELECT count(*) FROM present WHERE usage_limit IS NULL) = ? AS done";
    let asked = claims.promotions.iter();
    let asked = asked.filter_map(|(promotion, code, _)| Some((code.clone()?, promotion.uuid())));
    let (codes, promotions): (Vec<String>, Vec<Uuid>) = asked.unzip();
    let Ok(count @ 1..) = i64::try_from(codes.len()) else {
        return Ok(true);
    };
    let binds = [Bind::Texts(codes), Bind::Uuids(promotions), Bind::BigInt(count)];
    let claimed: Done = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(claimed.done)
}

fn count_uses(connection: &mut PgConnection, claims: &Claims) -> QueryResult<bool> {
    const SQL: &str = "WITH wanted AS MATERIALIZED ( \
            SELECT * FROM unnest(?, ?, ?) AS wanted (promotion_id, code, amount) \
        ), used AS ( \
            INSERT INTO @.promotion_uses (order_id, promotion_id, code, customer, amount_minor, currency, used_at) \
            SELECT ?, promotion_id, code, ?, amount, ?, ? FROM wanted \
        ), counted AS ( \
            INSERT INTO @.promotion_customers AS customer (promotion_id, customer, uses) \
            SELECT promotion_id, ?, 1 FROM wanted ORDER BY promotion_id \
            ON CONFLICT (promotion_id, customer) DO UPDATE SET uses = customer.uses + 1 \
            WHERE coalesce(customer.uses < (SELECT promotion.usage_limit_per_customer FROM @.promotions AS promotion \
                WHERE promotion.id = customer.promotion_id), true) \
            RETURNING customer.promotion_id \
        ) \
        SELECT (SELECT count(*) FROM wanted) = (SELECT count(*) FROM counted) AS done";
    if claims.promotions.is_empty() {
        return Ok(true);
    }
    let promotions = || claims.promotions.iter();
    let binds = [
        Bind::Uuids(promotions().map(|(id, ..)| id.uuid()).collect()),
        Bind::NullableTexts(promotions().map(|(_, code, _)| code.clone()).collect()),
        Bind::BigInts(promotions().map(|(.., amount)| *amount).collect()),
        Bind::Uuid(claims.order.uuid()),
        Bind::Text(claims.customer.clone()),
        Bind::Text(claims.currency.code().to_owned()),
        Bind::Time(claims.now),
        Bind::Text(claims.customer.clone()),
    ];
    let counted: Done = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(counted.done)
}

fn spend(connection: &mut PgConnection, claims: &Claims) -> QueryResult<bool> {
    const SQL: &str = "WITH wanted AS MATERIALIZED ( \
            SELECT * FROM unnest(?, ?, ?) AS wanted (id, amount, entry_id) \
        ), held AS MATERIALIZED ( \
            SELECT card.id, wanted.amount, wanted.entry_id FROM @.gift_cards AS card JOIN wanted ON wanted.id = card.id \
            ORDER BY card.id FOR NO KEY UPDATE OF card \
        ), paid AS ( \
            UPDATE @.gift_cards AS card SET balance_minor = card.balance_minor - held.amount, updated_at = ? FROM held \
            WHERE card.id = held.id AND card.balance_minor >= held.amount AND card.enabled \
                AND coalesce(card.expires_at > ?, true) AND card.currency = ? \
            RETURNING card.id, held.amount, held.entry_id \
        ), entered AS ( \
            INSERT INTO @.gift_card_entries (id, gift_card_id, kind, amount_minor, order_id, created_at) \
            SELECT entry_id, id, 'spent', -amount, ?, ? FROM paid \
        ) \
        SELECT (SELECT count(*) FROM wanted) = (SELECT count(*) FROM paid) AS done";
    if claims.cards.is_empty() {
        return Ok(true);
    }
    let binds = [
        Bind::Uuids(claims.cards.iter().map(|(id, _)| id.uuid()).collect()),
        Bind::BigInts(claims.cards.iter().map(|(_, amount)| *amount).collect()),
        Bind::Uuids(claims.cards.iter().map(|_| Uuid::now_v7()).collect()),
        Bind::Time(claims.now),
        Bind::Time(claims.now),
        Bind::Text(claims.currency.code().to_owned()),
        Bind::Uuid(claims.order.uuid()),
        Bind::Time(claims.now),
    ];
    let paid: Done = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(paid.done)
}
