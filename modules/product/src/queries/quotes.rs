//! What variants cost and how many can be sold: what carts ask.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use database::Bind;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Array, BigInt, Bool, Json, Nullable, Text, Uuid as SqlUuid};
use kernel::id::{CategoryId, CollectionId};
use kernel::{Currency, Locale, Money};
use product_api::{Quote, QuotedPrice, TaxClass, Traits};
use serde::Deserialize;
use uuid::Uuid;

use super::bundles;
use super::offers::{ListedPrice, holding};
use super::products::currency;
use super::select::{Select, Verbatim, read};
use super::translations;
use crate::domain::listing::ProductOption;
use crate::domain::pricing::{Offer, Step};
use crate::domain::translation::{ProductTranslation, merged};

type QuoteSql = (
    SqlUuid,
    SqlUuid,
    Nullable<Text>,
    Text,
    Text,
    Nullable<Text>,
    (Text, BigInt, Nullable<Json>, Nullable<Json>, Nullable<Json>),
    BigInt,
    Bool,
    Bool,
    (
        Nullable<Array<SqlUuid>>,
        Array<SqlUuid>,
        Array<Text>,
        Text,
        BigInt,
        Bool,
    ),
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
    /// Of a bundle nothing, before its components are looked at.
    available: i64,
    is_bundle: bool,
    on_sale: bool,
    traits: TraitsRow,
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

#[derive(Queryable)]
struct TraitsRow {
    /// From the root to the category.
    categories: Option<Vec<Uuid>>,
    collections: Vec<Uuid>,
    tags: Vec<String>,
    tax_class: String,
    weight_grams: i64,
    requires_shipping: bool,
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
    /// Where titles are looked for, the nearest first; nowhere in the shop's own language.
    pub(crate) fallbacks: Vec<Locale>,
    pub(crate) now: DateTime<Utc>,
}

/// What is said of a variant in other languages.
#[derive(Default)]
struct Said {
    texts: BTreeMap<Locale, ProductTranslation>,
    options: Vec<ProductOption>,
    /// One for each option.
    values: Vec<String>,
}

/// What variants cost and how many there are, for each enquiry, by one statement; by another one where there are bundles, and
/// one in which languages, where somebody asks in another than the shop's own.
pub(crate) fn quote(connection: &mut PgConnection, enquiries: &[Enquiry]) -> QueryResult<Vec<Vec<Quote>>> {
    let all: BTreeSet<Uuid> = enquiries
        .iter()
        .flat_map(|enquiry| &enquiry.variants)
        .copied()
        .collect();
    let moments = || enquiries.iter().map(|enquiry| enquiry.now);
    let (Some(earliest), Some(now)) = (moments().min(), moments().max()) else {
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
                 AND coalesce(list.ends_at > ",
            )
            .bind(Bind::Time(earliest))
            .text(", TRUE) AND list.customer_group_id = ANY(")
            .bind(Bind::Uuids(groups.into_iter().collect()))
            .text(")), "),
    };
    select.text(
        "coalesce((SELECT sum(stock.on_hand - stock.reserved) FROM products.stock AS stock \
            WHERE stock.variant_id = variant.id \
            AND stock.location_id = ANY (ARRAY(SELECT id FROM products.locations WHERE sells))), 0)::bigint \
         + products.oversell_limit(variant.backorder_limit, variant.preorder_until, variant.preorder_limit, ",
    );
    select.bind(Bind::Time(now)).text(
        "), variant.is_bundle, \
         variant.deleted_at IS NULL AND product.deleted_at IS NULL AND product.status = 'active', \
         (SELECT category.ancestors FROM products.categories AS category WHERE category.id = product.category_id), \
         ARRAY(SELECT membership.collection_id FROM products.collection_products AS membership \
            WHERE membership.product_id = product.id ORDER BY membership.collection_id), \
         product.tags, product.tax_class, variant.weight_grams, variant.requires_shipping \
         FROM products.variants AS variant JOIN products.products AS product ON product.id = variant.product_id \
         WHERE variant.id = ANY(",
    );
    select.bind(Bind::Uuids(all.into_iter().collect())).text(")");
    let mut rows: Vec<QuoteRow> = select.load(connection)?;
    let bundles = rows.iter().filter(|row| row.is_bundle).map(|row| row.variant).collect();
    let bundles = bundles::read(connection, bundles, now.date_naive())?;
    for row in &mut rows {
        if let Some(bundle) = bundles.get(&row.variant) {
            row.available = bundle.sellable;
        }
    }
    let rows: HashMap<Uuid, QuoteRow> = rows.into_iter().map(|row| (row.variant, row)).collect();
    let said = said(connection, enquiries)?;
    let answer = |enquiry: &Enquiry| {
        let found = enquiry.variants.iter().filter_map(|variant| rows.get(variant));
        let told = found.map(|row| {
            let mut quote = row.quote(enquiry)?;
            if let Some(said) = said.get(&row.variant) {
                said.tell(&mut quote, &enquiry.fallbacks);
            }
            Ok(quote)
        });
        told.collect()
    };
    enquiries.iter().map(answer).collect()
}

/// What is said of the variants that are asked for in other languages, by their ids.
fn said(connection: &mut PgConnection, enquiries: &[Enquiry]) -> QueryResult<HashMap<Uuid, Said>> {
    let translated = || enquiries.iter().filter(|enquiry| !enquiry.fallbacks.is_empty());
    if translated().next().is_none() {
        return Ok(HashMap::new());
    }
    let variants: BTreeSet<Uuid> = translated().flat_map(|enquiry| &enquiry.variants).copied().collect();
    let locales: BTreeSet<&Locale> = translated().flat_map(|enquiry| &enquiry.fallbacks).collect();
    let mut select = Select::<(SqlUuid, Text, Json, Json, Array<Text>)>::new(
        "SELECT variant.id, translation.locale, translation.texts, product.options, variant.option_values \
         FROM products.variants AS variant JOIN products.products AS product ON product.id = variant.product_id \
         JOIN products.product_translations AS translation ON translation.product_id = product.id \
         WHERE variant.id = ANY(",
    );
    select.bind(Bind::Uuids(variants.into_iter().collect()));
    select.text(") AND translation.locale = ANY(");
    select.bind(Bind::Texts(locales.into_iter().map(Locale::to_string).collect()));
    select.text(")");
    let rows: Vec<(Uuid, String, Verbatim, Verbatim, Vec<String>)> = select.load(connection)?;
    let mut said: HashMap<Uuid, Said> = HashMap::new();
    for (variant, tag, texts, options, values) in rows {
        let of_variant = said.entry(variant).or_default();
        of_variant.texts.insert(translations::locale(&tag)?, read(&texts)?);
        of_variant.options = read(&options)?;
        of_variant.values = values;
    }
    Ok(said)
}

impl Said {
    fn tell(&self, quote: &mut Quote, fallbacks: &[Locale]) {
        let texts: ProductTranslation = merged(self.texts.clone(), fallbacks);
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        quote.variant_title = texts.variant_title(&quote.variant_title, &self.options, &values);
        if let Some(title) = texts.title {
            quote.title = title.into_string();
        }
    }
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
            traits: self.traits.traits()?,
        })
    }
}

impl TraitsRow {
    fn traits(&self) -> QueryResult<Traits> {
        let categories = self.categories.iter().flatten();
        let tax_class = TaxClass::parse(self.tax_class.clone());
        Ok(Traits {
            categories: categories.copied().map(CategoryId::from).collect(),
            collections: self.collections.iter().copied().map(CollectionId::from).collect(),
            tags: self.tags.clone(),
            tax_class: tax_class.map_err(|error| Error::DeserializationError(Box::new(error)))?,
            weight_grams: self.weight_grams,
            requires_shipping: self.requires_shipping,
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
