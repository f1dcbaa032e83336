//! What variants cost and how many can be sold: what carts ask.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use database::Bind;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use kernel::{Currency, Money};
use product_api::Quote;
use uuid::Uuid;

use super::products::currency;
use super::select::Select;

type QuoteSql = (
    SqlUuid,
    SqlUuid,
    Nullable<Text>,
    Text,
    Text,
    Nullable<Text>,
    Text,
    BigInt,
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
    currency: String,
    price_minor: i64,
    available: i64,
    on_sale: bool,
}

/// What is to be quoted.
#[derive(Clone, Debug)]
pub(crate) struct Enquiry {
    pub(crate) variants: Vec<Uuid>,
    pub(crate) currency: Currency,
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
         product.images -> 0 ->> 'url', product.currency, variant.price_minor, \
         coalesce((SELECT sum(stock.on_hand - stock.reserved) FROM products.stock AS stock \
            JOIN products.locations AS location ON location.id = stock.location_id AND location.sells \
            WHERE stock.variant_id = variant.id), 0)::bigint \
         + products.oversell_limit(variant.backorder_limit, variant.preorder_until, variant.preorder_limit, ",
    );
    select.bind(Bind::Time(now)).text(
        "), variant.deleted_at IS NULL AND product.deleted_at IS NULL AND product.status = 'active' \
         FROM products.variants AS variant JOIN products.products AS product ON product.id = variant.product_id \
         WHERE variant.id = ANY(",
    );
    select.bind(Bind::Uuids(all.into_iter().collect())).text(")");
    let rows: Vec<QuoteRow> = select.load(connection)?;
    let rows: HashMap<Uuid, QuoteRow> = rows.into_iter().map(|row| (row.variant, row)).collect();
    let answer = |enquiry: &Enquiry| {
        let found = enquiry.variants.iter().filter_map(|variant| rows.get(variant));
        found.map(|row| row.quote(enquiry.currency)).collect()
    };
    enquiries.iter().map(answer).collect()
}

impl QuoteRow {
    fn quote(&self, wanted: Currency) -> QueryResult<Quote> {
        let currency = currency(&self.currency)?;
        Ok(Quote {
            variant: self.variant.into(),
            product: self.product.into(),
            sku: self.sku.clone(),
            title: self.title.clone(),
            variant_title: self.variant_title.clone(),
            image_url: self.image_url.clone(),
            unit_price: (currency == wanted).then(|| Money::new(self.price_minor, currency)),
            available: self.available.max(0),
            on_sale: self.on_sale,
        })
    }
}
