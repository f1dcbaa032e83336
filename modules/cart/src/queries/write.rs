//! Carts as they are written: a cart and its lines in one statement, at the version that was seen. On the hot path of
//! adding to a cart and of placing an order, and therefore of constant text, prepared once per connection.

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::Error;
use diesel::serialize::ToSql;
use diesel::sql_types::{
    Array, BigInt, Bool, HasSqlType, Integer, Json, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use kernel::id::{CartId, ItemId, OrderId, ShippingMethodId, UserId};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{Cart, Item, ItemProblem, Status};
use crate::schema::carts;

/// Stores a new cart.
pub(crate) fn insert(connection: &mut PgConnection, cart: &Cart) -> QueryResult<()> {
    let statement = Insert {
        id: cart.id.uuid(),
        user: cart.user.map(UserId::uuid),
        prices: json(&cart.priced)?,
        cart,
        lines: Lines::of(cart.items.iter())?,
    };
    statement.get_result::<Uuid>(connection).map(drop)
}

/// Stores a cart that was kept elsewhere until now, as it is; where it is here already, nothing happens.
pub(crate) fn place(connection: &mut PgConnection, cart: &Cart) -> QueryResult<()> {
    let released = cart.aside.iter().flat_map(|aside| &aside.released_orders);
    let statement = Place {
        released: released.map(|order| order.uuid()).collect(),
        user: cart.user.map(UserId::uuid),
        save: saving(cart, cart.items.iter())?,
    };
    statement.get_result::<Uuid>(connection).optional().map(drop)
}

/// Writes `cart` over `seen`, unless somebody else has written it meanwhile: then nothing is written, and the answer is
/// `false`.
pub(crate) fn save(connection: &mut PgConnection, seen: &Cart, cart: &Cart) -> QueryResult<bool> {
    write(connection, seen, cart, None)
}

/// Writes `cart`, locked by an order that takes it over as `snapshot`, over `seen`. `false` also where the order has given
/// the cart back before.
pub(crate) fn save_for_order(
    connection: &mut PgConnection,
    seen: &Cart,
    cart: &Cart,
    snapshot: &str,
) -> QueryResult<bool> {
    let snapshot = serde_json::from_str(snapshot).map_err(|error| Error::SerializationError(error.into()))?;
    write(connection, seen, cart, Some(snapshot))
}

/// Removes a cart and its lines.
pub(crate) fn delete(connection: &mut PgConnection, id: CartId) -> QueryResult<()> {
    diesel::delete(carts::table.find(id.uuid()))
        .execute(connection)
        .map(drop)
}

/// The same, unless somebody has written the cart since it was seen.
pub(crate) fn delete_seen(connection: &mut PgConnection, seen: &Cart) -> QueryResult<bool> {
    let gone = diesel::delete(carts::table.find(seen.id.uuid()))
        .filter(carts::version.eq(seen.version))
        .execute(connection)?;
    Ok(gone == 1)
}

fn write(connection: &mut PgConnection, seen: &Cart, cart: &Cart, snapshot: Option<Value>) -> QueryResult<bool> {
    let before: HashMap<ItemId, &Item> = seen.items.iter().map(|item| (item.id, item)).collect();
    let changed = cart.items.iter().filter(|item| before.get(&item.id) != Some(item));
    let gone = |old: &&Item| cart.items.iter().all(|item| item.id != old.id);
    let statement = Save {
        seen_version: seen.version,
        snapshot,
        removed: seen.items.iter().filter(gone).map(|item| item.id.uuid()).collect(),
        ..saving(cart, changed)?
    };
    Ok(statement.get_result::<Uuid>(connection).optional()?.is_some())
}

/// All of a cart, with those of its lines that are to be written.
fn saving<'a>(cart: &'a Cart, lines: impl Iterator<Item = &'a Item>) -> QueryResult<Save<'a>> {
    Ok(Save {
        id: cart.id.uuid(),
        seen_version: cart.version,
        cart,
        order: cart.status.order().map(OrderId::uuid),
        merged_into: match cart.status {
            Status::Merged(target) => Some(target.uuid()),
            _ => None,
        },
        snapshot: None,
        shipping_address: cart.shipping_address.as_ref().map(json).transpose()?,
        billing_address: cart.billing_address.as_ref().map(json).transpose()?,
        shipping_method: cart.shipping_method.map(ShippingMethodId::uuid),
        gift_cards: cart.gift_cards.iter().map(|card| card.uuid()).collect(),
        gave: cart.gave.as_ref().map(json).transpose()?,
        prices: json(&cart.priced)?,
        removed: Vec::new(),
        lines: Lines::of(lines)?,
    })
}

struct Insert<'a> {
    id: Uuid,
    user: Option<Uuid>,
    prices: Value,
    cart: &'a Cart,
    lines: Lines<'a>,
}

