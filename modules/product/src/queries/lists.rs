//! Pages of products, and how many there are in all.

use database::Bind;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Float};

use super::products::{COLUMNS, ProductRow, ProductSql, TABLES, assemble};
use super::{filter, select::Select};
use crate::domain::filter::{Filter, ListQuery, Position, Sort};
use crate::domain::product::AdminProduct;

/// A page of at most `query.limit` products after `after`, and the position of the last one if more follow.
pub(crate) fn page(
    connection: &mut PgConnection,
    query: &ListQuery,
    after: Option<Position>,
) -> QueryResult<(Vec<AdminProduct>, Option<Position>)> {
    let select = match (query.sort, &query.filter.search) {
        (Sort::Relevance, Some(search)) => by_relevance(query, search, after),
        _ => by_column(query, after),
    };
    let mut rows: Vec<(ProductRow, f32)> = select.load(connection)?;
    let limit = usize::try_from(query.limit).unwrap_or(0);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows
        .last()
        .filter(|_| has_more)
        .map(|(row, rank)| position(query.sort, row, *rank));
    let products = assemble(
        connection,
        rows.into_iter().map(|(row, _)| row).collect(),
        query.filter.today,
    )?;
    Ok((products, last))
}

/// How many products a filter shows.
pub(crate) fn count(connection: &mut PgConnection, filter: &Filter) -> QueryResult<i64> {
    let mut select = Select::<BigInt>::new("SELECT count(*) FROM products.products AS product");
    filter::push(&mut select, filter, None);
    select.get_result(connection)
}

/// The order's own index is read from where the last page ended.
fn by_column(query: &ListQuery, after: Option<Position>) -> Select<(ProductSql, Float)> {
    let mut select = Select::new(COLUMNS);
    select.text(", 0::real").text(TABLES);
    filter::push(&mut select, &query.filter, None);
    match after {
        None | Some(Position::Rank(..)) => (),
        Some(Position::Released(date, id)) => {
            select
                .text(" AND (product.released_on, product.id) < (")
                .bind(Bind::Text(date.to_string()));
            select.text("::date, ").bind(Bind::Uuid(id)).text(")");
        }
        Some(Position::Price(price, id)) => {
            select.text(match query.sort {
                Sort::PriceDescending => " AND (product.price_min, product.id) < (",
                _ => " AND (product.price_min, product.id) > (",
            });
            select
                .bind(Bind::BigInt(price))
                .text(", ")
                .bind(Bind::Uuid(id))
                .text(")");
        }
        Some(Position::Title(title, id)) => {
            select.text(match query.sort {
                Sort::TitleDescending => " AND (lower(product.title) COLLATE \"C\", product.id) < (lower(",
                _ => " AND (lower(product.title) COLLATE \"C\", product.id) > (lower(",
            });
            select
                .bind(Bind::Text(title))
                .text(") COLLATE \"C\", ")
                .bind(Bind::Uuid(id))
                .text(")");
        }
    }
    select.text(match query.sort {
        Sort::Relevance | Sort::Newest => " ORDER BY product.released_on DESC, product.id DESC",
        Sort::PriceAscending => " ORDER BY product.price_min, product.id",
        Sort::PriceDescending => " ORDER BY product.price_min DESC, product.id DESC",
        Sort::TitleAscending => " ORDER BY lower(product.title) COLLATE \"C\", product.id",
        Sort::TitleDescending => " ORDER BY lower(product.title) COLLATE \"C\" DESC, product.id DESC",
    });
    select.text(limit(query.limit));
    select
}

/// All matches are ranked, but only those of the page are read whole. Who searches for a SKU or a barcode wants that.
fn by_relevance(query: &ListQuery, search: &str, after: Option<Position>) -> Select<(ProductSql, Float)> {
    let text = || Bind::Text(search.to_owned());
    let mut select = Select::new(COLUMNS);
    select.text(
        ", page.rank FROM (SELECT ranked.id, ranked.rank FROM (SELECT product.id, \
         (ts_rank(product.search, (SELECT websearch_to_tsquery('pg_catalog.english', ",
    );
    select
        .bind(text())
        .text("))) + CASE WHEN product.codes @> (SELECT ARRAY[lower(")
        .bind(text());
    select.text(")]) THEN 100 ELSE 0 END)::real AS rank FROM products.products AS product");
    filter::push(&mut select, &query.filter, None);
    select.text(") AS ranked");
    if let Some(Position::Rank(rank, id)) = after {
        select
            .text(" WHERE (ranked.rank, ranked.id) < (")
            .bind(Bind::Text(rank.to_string()));
        select.text("::real, ").bind(Bind::Uuid(id)).text(")");
    }
    select
        .text(" ORDER BY ranked.rank DESC, ranked.id DESC")
        .text(limit(query.limit));
    select.text(
        ") AS page JOIN products.products AS product ON product.id = page.id \
         LEFT JOIN products.categories AS category ON category.id = product.category_id \
         ORDER BY page.rank DESC, page.id DESC",
    );
    select
}

/// At least one row more than asked for. A few fixed texts, because a bound limit would keep the planner from settling
/// on one plan: it would plan each list anew.
fn limit(wanted: i64) -> &'static str {
    match wanted {
        i64::MIN..=10 => " LIMIT 11",
        11..=20 => " LIMIT 21",
        21..=24 => " LIMIT 25",
        25..=50 => " LIMIT 51",
        _ => " LIMIT 101",
    }
}

fn position(sort: Sort, row: &ProductRow, rank: f32) -> Position {
    match sort {
        Sort::Relevance => Position::Rank(rank, row.id),
        Sort::Newest => Position::Released(row.released_on, row.id),
        Sort::PriceAscending | Sort::PriceDescending => Position::Price(row.price_min, row.id),
        Sort::TitleAscending | Sort::TitleDescending => Position::Title(row.title.clone(), row.id),
    }
}
