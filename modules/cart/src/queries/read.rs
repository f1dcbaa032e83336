//! Carts as they are read.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Json;
use kernel::address::Address;
use kernel::id::{CartId, GiftCardId, ShippingMethodId, UserId};
use kernel::{Currency, Money};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::rules::content_of;
use super::unreadable;
use crate::domain::{Cart, Facts, Item, ItemProblem, Known, Priced, Status, price};
use crate::schema::{carts, items, rules};

/// A cart, and the revision of the shop's rules at that moment.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) cart: Cart,
    pub(crate) revision: i64,
}

/// The cart, with its lines; as it stands at `now`.
pub(crate) fn find(connection: &mut PgConnection, id: CartId, now: DateTime<Utc>) -> QueryResult<Option<Cart>> {
    let found = find_all(connection, &[(id, now)])?.pop().flatten();
    Ok(found.map(|found| found.cart))
}

/// Carts with their lines, each as it stands at its time, by one statement.
pub(crate) fn find_all(
    connection: &mut PgConnection,
    wanted: &[(CartId, DateTime<Utc>)],
) -> QueryResult<Vec<Option<Found>>> {
    let (revision, carts) = find_here(connection, wanted)?;
    let found = |cart: Option<Cart>| cart.map(|cart| Found { cart, revision });
    Ok(carts.into_iter().map(found).collect())
}

/// The revision of the shop's rules, and those of `wanted` that are here, by one statement: what has to be known of carts that
/// may be kept elsewhere.
pub(crate) fn find_here(
    connection: &mut PgConnection,
    wanted: &[(CartId, DateTime<Utc>)],
) -> QueryResult<(i64, Vec<Option<Cart>>)> {
    // One row per cart: joined with its lines, it would be sent once for each of them.
    let lines = sql::<Json>(
        "(SELECT coalesce(json_agg(item ORDER BY item.id), '[]') FROM carts.items AS item \
          WHERE item.cart_id = carts.carts.id)",
    );
    let ids: Vec<Uuid> = wanted.iter().map(|(id, _)| id.uuid()).collect();
    let rows: Vec<(i64, Option<CartRow>, Value)> = rules::table
        .left_join(carts::table.on(carts::id.eq_any(ids)))
        .select((rules::revision, Option::<CartRow>::as_select(), lines))
        .load(connection)?;
    let revision = rows.first().map_or(0, |(revision, ..)| *revision);
    let mut found: HashMap<Uuid, (CartRow, Vec<ItemRow>)> = HashMap::with_capacity(rows.len());
    for (_, row, lines) in rows {
        if let Some(row) = row {
            found.insert(row.id, (row, content_of(lines)?));
        }
    }
    let cart = |(id, now): &(CartId, DateTime<Utc>)| match found.get(&id.uuid()) {
        Some((row, lines)) => row.clone().into_cart(lines.clone(), *now).map(Some),
        None => Ok(None),
    };
    let carts = wanted.iter().map(cart).collect::<QueryResult<_>>()?;
    Ok((revision, carts))
}

/// Locks the carts `ids` in the order of their ids, so that two requests for the same pair cannot block each other, and
/// then reads them: what is read was not there before the lock.
pub(crate) fn lock(connection: &mut PgConnection, ids: &[CartId], now: DateTime<Utc>) -> QueryResult<Vec<Cart>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows: Vec<CartRow> = carts::table
        .filter(carts::id.eq_any(ids))
        .order(carts::id)
        .for_update()
        .select(CartRow::as_select())
        .load(connection)?;
    with_items(connection, rows, now)
}

