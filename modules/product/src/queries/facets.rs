//! How the products of a list spread over brands, categories, prices and attributes.

use database::Bind;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text};
use kernel::{Currency, Money};
use serde_json::Value;

use super::{filter, select::Select};
use crate::domain::facet::{Facet, FacetCounts, FacetValue, PriceBucket, PriceFacet, buckets};
use crate::domain::filter::Filter;

/// The counts of one facet.
pub(crate) fn count(
    connection: &mut PgConnection,
    filter: &Filter,
    facet: &Facet,
    currency: Currency,
) -> QueryResult<FacetCounts> {
    match facet {
        Facet::Brand => brands(connection, filter).map(FacetCounts::Values),
        Facet::Category => categories(connection, filter).map(FacetCounts::Values),
        Facet::Attribute(name) => attribute(connection, filter, name).map(FacetCounts::Values),
        Facet::Price => prices(connection, filter, currency).map(FacetCounts::Price),
    }
}

fn brands(connection: &mut PgConnection, filter: &Filter) -> QueryResult<Vec<FacetValue>> {
    let mut select =
        Select::<(Nullable<Text>, BigInt)>::new("SELECT product.brand, count(*) FROM products.products AS product");
    filter::push(&mut select, filter, Some(&Facet::Brand));
    select
        .text(" AND product.brand IS NOT NULL GROUP BY product.brand ORDER BY count(*) DESC, product.brand LIMIT 100");
    let rows: Vec<(Option<String>, i64)> = select.load(connection)?;
    Ok(rows
        .into_iter()
        .map(|(brand, count)| value(brand.into(), count))
        .collect())
}

/// A category counts what is below it too, as the filter does.
fn categories(connection: &mut PgConnection, filter: &Filter) -> QueryResult<Vec<FacetValue>> {
    let mut select = Select::<(Text, Text, BigInt)>::new(
        "SELECT named.handle, named.name, sum(counted.count)::bigint FROM (SELECT product.category_id AS id, \
         count(*) AS count FROM products.products AS product",
    );
    filter::push(&mut select, filter, Some(&Facet::Category));
    select.text(
        " GROUP BY product.category_id) AS counted JOIN products.categories AS own ON own.id = counted.id \
         JOIN products.categories AS named ON named.id = ANY(own.ancestors) GROUP BY named.id \
         ORDER BY sum(counted.count) DESC, named.handle LIMIT 100",
    );
    let rows: Vec<(String, String, i64)> = select.load(connection)?;
    let named = |(handle, name, count): (String, String, i64)| FacetValue {
        label: Some(name),
        ..value(handle.into(), count)
    };
    Ok(rows.into_iter().map(named).collect())
}

fn attribute(connection: &mut PgConnection, filter: &Filter, name: &str) -> QueryResult<Vec<FacetValue>> {
    let facet = Facet::Attribute(name.to_owned());
    let mut select = Select::<(Jsonb, BigInt)>::new(
        "SELECT counted.value::jsonb, counted.count FROM (SELECT (product.attributes -> ",
    );
    select.bind(Bind::Text(name.to_owned()));
    select.text(")::text AS value, count(*) AS count FROM products.products AS product");
    filter::push(&mut select, filter, Some(&facet));
    select.text(
        " GROUP BY 1) AS counted WHERE counted.value IS NOT NULL ORDER BY counted.count DESC, counted.value LIMIT 100",
    );
    let rows: Vec<(Value, i64)> = select.load(connection)?;
    Ok(rows.into_iter().map(|(shown, count)| value(shown, count)).collect())
}

fn prices(connection: &mut PgConnection, filter: &Filter, currency: Currency) -> QueryResult<Option<PriceFacet>> {
    let mut select = Select::<(Nullable<BigInt>, Nullable<BigInt>)>::new(
        "SELECT min(product.price_min), max(product.price_max) FROM products.products AS product",
    );
    filter::push(&mut select, filter, Some(&Facet::Price));
    let (Some(min), Some(max)) = select.get_result::<(Option<i64>, Option<i64>)>(connection)? else {
        return Ok(None);
    };
    let buckets = buckets(min, max);
    let (firsts, lasts) = buckets.iter().copied().unzip();
    let mut select =
        Select::<(BigInt, BigInt)>::new("SELECT bucket.first, count(*) FROM products.products AS product JOIN unnest(");
    select.bind(Bind::BigInts(firsts)).text(", ").bind(Bind::BigInts(lasts));
    select.text(") AS bucket (first, last) ON product.price_min <= bucket.last AND product.price_max >= bucket.first");
    filter::push(&mut select, filter, Some(&Facet::Price));
    select.text(" GROUP BY bucket.first ORDER BY bucket.first");
    let counts: Vec<(i64, i64)> = select.load(connection)?;
    let bucket = |(first, last): (i64, i64)| PriceBucket {
        min: Money::new(first, currency),
        max: Money::new(last, currency),
        count: counts
            .iter()
            .find(|(counted, _)| *counted == first)
            .map_or(0, |(_, count)| *count),
    };
    Ok(Some(PriceFacet {
        min: Money::new(min, currency),
        max: Money::new(max, currency),
        buckets: buckets.into_iter().map(bucket).collect(),
    }))
}

fn value(value: Value, count: i64) -> FacetValue {
    FacetValue {
        value,
        label: None,
        count,
    }
}