impl QueryFragment<Pg> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH cart AS (INSERT INTO carts.carts \
             (id, user_id, status, version, currency, locale, prices, expires_at, created_at, updated_at, \
             touched_at)",
        );
        bind::<SqlUuid, _>(&mut out, " VALUES (", &self.id)?;
        bind::<Nullable<SqlUuid>, _>(&mut out, ", ", &self.user)?;
        bind::<Text, _>(&mut out, ", ", self.cart.status.name())?;
        bind::<BigInt, _>(&mut out, ", ", &self.cart.version)?;
        bind::<Text, _>(&mut out, ", ", self.cart.currency.code())?;
        bind::<Text, _>(&mut out, ", ", self.cart.locale.as_str())?;
        bind::<Json, _>(&mut out, ", ", &self.prices)?;
        bind::<Timestamptz, _>(&mut out, ", ", &self.cart.expires_at)?;
        bind::<Timestamptz, _>(&mut out, ", ", &self.cart.created_at)?;
        bind::<Timestamptz, _>(&mut out, ", ", &self.cart.updated_at)?;
        bind::<Timestamptz, _>(&mut out, ", ", &self.cart.touched_at)?;
        out.push_sql(") RETURNING id), ");
        self.lines.walk_ast(out.reborrow())?;
        out.push_sql(" SELECT id FROM cart");
        Ok(())
    }
}

struct Save<'a> {
    id: Uuid,
    seen_version: i64,
    cart: &'a Cart,
    order: Option<Uuid>,
    merged_into: Option<Uuid>,
    snapshot: Option<Value>,
    shipping_address: Option<Value>,
    billing_address: Option<Value>,
    shipping_method: Option<Uuid>,
    gift_cards: Vec<Uuid>,
    gave: Option<Value>,
    prices: Value,
    removed: Vec<Uuid>,
    lines: Lines<'a>,
}

impl QueryFragment<Pg> for Save<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH cart AS (UPDATE carts.carts");
        bind::<BigInt, _>(&mut out, " SET version = ", &self.cart.version)?;
        bind::<Text, _>(&mut out, ", status = ", self.cart.status.name())?;
        bind::<Nullable<SqlUuid>, _>(&mut out, ", order_id = ", &self.order)?;
        bind::<Nullable<SqlUuid>, _>(&mut out, ", merged_into = ", &self.merged_into)?;
        bind::<Nullable<Json>, _>(&mut out, ", snapshot = ", &self.snapshot)?;
        bind::<Nullable<Text>, _>(&mut out, ", email = ", &self.cart.email)?;
        bind::<Nullable<Jsonb>, _>(&mut out, ", shipping_address = ", &self.shipping_address)?;
        bind::<Nullable<Jsonb>, _>(&mut out, ", billing_address = ", &self.billing_address)?;
        bind::<Nullable<SqlUuid>, _>(&mut out, ", shipping_method_id = ", &self.shipping_method)?;
        bind::<Nullable<Text>, _>(&mut out, ", tax_number = ", &self.cart.tax_number)?;
        bind::<Array<Text>, _>(&mut out, ", promotion_codes = ", &self.cart.promotion_codes)?;
        bind::<Array<SqlUuid>, _>(&mut out, ", gift_card_ids = ", &self.gift_cards)?;
        bind::<Bool, _>(&mut out, ", uses_store_credit = ", &self.cart.uses_store_credit)?;
        bind::<Json, _>(&mut out, ", prices = ", &self.prices)?;
        bind::<Timestamptz, _>(&mut out, ", expires_at = ", &self.cart.expires_at)?;
        bind::<Timestamptz, _>(&mut out, ", updated_at = ", &self.cart.updated_at)?;
        bind::<Timestamptz, _>(&mut out, ", touched_at = ", &self.cart.touched_at)?;
        bind::<Nullable<Json>, _>(&mut out, ", gave = ", &self.gave)?;
        bind::<Integer, _>(&mut out, ", share_number = ", &self.cart.share_number)?;
        bind::<SqlUuid, _>(&mut out, " WHERE id = ", &self.id)?;
        bind::<BigInt, _>(&mut out, " AND version = ", &self.seen_version)?;
        // Unknown, and therefore not true, where no order takes the cart.
        bind::<Nullable<SqlUuid>, _>(&mut out, " AND (", &self.order)?;
        out.push_sql(" = ANY (released_order_ids)) IS NOT TRUE RETURNING id), ");
        out.push_sql("removed AS (DELETE FROM carts.items USING cart WHERE items.cart_id = cart.id");
        bind::<Array<SqlUuid>, _>(&mut out, " AND items.id = ANY (", &self.removed)?;
        out.push_sql(")), ");
        self.lines.walk_ast(out.reborrow())?;
        out.push_sql(" SELECT id FROM cart");
        Ok(())
    }
}

