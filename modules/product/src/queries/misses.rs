//! Searches without a result, by day.

use chrono::{DateTime, NaiveDate, Utc};
use database::{Bind, Statement};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamptz};

use super::select::Select;
use crate::domain::SCHEMA;
use crate::domain::searching::SearchMiss;

/// How many different searches of one day are kept.
const PER_DAY: i64 = 2_000;

/// Adds to the searches of a day: each with how often and when it was last seen. Where the day is full, new ones take the
/// places of those that were seen once, the oldest first: whoever thinks up thousands of searches hides no others. Of new
/// ones those with the most come first. Within a transaction.
pub(crate) fn add(connection: &mut PgConnection, day: NaiveDate, misses: &[SearchMiss]) -> QueryResult<()> {
    const SQL: &str = "WITH added AS (SELECT * FROM unnest(?, ?, ?) AS added (query, count, last_seen_at)), \
        known AS MATERIALIZED (SELECT query, count, last_seen_at FROM @.search_misses WHERE day = ?::date), \
        new AS (SELECT added.query, row_number() OVER (ORDER BY added.count DESC, added.query) AS place \
            FROM added WHERE added.query NOT IN (SELECT query FROM known)), \
        yielding AS (SELECT query, row_number() OVER (ORDER BY last_seen_at, query) AS place FROM known \
            WHERE count = 1 AND query NOT IN (SELECT query FROM added)), \
        free AS (SELECT ? - (SELECT count(*) FROM known) AS places), \
        gone AS (DELETE FROM @.search_misses AS miss USING yielding, free WHERE miss.day = ?::date \
            AND miss.query = yielding.query AND yielding.place <= (SELECT count(*) FROM new) - free.places), \
        taken AS (SELECT new.query FROM new, free \
            WHERE new.place <= free.places + (SELECT count(*) FROM yielding)) \
        INSERT INTO @.search_misses (day, query, count, last_seen_at) \
        SELECT ?::date, added.query, added.count, added.last_seen_at FROM added \
        WHERE added.query IN (SELECT query FROM known) OR added.query IN (SELECT query FROM taken) ORDER BY added.query \
        ON CONFLICT (day, query) DO UPDATE SET count = search_misses.count + excluded.count, \
        last_seen_at = greatest(search_misses.last_seen_at, excluded.last_seen_at)";
    // Another process would count the same rows at the same time otherwise.
    connection.batch_execute("LOCK TABLE products.search_misses IN SHARE ROW EXCLUSIVE MODE")?;
    let binds = [
        Bind::Texts(misses.iter().map(|miss| miss.query.clone()).collect()),
        Bind::BigInts(misses.iter().map(|miss| miss.count).collect()),
        Bind::Times(misses.iter().map(|miss| miss.last_seen_at).collect()),
        Bind::Text(day.to_string()),
        Bind::BigInt(PER_DAY),
        Bind::Text(day.to_string()),
        Bind::Text(day.to_string()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Forgets the days before `day`.
pub(crate) fn prune(connection: &mut PgConnection, day: NaiveDate) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.search_misses WHERE day < ?::date";
    Statement::new(SCHEMA, SQL, [Bind::Text(day.to_string())])
        .execute(connection)
        .map(drop)
}

/// At most `limit` searches since a day after a place, the most frequent first, equal ones by name.
pub(crate) fn page(
    connection: &mut PgConnection,
    since: NaiveDate,
    after: Option<(i64, String)>,
    limit: i64,
) -> QueryResult<Vec<SearchMiss>> {
    let mut select = Select::<(Text, BigInt, Timestamptz)>::new(
        "SELECT query, count, last_seen_at FROM (SELECT query, sum(count)::bigint AS count, \
         max(last_seen_at) AS last_seen_at FROM products.search_misses WHERE day >= ",
    );
    select
        .bind(Bind::Text(since.to_string()))
        .text("::date GROUP BY query) AS miss");
    if let Some((count, query)) = after {
        select
            .text(" WHERE (-count, query COLLATE \"C\") > (")
            .bind(Bind::BigInt(-count));
        select.text(", ").bind(Bind::Text(query)).text(")");
    }
    select
        .text(" ORDER BY -count, query COLLATE \"C\" LIMIT ")
        .bind(Bind::BigInt(limit));
    let rows: Vec<(String, i64, DateTime<Utc>)> = select.load(connection)?;
    let miss = |(query, count, last_seen_at)| SearchMiss {
        query,
        count,
        last_seen_at,
    };
    Ok(rows.into_iter().map(miss).collect())
}
