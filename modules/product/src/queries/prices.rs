//! Prices in further currencies, as visitors are shown them.

use std::collections::HashMap;

use database::Bind;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Json, Nullable, Uuid as SqlUuid};
use kernel::id::VariantId;
use kernel::{Currency, Money};
use uuid::Uuid;

use super::products::tiers;
use super::select::{Select, Verbatim};
use crate::domain::product::{AdminProduct, PriceRange, Variant};

type OfferSql = (SqlUuid, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<Json>);

#[derive(Queryable)]
struct OfferRow {
    variant: Uuid,
    price_minor: i64,
    compare_at_minor: Option<i64>,
    lowest_minor: Option<i64>,
    steps: Option<Verbatim>,
}

/// Shows products in `currency`, which need not be their own: by one statement for all that are in another. What has no
/// price in it is shown without one.
pub(super) fn show(
    connection: &mut PgConnection,
    products: &mut [AdminProduct],
    currency: Currency,
) -> QueryResult<()> {
    let variants = || products.iter().flat_map(|product| &product.product.variants);
    let other = variants().filter(|variant| variant.price.is_some_and(|price| price.currency != currency));
    let ids: Vec<Uuid> = other.map(|variant| variant.id.uuid()).collect();
    let mut offers = offers(connection, ids, currency)?;
    for product in products {
        let product = &mut product.product;
        for variant in &mut product.variants {
            if variant.price.is_none_or(|price| price.currency != currency) {
                set(variant, offers.remove(&variant.id), currency)?;
            }
        }
        let prices = || product.variants.iter().filter_map(|variant| variant.price);
        let ends = (
            prices().min_by_key(|price| price.amount),
            prices().max_by_key(|price| price.amount),
        );
        product.price_range = match ends {
            (Some(min), Some(max)) => Some(PriceRange { min, max }),
            _ => None,
        };
    }
    Ok(())
}

fn offers(
    connection: &mut PgConnection,
    variants: Vec<Uuid>,
    currency: Currency,
) -> QueryResult<HashMap<VariantId, OfferRow>> {
    if variants.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select = Select::<OfferSql>::new(
        "SELECT offer.variant_id, offer.price_minor, offer.compare_at_minor, offer.lowest_minor, offer.steps \
         FROM products.offers AS offer WHERE offer.currency = ",
    );
    select
        .bind(Bind::Text(currency.code().to_owned()))
        .text(" AND offer.variant_id = ANY(")
        .bind(Bind::Uuids(variants))
        .text(")");
    let rows: Vec<OfferRow> = select.load(connection)?;
    Ok(rows.into_iter().map(|row| (row.variant.into(), row)).collect())
}

fn set(variant: &mut Variant, offer: Option<OfferRow>, currency: Currency) -> QueryResult<()> {
    let money = |amount| Money::new(amount, currency);
    variant.price = offer.as_ref().map(|offer| money(offer.price_minor));
    variant.compare_at_price = offer.as_ref().and_then(|offer| offer.compare_at_minor).map(money);
    variant.lowest_price_30_days = offer.as_ref().and_then(|offer| offer.lowest_minor).map(money);
    variant.price_tiers = tiers(offer.as_ref().and_then(|offer| offer.steps.as_ref()), currency)?;
    Ok(())
}