struct Place<'a> {
    user: Option<Uuid>,
    released: Vec<Uuid>,
    save: Save<'a>,
}

impl QueryFragment<Pg> for Place<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { user, released, save } = self;
        out.push_sql(
            "WITH cart AS (INSERT INTO carts.carts \
             (id, user_id, status, merged_into, version, currency, locale, email, shipping_address, billing_address, \
             shipping_method_id, tax_number, promotion_codes, gift_card_ids, uses_store_credit, prices, expires_at, \
             created_at, updated_at, touched_at, gave, share_number, released_order_ids, left_at)",
        );
        bind::<SqlUuid, _>(&mut out, " VALUES (", &save.id)?;
        bind::<Nullable<SqlUuid>, _>(&mut out, ", ", user)?;
        bind::<Text, _>(&mut out, ", ", save.cart.status.name())?;
        bind::<Nullable<SqlUuid>, _>(&mut out, ", ", &save.merged_into)?;
        bind::<BigInt, _>(&mut out, ", ", &save.cart.version)?;
        bind::<Text, _>(&mut out, ", ", save.cart.currency.code())?;
        bind::<Text, _>(&mut out, ", ", save.cart.locale.as_str())?;
        bind::<Nullable<Text>, _>(&mut out, ", ", &save.cart.email)?;
        bind::<Nullable<Jsonb>, _>(&mut out, ", ", &save.shipping_address)?;
        bind::<Nullable<Jsonb>, _>(&mut out, ", ", &save.billing_address)?;
        bind::<Nullable<SqlUuid>, _>(&mut out, ", ", &save.shipping_method)?;
        bind::<Nullable<Text>, _>(&mut out, ", ", &save.cart.tax_number)?;
        bind::<Array<Text>, _>(&mut out, ", ", &save.cart.promotion_codes)?;
        bind::<Array<SqlUuid>, _>(&mut out, ", ", &save.gift_cards)?;
        bind::<Bool, _>(&mut out, ", ", &save.cart.uses_store_credit)?;
        bind::<Json, _>(&mut out, ", ", &save.prices)?;
        bind::<Timestamptz, _>(&mut out, ", ", &save.cart.expires_at)?;
        bind::<Timestamptz, _>(&mut out, ", ", &save.cart.created_at)?;
        bind::<Timestamptz, _>(&mut out, ", ", &save.cart.updated_at)?;
        bind::<Timestamptz, _>(&mut out, ", ", &save.cart.touched_at)?;
        bind::<Nullable<Json>, _>(&mut out, ", ", &save.gave)?;
        bind::<Integer, _>(&mut out, ", ", &save.cart.share_number)?;
        bind::<Array<SqlUuid>, _>(&mut out, ", ", released)?;
        // Others have been told already that it was left behind as it is.
        bind::<SqlUuid, _>(
            &mut out,
            ", (SELECT told.touched_at FROM carts.told_carts AS told WHERE told.cart_id = ",
            &save.id,
        )?;
        out.push_sql(")) ON CONFLICT (id) DO NOTHING RETURNING id), ");
        save.lines.walk_ast(out.reborrow())?;
        out.push_sql(" SELECT id FROM cart");
        Ok(())
    }
}

/// Lines to insert or to write over those with the same ids, column by column: one text for any number of lines.
#[derive(Default)]
struct Lines<'a> {
    ids: Vec<Uuid>,
    variants: Vec<Uuid>,
    products: Vec<Uuid>,
    skus: Vec<Option<&'a str>>,
    titles: Vec<&'a str>,
    variant_titles: Vec<&'a str>,
    image_urls: Vec<Option<&'a str>>,
    quantities: Vec<i32>,
    unit_prices: Vec<i64>,
    accepted_prices: Vec<i64>,
    problems: Vec<Option<&'static str>>,
    availables: Vec<Option<i64>>,
    traits: Vec<Value>,
}

