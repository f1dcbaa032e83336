//! What the price of a cart depends on beside the cart and the rules: what is left of promotions, codes and gift cards, and
//! what the buyer has done before.

use std::collections::HashMap;

use cart_pricing::Allowance;
use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::Text;
use kernel::Currency;
use kernel::id::{CartId, GiftCardId};
use serde::Deserialize;
use uuid::Uuid;

use super::unreadable;
use crate::SCHEMA;
use crate::domain::{Cart, Facts, Known, KnownCard, KnownCode, Question};
use crate::schema::gift_cards;

/// What has to be known before `cart` can be priced, by one statement where anything has to be.
pub(crate) fn known(connection: &mut PgConnection, cart: &Cart, facts: &Facts) -> QueryResult<Known> {
    match facts.question(cart) {
        Some(question) => ask(connection, cart.id, question),
        None => Ok(Known::default()),
    }
}

/// A gift card with money of `currency` that can be used at `now`, by the hash of its code.
pub(crate) fn gift_card(
    connection: &mut PgConnection,
    code_hash: Vec<u8>,
    currency: Currency,
    now: DateTime<Utc>,
) -> QueryResult<Option<GiftCardId>> {
    let is_valid = gift_cards::expires_at
        .is_null()
        .or(gift_cards::expires_at.gt(now).assume_not_null());
    let found: Option<Uuid> = gift_cards::table
        .filter(gift_cards::code_hash.eq(code_hash))
        .filter(gift_cards::currency.eq(currency.code()))
        .filter(gift_cards::enabled)
        .filter(gift_cards::balance_minor.gt(0))
        .filter(is_valid)
        .select(gift_cards::id)
        .first(connection)
        .optional()?;
    Ok(found.map(GiftCardId::from))
}

fn ask(connection: &mut PgConnection, cart: CartId, question: Question) -> QueryResult<Known> {
    const SQL: &str = "SELECT json_build_object( \
        'codes', (SELECT json_agg(json_build_object('code', code.code, 'promotion', code.promotion_id, \
                'is_used_up', coalesce(code.uses >= code.usage_limit, false))) \
            FROM @.promotion_codes AS code WHERE code.code = ANY (?)), \
        'promotions', (SELECT json_agg(json_build_object('id', promotion.id, \
                'is_used_up', coalesce(promotion.uses >= promotion.usage_limit, false), \
                'is_used_up_by_buyer', coalesce(customer.uses >= promotion.usage_limit_per_customer, false), \
                'budget_left', CASE WHEN promotion.budget_currency = ? \
                    THEN promotion.budget_minor - promotion.spent_minor \
                    ELSE 0 * promotion.budget_minor END)) \
            FROM @.promotions AS promotion \
            LEFT JOIN @.promotion_customers AS customer \
                ON customer.promotion_id = promotion.id AND customer.customer = ? \
            WHERE promotion.id = ANY (?) \
                OR promotion.id IN (SELECT code.promotion_id FROM @.promotion_codes AS code WHERE code.code = ANY (?))), \
        'cards', (SELECT json_agg(json_build_object('id', card.id, 'last_characters', card.last_characters, \
                'currency', card.currency, \
                'balance', CASE WHEN card.enabled AND coalesce(card.expires_at > ?, true) THEN card.balance_minor ELSE 0 END)) \
            FROM @.gift_cards AS card \
            WHERE card.id = ANY (?) OR (card.user_id = ? AND card.currency = ?)), \
        'has_ordered', EXISTS ( \
            SELECT FROM @.carts AS cart WHERE cart.user_id = ? AND cart.status IN ('checkout', 'completed') \
                AND cart.id <> ?) \
            OR EXISTS (SELECT FROM @.first_orders AS first_order WHERE first_order.user_id = ?) \
        )::text AS answer";
    let user = question.user.map(Uuid::from);
    let currency = question.currency.code().to_owned();
    let binds = [
        Bind::Texts(question.codes.clone()),
        Bind::Text(currency.clone()),
        Bind::Text(question.customer),
        Bind::Uuids(question.limited.into_iter().map(Uuid::from).collect()),
        Bind::Texts(question.codes),
        Bind::Time(question.now),
        Bind::Uuids(question.cards.into_iter().map(Uuid::from).collect()),
        Bind::NullableUuid(user.filter(|_| question.uses_store_credit)),
        Bind::Text(currency),
        Bind::NullableUuid(user),
        Bind::Uuid(cart.uuid()),
        Bind::NullableUuid(user),
    ];
    let row: AnswerRow = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    let answer: Answer = serde_json::from_str(&row.answer).map_err(unreadable)?;
    answer.into_known()
}

#[derive(QueryableByName)]
struct AnswerRow {
    #[diesel(sql_type = Text)]
    answer: String,
}

/// Lists are `null` where they would be empty.
#[derive(Deserialize)]
struct Answer {
    codes: Option<Vec<CodeRow>>,
    promotions: Option<Vec<PromotionRow>>,
    cards: Option<Vec<CardRow>>,
    has_ordered: bool,
}

#[derive(Deserialize)]
struct CodeRow {
    code: String,
    promotion: Uuid,
    is_used_up: bool,
}

#[derive(Deserialize)]
struct PromotionRow {
    id: Uuid,
    is_used_up: bool,
    is_used_up_by_buyer: bool,
    budget_left: Option<i64>,
}

#[derive(Deserialize)]
struct CardRow {
    id: Uuid,
    last_characters: Option<String>,
    currency: String,
    balance: i64,
}

impl Answer {
    fn into_known(self) -> QueryResult<Known> {
        let mut known = Known {
            has_ordered: self.has_ordered,
            ..Known::default()
        };
        for row in self.codes.into_iter().flatten() {
            let code = KnownCode {
                promotion: row.promotion.into(),
                is_used_up: row.is_used_up,
            };
            known.codes.insert(row.code, code);
        }
        let allowances = self.promotions.into_iter().flatten().map(|row| {
            let allowance = Allowance {
                is_used_up: row.is_used_up,
                is_used_up_by_buyer: row.is_used_up_by_buyer,
                budget_left: row.budget_left.map(|left| left.max(0)),
            };
            (row.id.into(), allowance)
        });
        known.allowances = allowances.collect::<HashMap<_, _>>();
        for row in self.cards.into_iter().flatten() {
            let id = GiftCardId::from(row.id);
            if row.last_characters.is_none() {
                known.credit = Some(id);
            }
            let card = KnownCard {
                last_characters: row.last_characters,
                currency: row.currency.parse().map_err(unreadable)?,
                balance: row.balance,
            };
            known.cards.insert(id, card);
        }
        Ok(known)
    }
}
