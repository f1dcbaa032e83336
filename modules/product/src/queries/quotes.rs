//! What variants cost and how many can be sold: what carts ask.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use database::Bind;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Json, Nullable, Text, Uuid as SqlUuid};
use kernel::{Currency, Money};
use product_api::{Quote, QuotedPrice};
use serde::Deserialize;
use uuid::Uuid;

use super::offers::{ListedPrice, holding};
use super::products::currency;
use super::select::{Select, Verbatim, read};
use crate::domain::pricing::{Offer, Step};

type QuoteSql = (
    SqlUuid,
    SqlUuid,
    Nullable<Text>,
    Text,
    Text,
    Nullable<Text>,
    (Text, BigInt, Nullable<Json>, Nullable<Json>, Nullable<Json>),
    BigInt,
    diesel::sql_types::Bool,
);

#[derive(Queryable)]
struct QuoteRow {
    variant: Uuid,
    product: Uuid,
    sku: Option<String>,
    title: String,
    variant_title: String,
    image_url: Option<String>,
    prices: PricesRow,
    available: i64,
    on_sale: bool,
}

#[derive(Queryable)]
struct PricesRow {
    currency: String,
    price_minor: i64,
    steps: Option<Verbatim>,
    /// The offers of the further currencies that were asked for.
    offers: Option<Verbatim>,
    /// What is on lists for the groups that were asked for.
    groups: Option<Verbatim>,
}

#[derive(Deserialize)]
struct FurtherOffer {
    currency: Currency,
    price_minor: i64,
    steps: Option<Vec<Step>>,
}

#[derive(Deserialize)]
struct GroupPrice {
    group: Uuid,
    #[serde(flatten)]
    listed: ListedPrice,
}

/// What is to be quoted.
#[derive(Clone, Debug)]
pub(crate) struct Enquiry {
    pub(crate) variants: Vec<Uuid>,
    pub(crate) currency: Currency,
    /// Whether that is another than the shop's own, in which products are.
    pub(crate) is_further: bool,
    /// The group of customers that the buyer belongs to.
    pub(crate) group: Option<Uuid>,
    pub(crate) now: DateTime<Utc>,
}