impl<'a> Lines<'a> {
    fn of(items: impl Iterator<Item = &'a Item>) -> QueryResult<Self> {
        let mut lines = Self::default();
        for item in items {
            lines.push(item)?;
        }
        Ok(lines)
    }

    fn push(&mut self, item: &'a Item) -> QueryResult<()> {
        let quantity = i32::try_from(item.quantity).map_err(|error| Error::SerializationError(error.into()))?;
        let (problem, available) = match item.problem {
            None => (None, None),
            Some(ItemProblem::NotForSale) => (Some("not_for_sale"), None),
            Some(ItemProblem::InsufficientStock { available }) => (Some("insufficient_stock"), Some(available)),
        };
        self.ids.push(item.id.uuid());
        self.variants.push(item.variant.uuid());
        self.products.push(item.product.uuid());
        self.skus.push(item.sku.as_deref());
        self.titles.push(&item.title);
        self.variant_titles.push(&item.variant_title);
        self.image_urls.push(item.image_url.as_deref());
        self.quantities.push(quantity);
        self.unit_prices.push(item.unit_price.amount);
        self.accepted_prices.push(item.accepted_price.amount);
        self.problems.push(problem);
        self.availables.push(available);
        self.traits.push(json(&item.traits)?);
        Ok(())
    }
}

impl QueryFragment<Pg> for Lines<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "written AS (INSERT INTO carts.items (cart_id, id, variant_id, product_id, sku, title, variant_title, \
             image_url, quantity, unit_price_minor, accepted_price_minor, problem, available, traits) \
             SELECT cart.id, line.* FROM cart, unnest(",
        );
        bind::<Array<SqlUuid>, _>(&mut out, "", &self.ids)?;
        bind::<Array<SqlUuid>, _>(&mut out, ", ", &self.variants)?;
        bind::<Array<SqlUuid>, _>(&mut out, ", ", &self.products)?;
        bind::<Array<Nullable<Text>>, _>(&mut out, ", ", &self.skus)?;
        bind::<Array<Text>, _>(&mut out, ", ", &self.titles)?;
        bind::<Array<Text>, _>(&mut out, ", ", &self.variant_titles)?;
        bind::<Array<Nullable<Text>>, _>(&mut out, ", ", &self.image_urls)?;
        bind::<Array<Integer>, _>(&mut out, ", ", &self.quantities)?;
        bind::<Array<BigInt>, _>(&mut out, ", ", &self.unit_prices)?;
        bind::<Array<BigInt>, _>(&mut out, ", ", &self.accepted_prices)?;
        bind::<Array<Nullable<Text>>, _>(&mut out, ", ", &self.problems)?;
        bind::<Array<Nullable<BigInt>>, _>(&mut out, ", ", &self.availables)?;
        bind::<Array<Json>, _>(&mut out, ", ", &self.traits)?;
        out.push_sql(
            ") AS line ON CONFLICT (id) DO UPDATE SET product_id = excluded.product_id, sku = excluded.sku, \
             title = excluded.title, variant_title = excluded.variant_title, image_url = excluded.image_url, \
             quantity = excluded.quantity, unit_price_minor = excluded.unit_price_minor, \
             accepted_price_minor = excluded.accepted_price_minor, problem = excluded.problem, \
             available = excluded.available, traits = excluded.traits)",
        );
        Ok(())
    }
}

impl QueryId for Insert<'_> {
    type QueryId = Insert<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Insert<'_> {
    type SqlType = SqlUuid;
}

impl<C> RunQueryDsl<C> for Insert<'_> {}

impl QueryId for Place<'_> {
    type QueryId = Place<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Place<'_> {
    type SqlType = SqlUuid;
}

impl<C> RunQueryDsl<C> for Place<'_> {}

impl QueryId for Save<'_> {
    type QueryId = Save<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Save<'_> {
    type SqlType = SqlUuid;
}

impl<C> RunQueryDsl<C> for Save<'_> {}

/// Some text and the value that follows it.
fn bind<'b, T, U>(out: &mut AstPass<'_, 'b, Pg>, text: &str, value: &'b U) -> QueryResult<()>
where
    Pg: HasSqlType<T>,
    U: ToSql<T, Pg> + ?Sized,
{
    out.push_sql(text);
    out.push_bind_param::<T, U>(value)
}

fn json(content: &impl Serialize) -> QueryResult<Value> {
    serde_json::to_value(content).map_err(|error| Error::SerializationError(error.into()))
}
