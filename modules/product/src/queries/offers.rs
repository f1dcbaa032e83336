//! What everybody is offered: worked out anew from what merchants wrote and from the lists that hold, by one statement to
//! read and one for each table in which something differs, whatever the number of variants.
//!
//! Whoever calls this has locked the products, so that of two who change prices of one the second sees what the first did.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Json, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use kernel::Currency;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::price_history::{self, Past};
use super::products::currency;
use super::select::{Select, Verbatim, read};
use crate::domain::SCHEMA;
use crate::domain::further_price::FurtherPrice;
use crate::domain::pricing::{LOOK_BACK, Offer, Price, Standing, Step, Window};

/// The lowest and the highest price of products that hold.
pub(crate) type Ranges = HashMap<Uuid, (i64, i64)>;

/// The same by the codes of currencies.
pub(super) type RangesIn = HashMap<Uuid, BTreeMap<String, (i64, i64)>>;

/// A product that costs something else than it did.
#[derive(QueryableByName)]
pub(crate) struct Moved {
    #[diesel(sql_type = SqlUuid)]
    pub(super) id: Uuid,
    #[diesel(sql_type = BigInt)]
    min_before: i64,
    #[diesel(sql_type = BigInt)]
    max_before: i64,
    #[diesel(sql_type = BigInt)]
    price_min: i64,
    #[diesel(sql_type = BigInt)]
    price_max: i64,
}

impl Moved {
    /// The lowest and the highest price that it had.
    pub(super) fn before(&self) -> (i64, i64) {
        (self.min_before, self.max_before)
    }

    /// The lowest and the highest price that it has.
    pub(super) fn after(&self) -> (i64, i64) {
        (self.price_min, self.price_max)
    }
}

type SourceSql = (
    SqlUuid,
    SqlUuid,
    Text,
    (BigInt, Nullable<BigInt>, Nullable<Json>),
    (BigInt, Nullable<BigInt>, Nullable<Json>, Nullable<BigInt>, Timestamptz),
    Nullable<Json>,
    Nullable<Json>,
    Nullable<Json>,
);

/// All that the offers of a variant follow from.
#[derive(Queryable)]
struct SourceRow {
    variant: Uuid,
    product: Uuid,
    currency: String,
    written: WrittenRow,
    offer: OfferRow,
    offers: Option<Verbatim>,
    lists: Option<Verbatim>,
    lows: Option<Verbatim>,
}

#[derive(Queryable)]
struct WrittenRow {
    base_minor: i64,
    base_compare_at_minor: Option<i64>,
    further_prices: Option<Verbatim>,
}

#[derive(Queryable)]
struct OfferRow {
    price_minor: i64,
    compare_at_minor: Option<i64>,
    steps: Option<Verbatim>,
    lowest_minor: Option<i64>,
    price_since: DateTime<Utc>,
}

/// The offer of a further currency.
#[derive(Deserialize)]
struct StoredOffer {
    currency: Currency,
    price_minor: i64,
    compare_at_minor: Option<i64>,
    steps: Option<Vec<Step>>,
    lowest_minor: Option<i64>,
    price_since: DateTime<Utc>,
}

/// A price of a list, and when the list holds.
#[derive(Deserialize)]
pub(super) struct ListedPrice {
    currency: Currency,
    min_quantity: i64,
    price_minor: i64,
    #[serde(default)]
    compare_at_minor: Option<i64>,
    #[serde(flatten)]
    window: Window,
    /// When prices of the list were last carried over to what everybody is offered.
    #[serde(default)]
    applied_at: Option<DateTime<Utc>>,
}

/// The lowest price of a currency that ended lately.
#[derive(Deserialize)]
struct Low {
    currency: Currency,
    price_minor: i64,
}

#[derive(Serialize)]
struct OfferJson<'a> {
    variant_id: Uuid,
    currency: &'static str,
    price_minor: i64,
    compare_at_minor: Option<i64>,
    steps: Option<&'a [Step]>,
    lowest_minor: Option<i64>,
    price_since: DateTime<Utc>,
}

/// An offer that is no longer what it was.
struct Difference {
    variant: Uuid,
    product: Uuid,
    /// Whether it is the one in the product's own currency.
    is_main: bool,
    currency: Currency,
    before: Option<Standing>,
    after: Option<Standing>,
}

