//! The conditions of a list, shared by its page, its total and its facets.

use database::Bind;

use super::select::Select;
use crate::domain::attributes::meanings;
use crate::domain::facet::Facet;
use crate::domain::filter::{Audience, Filter};

/// Adds the conditions of `filter` on `product`, with their WHERE. A facet is counted `without` its own condition, so
/// that the alternatives to what is already chosen are seen too.
pub(super) fn push<Row>(select: &mut Select<Row>, filter: &Filter, without: Option<&Facet>) {
    let plain = Filter {
        search: filter.search.clone(),
        today: filter.today,
        ..Filter::default()
    };
    if *filter != plain {
        select.uncached();
    }
    push_audience(select, &filter.audience);
    if let Some(search) = &filter.search {
        // Searches are taken literally: this reader of queries never fails, and knows no wildcards. As subqueries both
        // are computed once, and not for each row that is looked at.
        select.text(" AND (product.search @@ (SELECT websearch_to_tsquery('pg_catalog.english', ");
        select
            .bind(Bind::Text(search.clone()))
            .text(")) OR product.codes @> (SELECT ARRAY[lower(");
        select.bind(Bind::Text(search.clone())).text(")]))");
    }
    if without != Some(&Facet::Category) {
        push_categories(select, filter);
    }
    push_collections(select, filter);
    if !filter.brands.is_empty() && without != Some(&Facet::Brand) {
        select
            .text(" AND product.brand = ANY(")
            .bind(Bind::Texts(filter.brands.clone()))
            .text(")");
    }
    if !filter.tags.is_empty() {
        select
            .text(" AND product.tags && ")
            .bind(Bind::Texts(filter.tags.clone()));
    }
    if without != Some(&Facet::Price) {
        push_prices(select, filter);
    }
    push_stock(select, filter);
    for (name, values) in &filter.attributes {
        if without != Some(&Facet::Attribute(name.clone())) {
            push_attribute(select, name, values);
        }
    }
}

fn push_audience<Row>(select: &mut Select<Row>, audience: &Audience) {
    select.text(" WHERE product.deleted_at IS NULL");
    match audience {
        Audience::Public => {
            select.text(" AND product.status = 'active'");
        }
        Audience::Staff(statuses) if statuses.is_empty() => (),
        Audience::Staff(statuses) => {
            let names = statuses.iter().map(|status| status.name().to_owned()).collect();
            select
                .text(" AND product.status = ANY(")
                .bind(Bind::Texts(names))
                .text(")");
        }
    }
}

fn push_categories<Row>(select: &mut Select<Row>, filter: &Filter) {
    if filter.category_ids.is_empty() && filter.category_handles.is_empty() {
        return;
    }
    select.text(
        " AND product.category_id = ANY(ARRAY(SELECT below.id FROM products.categories AS named \
         JOIN products.categories AS below ON below.ancestors @> ARRAY[named.id] WHERE named.id = ANY(",
    );
    select
        .bind(Bind::Uuids(filter.category_ids.clone()))
        .text(") OR named.handle = ANY(");
    select.bind(Bind::Texts(filter.category_handles.clone())).text(")))");
}

/// Visitors see no collection that is not published.
fn push_collections<Row>(select: &mut Select<Row>, filter: &Filter) {
    if filter.collection_ids.is_empty() && filter.collection_handles.is_empty() {
        return;
    }
    select.text(
        " AND product.id IN (SELECT member.product_id FROM products.collections AS collection \
         JOIN products.collection_products AS member ON member.collection_id = collection.id WHERE ",
    );
    if filter.audience == Audience::Public {
        select.text("collection.published AND ");
    }
    select
        .text("(collection.id = ANY(")
        .bind(Bind::Uuids(filter.collection_ids.clone()))
        .text(") OR collection.handle = ANY(");
    select.bind(Bind::Texts(filter.collection_handles.clone())).text(")))");
}

/// A product is in the range where one of its prices may be.
fn push_prices<Row>(select: &mut Select<Row>, filter: &Filter) {
    if let Some(min) = filter.price_min {
        select.text(" AND product.price_max >= ").bind(Bind::BigInt(min));
    }
    if let Some(max) = filter.price_max {
        select.text(" AND product.price_min <= ").bind(Bind::BigInt(max));
    }
}

fn push_stock<Row>(select: &mut Select<Row>, filter: &Filter) {
    let Some(in_stock) = filter.in_stock else { return };
    select.text(if in_stock { " AND EXISTS" } else { " AND NOT EXISTS" });
    select.text(
        " (SELECT FROM products.variants AS variant WHERE variant.product_id = product.id \
         AND variant.deleted_at IS NULL AND CASE WHEN variant.is_bundle \
         THEN (SELECT offer.sellable FROM products.bundle_offer(variant.id, ",
    );
    select.bind(Bind::Text(filter.today.to_string())).text(
        "::date) AS offer) ELSE coalesce((SELECT sum(stock.on_hand - stock.reserved) \
            FROM products.stock AS stock JOIN products.locations AS location ON location.id = stock.location_id \
            WHERE stock.variant_id = variant.id AND location.sells), 0) + CASE WHEN variant.preorder_until > ",
    );
    select
        .bind(Bind::Text(filter.today.to_string()))
        .text("::date THEN variant.preorder_limit ELSE variant.backorder_limit END END > 0)");
}

/// The alternatives as separate conditions, each of which the index on attributes can answer.
fn push_attribute<Row>(select: &mut Select<Row>, name: &str, values: &[String]) {
    let mut before = " AND (";
    let key = serde_json::Value::from(name).to_string();
    for meaning in values.iter().flat_map(|value| meanings(value)) {
        let object = ["{", &key, ":", &meaning, "}"].concat();
        select
            .text(before)
            .text("product.attributes::jsonb @> ")
            .bind(Bind::Text(object))
            .text("::jsonb");
        before = " OR ";
    }
    select.text(")");
}
