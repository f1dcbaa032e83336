//! What staff say of words. Whoever writes any of it has called [`hold`] in the same transaction.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use uuid::Uuid;

use super::select::Select;
use crate::domain::SCHEMA;
use crate::domain::search_settings::{StopWords, Synonyms};
use crate::schema::search_synonyms;

#[derive(Queryable, Selectable)]
#[diesel(table_name = search_synonyms, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    terms: Vec<String>,
    one_way_from: Option<String>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Raised {
    #[diesel(sql_type = BigInt)]
    revision: i64,
}

/// Keeps other writers of what the search goes by out until the transaction ends, and counts the change.
pub(crate) fn hold(connection: &mut PgConnection) -> QueryResult<i64> {
    const SQL: &str = "UPDATE @.search_settings SET revision = revision + 1 RETURNING revision";
    let raised: Raised = Statement::new(SCHEMA, SQL, []).get_result(connection)?;
    Ok(raised.revision)
}

/// Keeps all writers out until the transaction ends; answers how many changes there were.
pub(crate) fn hold_to_read(connection: &mut PgConnection) -> QueryResult<i64> {
    Select::<BigInt>::new("SELECT revision FROM products.search_settings FOR SHARE").get_result(connection)
}

/// How many changes there were.
pub(crate) fn revision(connection: &mut PgConnection) -> QueryResult<i64> {
    Select::<BigInt>::new("SELECT revision FROM products.search_settings").get_result(connection)
}

/// The stop words.
pub(crate) fn stop_words(connection: &mut PgConnection) -> QueryResult<StopWords> {
    let select =
        Select::<(Array<Text>, BigInt)>::new("SELECT stop_words, stop_words_version FROM products.search_settings");
    let (words, version) = select.get_result(connection)?;
    Ok(StopWords { words, version })
}

/// Writes the stop words with their version.
pub(crate) fn update_stop_words(connection: &mut PgConnection, after: &StopWords) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.search_settings SET stop_words = ?, stop_words_version = ?";
    let binds = [Bind::Texts(after.words.clone()), Bind::BigInt(after.version)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// At most `limit` groups of synonyms after `after`, in the order in which they were made.
pub(crate) fn page(connection: &mut PgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<Synonyms>> {
    let rows: Vec<Row> = search_synonyms::table
        .filter(search_synonyms::id.gt(after))
        .order(search_synonyms::id)
        .limit(limit)
        .select(Row::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(Row::into_synonyms).collect())
}

/// A group by its id.
pub(crate) fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<Synonyms>> {
    let row: Option<Row> = search_synonyms::table
        .find(id)
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Row::into_synonyms))
}

/// How many groups there are.
pub(crate) fn count(connection: &mut PgConnection) -> QueryResult<i64> {
    search_synonyms::table.count().get_result(connection)
}

/// Adds a group.
pub(crate) fn insert(connection: &mut PgConnection, new: &Synonyms) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.search_synonyms (id, terms, one_way_from, version, created_at, updated_at) \
        VALUES (?, ?, ?, ?, ?, ?)";
    let binds = [
        Bind::Uuid(new.id.uuid()),
        Bind::Texts(new.terms.clone()),
        Bind::NullableText(new.one_way_from.clone()),
        Bind::BigInt(new.version),
        Bind::Time(new.created_at),
        Bind::Time(new.updated_at),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Writes a group with its version.
pub(crate) fn update(connection: &mut PgConnection, after: &Synonyms) -> QueryResult<()> {
    const SQL: &str =
        "UPDATE @.search_synonyms SET terms = ?, one_way_from = ?, version = ?, updated_at = ? WHERE id = ?";
    let binds = [
        Bind::Texts(after.terms.clone()),
        Bind::NullableText(after.one_way_from.clone()),
        Bind::BigInt(after.version),
        Bind::Time(after.updated_at),
        Bind::Uuid(after.id.uuid()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Removes a group.
pub(crate) fn delete(connection: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    diesel::delete(search_synonyms::table.find(id))
        .execute(connection)
        .map(drop)
}

impl Row {
    fn into_synonyms(self) -> Synonyms {
        Synonyms {
            id: self.id.into(),
            terms: self.terms,
            one_way_from: self.one_way_from,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