/// Works out anew what these variants are offered for at `now`, and notes what was before. Answers the products of which
/// something differs. The ranges of prices that products have a copy of are not touched.
pub(crate) fn reprice(
    connection: &mut PgConnection,
    variants: Vec<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<HashSet<Uuid>> {
    if variants.is_empty() {
        return Ok(HashSet::new());
    }
    let mut differences = Vec::new();
    for source in sources(connection, variants, now)? {
        source.compare(now, &mut differences)?;
    }
    write_main(connection, &differences)?;
    write_further(connection, &differences)?;
    remove(connection, &differences)?;
    let ended: Vec<Past> = differences
        .iter()
        .filter_map(|difference| difference.past(now))
        .collect();
    price_history::append(connection, &ended)?;
    Ok(differences.iter().map(|difference| difference.product).collect())
}

/// The lowest and the highest price of these products, as far as they have variants.
pub(crate) fn ranges(connection: &mut PgConnection, products: Vec<Uuid>) -> QueryResult<Ranges> {
    if products.is_empty() {
        return Ok(Ranges::new());
    }
    let mut select = Select::<(SqlUuid, BigInt, BigInt)>::new(
        "SELECT variant.product_id, min(variant.price_minor), max(variant.price_minor) \
         FROM products.variants AS variant WHERE variant.deleted_at IS NULL AND variant.product_id = ANY(",
    );
    select.bind(Bind::Uuids(products)).text(") GROUP BY variant.product_id");
    let rows: Vec<(Uuid, i64, i64)> = select.load(connection)?;
    Ok(rows.into_iter().map(|(id, min, max)| (id, (min, max))).collect())
}

/// The lowest and the highest price of these products in each of `currencies` in which they are sold, by its code.
pub(super) fn ranges_in(
    connection: &mut PgConnection,
    products: Vec<Uuid>,
    currencies: &[Currency],
) -> QueryResult<RangesIn> {
    if products.is_empty() || currencies.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select = Select::<(SqlUuid, Text, BigInt, BigInt)>::new(
        "SELECT variant.product_id, offer.currency, min(offer.price_minor), max(offer.price_minor) \
         FROM products.variants AS variant JOIN products.products AS product ON product.id = variant.product_id \
         CROSS JOIN LATERAL (SELECT product.currency, variant.price_minor UNION ALL \
            SELECT further.currency, further.price_minor FROM products.offers AS further \
            WHERE further.variant_id = variant.id) AS offer \
         WHERE variant.deleted_at IS NULL AND variant.product_id = ANY(",
    );
    let codes = currencies.iter().map(|currency| currency.code().to_owned()).collect();
    select
        .bind(Bind::Uuids(products))
        .text(") AND offer.currency = ANY(")
        .bind(Bind::Texts(codes))
        .text(") GROUP BY variant.product_id, offer.currency");
    let rows: Vec<(Uuid, String, i64, i64)> = select.load(connection)?;
    let mut found = RangesIn::new();
    for (product, code, min, max) in rows {
        found.entry(product).or_default().insert(code, (min, max));
    }
    Ok(found)
}

/// Brings the copies of the ranges up to date that products have; answers those products of which the range was another
/// one, with the former.
pub(crate) fn follow(connection: &mut PgConnection, products: Vec<Uuid>) -> QueryResult<Vec<Moved>> {
    // What is read beside an UPDATE is as it was before.
    const SQL: &str = "WITH range AS (SELECT product_id, min(price_minor) AS min, max(price_minor) AS max \
            FROM @.variants WHERE deleted_at IS NULL AND product_id = ANY(?) GROUP BY product_id), \
        moved AS (UPDATE @.products AS product SET price_min = range.min, price_max = range.max FROM range \
            WHERE product.id = range.product_id AND (product.price_min, product.price_max) <> (range.min, range.max) \
            RETURNING product.id, product.price_min, product.price_max) \
        SELECT moved.*, before.price_min AS min_before, before.price_max AS max_before FROM moved \
        JOIN @.products AS before ON before.id = moved.id";
    Statement::new(SCHEMA, SQL, [Bind::Uuids(products)]).load(connection)
}

/// Those of `listed` in `currency` whose lists hold at `now`, or when they were carried over, where that was later: whoever
/// took the time and then waited for somebody else to write must not undo what an end of a window has led to meanwhile.
pub(super) fn holding(listed: &[ListedPrice], currency: Currency, now: DateTime<Utc>) -> Vec<Price> {
    let holds = |listed: &ListedPrice| listed.window.holds(listed.applied_at.map_or(now, |at| at.max(now)));
    let listed = listed.iter();
    let holding = listed.filter(|listed| listed.currency == currency && holds(listed));
    holding.map(ListedPrice::price).collect()
}

fn sources(connection: &mut PgConnection, variants: Vec<Uuid>, now: DateTime<Utc>) -> QueryResult<Vec<SourceRow>> {
    let mut select = Select::<SourceSql>::new(
        "SELECT variant.id, variant.product_id, product.currency, \
         variant.base_minor, variant.base_compare_at_minor, variant.further_prices, \
         variant.price_minor, variant.compare_at_minor, variant.steps, variant.lowest_minor, variant.price_since, \
         (SELECT json_agg(offer) FROM products.offers AS offer WHERE offer.variant_id = variant.id), \
         (SELECT json_agg(json_build_object('currency', list.currency, 'min_quantity', listed.min_quantity, \
            'price_minor', listed.price_minor, 'compare_at_minor', listed.compare_at_minor, \
            'starts_at', list.starts_at, 'ends_at', list.ends_at, 'applied_at', list.applied_at)) \
            FROM products.list_prices AS listed JOIN products.price_lists AS list ON list.id = listed.price_list_id \
            WHERE listed.variant_id = variant.id AND list.status = 'active' AND list.deleted_at IS NULL \
            AND list.customer_group_id IS NULL AND coalesce(list.ends_at > ",
    );
    select.bind(Bind::Time(now)).text(
        ", TRUE)), \
         (SELECT json_agg(past) FROM (SELECT past.currency, min(past.price_minor) AS price_minor \
            FROM products.price_history AS past WHERE past.variant_id = variant.id AND past.held_until > ",
    );
    select.bind(Bind::Time(now - LOOK_BACK)).text(
        " GROUP BY past.currency) AS past) \
         FROM products.variants AS variant JOIN products.products AS product ON product.id = variant.product_id \
         WHERE variant.deleted_at IS NULL AND variant.id = ANY(",
    );
    select.bind(Bind::Uuids(variants)).text(")");
    select.load(connection)
}

fn list<T: serde::de::DeserializeOwned>(json: Option<&Verbatim>) -> QueryResult<Vec<T>> {
    json.map_or_else(|| Ok(Vec::new()), read)
}

impl ListedPrice {
    fn price(&self) -> Price {
        Price {
            min_quantity: self.min_quantity,
            amount: self.price_minor,
            compare_at: self.compare_at_minor,
        }
    }
}

impl SourceRow {
    /// Adds what differs between what is offered and what is to be offered.
    fn compare(self, now: DateTime<Utc>, differences: &mut Vec<Difference>) -> QueryResult<()> {
        let main = currency(&self.currency)?;
        let further: Vec<FurtherPrice> = list(self.written.further_prices.as_ref())?;
        let listed: Vec<ListedPrice> = list(self.lists.as_ref())?;
        let lows: Vec<Low> = list(self.lows.as_ref())?;
        let offers: Vec<StoredOffer> = list(self.offers.as_ref())?;
        let mut before: HashMap<Currency, Standing> =
            offers.into_iter().map(|offer| (offer.currency, offer.into())).collect();
        before.insert(main, self.offer.into_standing()?);
        let mut currencies: HashSet<Currency> = before.keys().copied().collect();
        currencies.extend(further.iter().map(|price| price.currency));
        for currency in currencies {
            let written = further.iter().filter(|price| price.currency == currency);
            let mut own: Vec<Price> = written.map(FurtherPrice::price).collect();
            if currency == main {
                own.push(Price {
                    min_quantity: 1,
                    amount: self.written.base_minor,
                    compare_at: self.written.base_compare_at_minor,
                });
            }
            let low = lows.iter().find(|low| low.currency == currency);
            let low = low.map(|low| low.price_minor);
            let before = before.remove(&currency);
            let offer = Offer::of(&own, &holding(&listed, currency, now));
            let after = offer.map(|offer| Standing::next(before.as_ref(), offer, low, now));
            if before != after {
                differences.push(Difference {
                    variant: self.variant,
                    product: self.product,
                    is_main: currency == main,
                    currency,
                    before,
                    after,
                });
            }
        }
        Ok(())
    }
}

impl OfferRow {
    fn into_standing(self) -> QueryResult<Standing> {
        Ok(Standing {
            offer: Offer {
                price: self.price_minor,
                compare_at: self.compare_at_minor,
                steps: list(self.steps.as_ref())?,
            },
            lowest: self.lowest_minor,
            since: self.price_since,
        })
    }
}

impl From<StoredOffer> for Standing {
    fn from(stored: StoredOffer) -> Self {
        Self {
            offer: Offer {
                price: stored.price_minor,
                compare_at: stored.compare_at_minor,
                steps: stored.steps.unwrap_or_default(),
            },
            lowest: stored.lowest_minor,
            since: stored.price_since,
        }
    }
}

impl Difference {
    fn to_json(&self) -> Option<OfferJson<'_>> {
        let after = self.after.as_ref()?;
        Some(OfferJson {
            variant_id: self.variant,
            currency: self.currency.code(),
            price_minor: after.offer.price,
            compare_at_minor: after.offer.compare_at,
            steps: Some(after.offer.steps.as_slice()).filter(|steps| !steps.is_empty()),
            lowest_minor: after.lowest,
            price_since: after.since,
        })
    }

    /// The price that does not hold any more, if it held for any time at all.
    fn past(&self, now: DateTime<Utc>) -> Option<Past> {
        let before = self.before.as_ref()?;
        let until = match &self.after {
            Some(after) if after.offer.price == before.offer.price => return None,
            Some(after) => after.since,
            None => now,
        };
        (before.since < until).then(|| Past {
            variant_id: self.variant,
            currency: self.currency.code(),
            price_minor: before.offer.price,
            held_from: before.since,
            held_until: until,
        })
    }
}