/// The newest open cart of `user`.
pub(crate) fn current(connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<Option<Found>> {
    let row: Option<(CartRow, i64)> = carts::table
        .inner_join(rules::table.on(rules::id))
        .filter(carts::user_id.eq(user.uuid()))
        .filter(carts::status.eq(Status::Open.name()))
        .filter(carts::expires_at.gt(now))
        .order(carts::id.desc())
        .select((CartRow::as_select(), rules::revision))
        .first(connection)
        .optional()?;
    let Some((row, revision)) = row else {
        return Ok(None);
    };
    let cart = with_items(connection, vec![row], now)?.pop();
    Ok(cart.map(|cart| Found { cart, revision }))
}

/// At most `limit` carts of `user`, newest first, older than `before`.
pub(crate) fn of_user(
    connection: &mut PgConnection,
    user: UserId,
    before: Option<CartId>,
    limit: i64,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Cart>> {
    let newest = CartId::from(Uuid::max());
    let rows: Vec<CartRow> = carts::table
        .filter(carts::user_id.eq(user.uuid()))
        .filter(carts::id.lt(before.unwrap_or(newest).uuid()))
        .order(carts::id.desc())
        .limit(limit)
        .select(CartRow::as_select())
        .load(connection)?;
    with_items(connection, rows, now)
}

/// Which carts staff want to see.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CartFilter {
    /// By its name; `open` carts whose time is over are `expired`.
    pub(crate) status: Option<&'static str>,
    pub(crate) user: Option<UserId>,
}

/// At most `limit` carts of everybody, newest first, older than `before`.
pub(crate) fn page(
    connection: &mut PgConnection,
    filter: CartFilter,
    before: Option<CartId>,
    limit: i64,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Cart>> {
    let newest = CartId::from(Uuid::max());
    let mut query = carts::table
        .filter(carts::id.lt(before.unwrap_or(newest).uuid()))
        .order(carts::id.desc())
        .limit(limit)
        .select(CartRow::as_select())
        .into_boxed();
    if let Some(user) = filter.user {
        query = query.filter(carts::user_id.eq(user.uuid()));
    }
    let is_over = carts::status.eq("open").and(carts::expires_at.le(now));
    query = match filter.status {
        None => query,
        Some("expired") => query.filter(carts::status.eq("expired").or(is_over)),
        Some("open") => query.filter(carts::status.eq("open")).filter(carts::expires_at.gt(now)),
        Some(status) => query.filter(carts::status.eq(status)),
    };
    let rows = query.load(connection)?;
    with_items(connection, rows, now)
}

/// At most `limit` carts that an order holds, in the order of their ids, after `after`, each with its snapshot.
pub(crate) fn taken_by_orders(
    connection: &mut PgConnection,
    after: Option<CartId>,
    limit: i64,
    now: DateTime<Utc>,
) -> QueryResult<Vec<(Cart, Option<Value>)>> {
    let rows: Vec<(CartRow, Option<Value>)> = carts::table
        .filter(carts::status.eq_any(["checkout", "completed"]))
        .filter(carts::id.gt(after.map_or(Uuid::nil(), CartId::uuid)))
        .order(carts::id)
        .limit(limit)
        .select((CartRow::as_select(), carts::snapshot))
        .load(connection)?;
    let (rows, snapshots): (Vec<CartRow>, Vec<Option<Value>>) = rows.into_iter().unzip();
    Ok(with_items(connection, rows, now)?.into_iter().zip(snapshots).collect())
}

/// The carts of `rows` in the same order, with their lines.
fn with_items(connection: &mut PgConnection, rows: Vec<CartRow>, now: DateTime<Utc>) -> QueryResult<Vec<Cart>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let found: Vec<(Uuid, ItemRow)> = items::table
        .filter(items::cart_id.eq_any(ids))
        .order(items::id)
        .select((items::cart_id, ItemRow::as_select()))
        .load(connection)?;
    let mut by_cart: HashMap<Uuid, Vec<ItemRow>> = HashMap::new();
    for (cart, item) in found {
        by_cart.entry(cart).or_default().push(item);
    }
    rows.into_iter()
        .map(|row| {
            let lines = by_cart.remove(&row.id).unwrap_or_default();
            row.into_cart(lines, now)
        })
        .collect()
}

#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = carts)]
struct CartRow {
    id: Uuid,
    user_id: Option<Uuid>,
    status: String,
    order_id: Option<Uuid>,
    merged_into: Option<Uuid>,
    version: i64,
    currency: String,
    email: Option<String>,
    shipping_address: Option<Value>,
    billing_address: Option<Value>,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    locale: String,
    shipping_method_id: Option<Uuid>,
    tax_number: Option<String>,
    promotion_codes: Vec<String>,
    gift_card_ids: Vec<Uuid>,
    uses_store_credit: bool,
    prices: Option<Value>,
    touched_at: DateTime<Utc>,
    gave: Option<Value>,
    share_number: i32,
}

#[derive(Clone, Queryable, Selectable, Deserialize)]
#[diesel(table_name = items)]
struct ItemRow {
    id: Uuid,
    variant_id: Uuid,
    product_id: Uuid,
    sku: Option<String>,
    title: String,
    variant_title: String,
    image_url: Option<String>,
    quantity: i32,
    unit_price_minor: i64,
    accepted_price_minor: i64,
    problem: Option<String>,
    available: Option<i64>,
    traits: Value,
}

impl CartRow {
    fn into_cart(self, lines: Vec<ItemRow>, now: DateTime<Utc>) -> QueryResult<Cart> {
        let status = self.status(now)?;
        let currency: Currency = self.currency.parse().map_err(unreadable)?;
        let items = lines.into_iter().map(|line| line.into_item(currency));
        let mut cart = Cart {
            id: self.id.into(),
            user: self.user_id.map(UserId::from),
            status,
            version: self.version,
            currency,
            locale: self.locale.parse().map_err(unreadable)?,
            email: self.email,
            shipping_address: address(self.shipping_address)?,
            billing_address: address(self.billing_address)?,
            tax_number: self.tax_number,
            shipping_method: self.shipping_method_id.map(ShippingMethodId::from),
            promotion_codes: self.promotion_codes,
            gift_cards: self.gift_card_ids.into_iter().map(GiftCardId::from).collect(),
            uses_store_credit: self.uses_store_credit,
            priced: Priced::nothing(currency),
            items: items.collect::<QueryResult<_>>()?,
            expires_at: self.expires_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
            touched_at: self.touched_at,
            gave: self.gave.map(content_of).transpose()?,
            share_number: self.share_number,
            aside: None,
        };
        cart.priced = match self.prices {
            Some(prices) => content_of(prices)?,
            // Written before prices were kept, when there were no rules.
            None => price(&cart, &Facts::without_rules(now), &Known::default()).map_err(unreadable)?,
        };
        Ok(cart)
    }

    /// The status at `now`: an open cart has expired when its time is over, whether or not the job has been there.
    fn status(&self, now: DateTime<Utc>) -> QueryResult<Status> {
        match (self.status.as_str(), self.order_id, self.merged_into) {
            ("open", ..) if self.expires_at <= now => Ok(Status::Expired),
            ("open", ..) => Ok(Status::Open),
            ("checkout", Some(order), _) => Ok(Status::Checkout(order.into())),
            ("completed", Some(order), _) => Ok(Status::Completed(order.into())),
            ("merged", _, Some(cart)) => Ok(Status::Merged(cart.into())),
            ("expired", ..) => Ok(Status::Expired),
            (unknown, ..) => Err(unreadable(format!("cart {} has the status `{unknown}`", self.id))),
        }
    }
}

impl ItemRow {
    fn into_item(self, currency: Currency) -> QueryResult<Item> {
        let problem = match (self.problem.as_deref(), self.available) {
            (None, _) => None,
            (Some("insufficient_stock"), Some(available)) => Some(ItemProblem::InsufficientStock { available }),
            (Some("not_for_sale"), _) => Some(ItemProblem::NotForSale),
            (Some(unknown), _) => return Err(unreadable(format!("item {} has the problem `{unknown}`", self.id))),
        };
        Ok(Item {
            id: self.id.into(),
            variant: self.variant_id.into(),
            product: self.product_id.into(),
            sku: self.sku,
            title: self.title,
            variant_title: self.variant_title,
            image_url: self.image_url,
            quantity: self.quantity.into(),
            unit_price: Money::new(self.unit_price_minor, currency),
            accepted_price: Money::new(self.accepted_price_minor, currency),
            problem,
            traits: content_of(self.traits)?,
        })
    }
}

fn address(value: Option<Value>) -> QueryResult<Option<Address>> {
    value
        .map(|value| serde_json::from_value(value).map_err(unreadable))
        .transpose()
}
