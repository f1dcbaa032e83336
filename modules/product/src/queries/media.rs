//! Which images have files, and which products show them.
//!
//! Whoever begins or ceases to refer to an image, or uploads it, writes that down in its row first; so does whoever lets it
//! go. Both are conditional updates of the same row, so that one of them sees what the other has done.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::Text;
use uuid::Uuid;

use crate::domain::SCHEMA;
use crate::domain::listing::Listing;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Notes that the files of an image are about to be written. From then on, for as long as an image without a product is
/// kept, they stay. Waits for whoever is just removing them.
pub(crate) fn keep(connection: &mut PgConnection, name: &str, now: DateTime<Utc>) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.media (name, referenced_at, created_at) VALUES (?, ?, ?) \
        ON CONFLICT (name) DO UPDATE SET referenced_at = excluded.referenced_at, doomed = FALSE";
    let binds = [Bind::Text(name.to_owned()), Bind::Time(now), Bind::Time(now)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Notes that products begin or cease to refer to these images, and holds them in the order of their names until the
/// transaction ends. Answers those that there are and that are not about to be removed.
pub(crate) fn hold(connection: &mut PgConnection, names: Vec<String>, now: DateTime<Utc>) -> QueryResult<Vec<String>> {
    const SQL: &str = "UPDATE @.media AS media SET referenced_at = ? FROM ( \
        SELECT name FROM @.media WHERE name = ANY(?) AND NOT doomed ORDER BY name FOR NO KEY UPDATE) AS held \
        WHERE media.name = held.name RETURNING media.name";
    if names.is_empty() {
        return Ok(Vec::new());
    }
    load(
        Statement::new(SCHEMA, SQL, [Bind::Time(now), Bind::Texts(names)]),
        connection,
    )
}

/// Writes down which images products refer to. Those that are new or have gone are held: see [`hold`].
pub(crate) fn refer(
    connection: &mut PgConnection,
    inserted: &[(Uuid, Listing)],
    updated: &[(Uuid, Listing)],
) -> QueryResult<()> {
    const SQL: &str = "WITH wanted AS (SELECT * FROM unnest(?, ?) AS row (product_id, name)), gone AS ( \
        DELETE FROM @.media_references AS reference WHERE reference.product_id = ANY(?) AND NOT EXISTS ( \
        SELECT FROM wanted WHERE wanted.product_id = reference.product_id AND wanted.name = reference.name)) \
        INSERT INTO @.media_references (product_id, name) SELECT product_id, name FROM wanted ON CONFLICT DO NOTHING";
    let listings = inserted.iter().chain(updated);
    let pairs = listings.flat_map(|(id, listing)| listing.files().into_iter().map(move |name| (*id, name)));
    let (products, names): (Vec<Uuid>, Vec<String>) = pairs.unzip();
    if updated.is_empty() && names.is_empty() {
        return Ok(());
    }
    let updated = updated.iter().map(|(id, _)| *id).collect();
    let binds = [Bind::Uuids(products), Bind::Texts(names), Bind::Uuids(updated)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Products that are gone refer to nothing.
pub(crate) fn forget(connection: &mut PgConnection, products: Vec<Uuid>) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.media_references WHERE product_id = ANY(?)";
    Statement::new(SCHEMA, SQL, [Bind::Uuids(products)])
        .execute(connection)
        .map(drop)
}

/// Dooms images that no product has referred to since `before`, and answers those that are doomed by now, at most `limit`.
pub(crate) fn doom(connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> QueryResult<Vec<String>> {
    const DOOM: &str = "UPDATE @.media SET doomed = TRUE WHERE name IN ( \
        SELECT name FROM @.media AS candidate WHERE referenced_at < ? AND NOT doomed AND NOT EXISTS ( \
        SELECT FROM @.media_references AS reference WHERE reference.name = candidate.name) \
        ORDER BY name LIMIT ? FOR NO KEY UPDATE SKIP LOCKED)";
    const DOOMED: &str = "SELECT name FROM @.media WHERE doomed ORDER BY name LIMIT ?";
    Statement::new(SCHEMA, DOOM, [Bind::Time(before), Bind::BigInt(limit)]).execute(connection)?;
    load(Statement::new(SCHEMA, DOOMED, [Bind::BigInt(limit)]), connection)
}

/// Takes hold of a doomed image until the transaction ends; `false` where it is not doomed any more, or another process has
/// hold of it.
pub(crate) fn seize(connection: &mut PgConnection, name: &str) -> QueryResult<bool> {
    const SQL: &str = "SELECT name FROM @.media WHERE name = ? AND doomed FOR UPDATE SKIP LOCKED";
    let found = load(Statement::new(SCHEMA, SQL, [Bind::Text(name.to_owned())]), connection)?;
    Ok(!found.is_empty())
}

/// Removes the row of an image that was seized, and whose files are gone.
pub(crate) fn remove(connection: &mut PgConnection, name: &str) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.media WHERE name = ? AND doomed";
    Statement::new(SCHEMA, SQL, [Bind::Text(name.to_owned())])
        .execute(connection)
        .map(drop)
}

fn load(statement: Statement, connection: &mut PgConnection) -> QueryResult<Vec<String>> {
    let rows: Vec<Row> = statement.load(connection)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}