fn write_main(connection: &mut PgConnection, differences: &[Difference]) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.variants AS variant SET price_minor = row.price_minor, \
        compare_at_minor = row.compare_at_minor, steps = row.steps, lowest_minor = row.lowest_minor, \
        price_since = row.price_since \
        FROM json_to_recordset(?::json) AS row (variant_id UUID, price_minor BIGINT, compare_at_minor BIGINT, steps JSON, \
        lowest_minor BIGINT, price_since TIMESTAMPTZ) WHERE variant.id = row.variant_id AND variant.id = ANY(?)";
    let rows = differences.iter().filter(|difference| difference.is_main);
    let rows: Vec<OfferJson<'_>> = rows.filter_map(Difference::to_json).collect();
    if rows.is_empty() {
        return Ok(());
    }
    // Named besides, because PostgreSQL does not know how many rows are in a JSON text.
    let ids = rows.iter().map(|row| row.variant_id).collect();
    Statement::new(SCHEMA, SQL, [Bind::rows(&rows)?, Bind::Uuids(ids)])
        .execute(connection)
        .map(drop)
}

fn write_further(connection: &mut PgConnection, differences: &[Difference]) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.offers (variant_id, currency, price_minor, compare_at_minor, steps, lowest_minor, \
        price_since) SELECT row.variant_id, row.currency, row.price_minor, row.compare_at_minor, row.steps, \
        row.lowest_minor, row.price_since \
        FROM json_to_recordset(?::json) AS row (variant_id UUID, currency TEXT, price_minor BIGINT, \
        compare_at_minor BIGINT, steps JSON, lowest_minor BIGINT, price_since TIMESTAMPTZ) \
        ON CONFLICT (variant_id, currency) DO UPDATE SET price_minor = excluded.price_minor, \
        compare_at_minor = excluded.compare_at_minor, steps = excluded.steps, lowest_minor = excluded.lowest_minor, \
        price_since = excluded.price_since";
    let rows = differences.iter().filter(|difference| !difference.is_main);
    let rows: Vec<OfferJson<'_>> = rows.filter_map(Difference::to_json).collect();
    if rows.is_empty() {
        return Ok(());
    }
    Statement::new(SCHEMA, SQL, [Bind::rows(&rows)?])
        .execute(connection)
        .map(drop)
}

/// Variants that are no longer sold in a currency.
fn remove(connection: &mut PgConnection, differences: &[Difference]) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.offers AS offer USING unnest(?, ?) AS gone (variant_id, currency) \
        WHERE offer.variant_id = gone.variant_id AND offer.currency = gone.currency";
    let gone = differences.iter().filter(|difference| difference.after.is_none());
    let (variants, currencies): (Vec<Uuid>, Vec<String>) = gone
        .map(|difference| (difference.variant, difference.currency.code().to_owned()))
        .unzip();
    if variants.is_empty() {
        return Ok(());
    }
    Statement::new(SCHEMA, SQL, [Bind::Uuids(variants), Bind::Texts(currencies)])
        .execute(connection)
        .map(drop)
}