/// What variants cost and how many there are, for each enquiry, by one statement.
pub(crate) fn quote(connection: &mut PgConnection, enquiries: &[Enquiry]) -> QueryResult<Vec<Vec<Quote>>> {
    let all: BTreeSet<Uuid> = enquiries
        .iter()
        .flat_map(|enquiry| &enquiry.variants)
        .copied()
        .collect();
    let Some(now) = enquiries.iter().map(|enquiry| enquiry.now).max() else {
        return Ok(Vec::new());
    };
    let mut select = Select::<QuoteSql>::new(
        "SELECT variant.id, variant.product_id, variant.sku, product.title, variant.title, \
         product.images -> 0 ->> 'url', product.currency, variant.price_minor, variant.steps, ",
    );
    // Two pieces more where somebody asks for them: four texts in all, each prepared once per connection.
    let currencies: BTreeSet<&'static str> = enquiries
        .iter()
        .filter(|enquiry| enquiry.is_further)
        .map(|enquiry| enquiry.currency.code())
        .collect();
    match currencies.is_empty() {
        true => select.text("NULL::json, "),
        false => select
            .text(
                "(SELECT json_agg(offer) FROM products.offers AS offer WHERE offer.variant_id = variant.id \
                 AND offer.currency = ANY(",
            )
            .bind(Bind::Texts(currencies.into_iter().map(str::to_owned).collect()))
            .text(")), "),
    };
    let groups: BTreeSet<Uuid> = enquiries.iter().filter_map(|enquiry| enquiry.group).collect();
    match groups.is_empty() {
        true => select.text("NULL::json, "),
        false => select
            .text(
                "(SELECT json_agg(json_build_object('group', list.customer_group_id, 'currency', list.currency, \
                 'min_quantity', listed.min_quantity, 'price_minor', listed.price_minor, \
                 'starts_at', list.starts_at, 'ends_at', list.ends_at)) FROM products.list_prices AS listed \
                 JOIN products.price_lists AS list ON list.id = listed.price_list_id \
                 WHERE listed.variant_id = variant.id AND list.status = 'active' AND list.deleted_at IS NULL \
                 AND list.customer_group_id = ANY(",
            )
            .bind(Bind::Uuids(groups.into_iter().collect()))
            .text(")), "),
    };
    select.text("CASE WHEN variant.is_bundle THEN (SELECT offer.sellable FROM products.bundle_offer(variant.id, ");
    select.bind(Bind::Text(now.date_naive().to_string())).text(
        "::date) AS offer) ELSE coalesce((SELECT sum(stock.on_hand - stock.reserved) FROM products.stock AS stock \
            JOIN products.locations AS location ON location.id = stock.location_id AND location.sells \
            WHERE stock.variant_id = variant.id), 0)::bigint \
         + products.oversell_limit(variant.backorder_limit, variant.preorder_until, variant.preorder_limit, ",
    );
    select.bind(Bind::Time(now)).text(
        ") END, variant.deleted_at IS NULL AND product.deleted_at IS NULL AND product.status = 'active' \
         FROM products.variants AS variant JOIN products.products AS product ON product.id = variant.product_id \
         WHERE variant.id = ANY(",
    );
    select.bind(Bind::Uuids(all.into_iter().collect())).text(")");
    let rows: Vec<QuoteRow> = select.load(connection)?;
    let rows: HashMap<Uuid, QuoteRow> = rows.into_iter().map(|row| (row.variant, row)).collect();
    let answer = |enquiry: &Enquiry| {
        let found = enquiry.variants.iter().filter_map(|variant| rows.get(variant));
        found.map(|row| row.quote(enquiry)).collect()
    };
    enquiries.iter().map(answer).collect()
}

impl QuoteRow {
    fn quote(&self, enquiry: &Enquiry) -> QueryResult<Quote> {
        let price = |step: Step| QuotedPrice {
            min_quantity: step.min_quantity,
            unit_price: Money::new(step.amount, enquiry.currency),
        };
        Ok(Quote {
            variant: self.variant.into(),
            product: self.product.into(),
            sku: self.sku.clone(),
            title: self.title.clone(),
            variant_title: self.variant_title.clone(),
            image_url: self.image_url.clone(),
            prices: self.prices.ladder(enquiry)?.into_iter().map(price).collect(),
            available: self.available.max(0),
            on_sale: self.on_sale,
        })
    }
}

impl PricesRow {
    /// What one costs from each quantity on; nothing where it is not sold in the currency.
    fn ladder(&self, enquiry: &Enquiry) -> QueryResult<Vec<Step>> {
        let (price, steps) = if currency(&self.currency)? == enquiry.currency {
            let steps: Option<Vec<Step>> = self.steps.as_ref().map(read).transpose()?;
            (self.price_minor, steps)
        } else {
            let offers: Option<Vec<FurtherOffer>> = self.offers.as_ref().map(read).transpose()?;
            let mut offers = offers.into_iter().flatten();
            match offers.find(|offer| offer.currency == enquiry.currency) {
                Some(offer) => (offer.price_minor, offer.steps),
                None => return Ok(Vec::new()),
            }
        };
        let offer = Offer {
            price,
            compare_at: None,
            steps: steps.unwrap_or_default(),
        };
        let groups: Option<Vec<GroupPrice>> = self.groups.as_ref().map(read).transpose()?;
        let own = groups.into_iter().flatten();
        let own: Vec<ListedPrice> = own
            .filter(|price| Some(price.group) == enquiry.group)
            .map(|price| price.listed)
            .collect();
        Ok(offer.ladder(&holding(&own, enquiry.currency, enquiry.now)))
    }
}
