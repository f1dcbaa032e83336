//! Collections. Which products belong to them is told by `membership`.

use chrono::{DateTime, NaiveDate, Utc};
use database::{Bind, Statement};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Json, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::membership::stored;
use super::select::{Select, Verbatim, read};
use super::translations::{handles, taken_handles as taken_by_translations};
use crate::domain::SCHEMA;
use crate::domain::collection::{AdminCollection, Collection, CollectionReference};
use crate::domain::handle::Handle;
use crate::domain::merchandising::Seo;
use crate::domain::rule::StoredRule;
use crate::domain::translation::CollectionTranslation;

/// The columns of [`Row`], and where they come from.
const ROWS: &str = "SELECT collection.id, collection.handle, collection.title, collection.description, \
    collection.seo_title, collection.seo_description, collection.published, collection.rule, collection.version, \
    collection.created_at, collection.updated_at, (SELECT count(*) FROM products.collection_products AS member \
    WHERE member.collection_id = collection.id), collection.translated_handles FROM products.collections AS collection WHERE ";

type RowSql = (
    SqlUuid,
    Text,
    Text,
    Text,
    Nullable<Text>,
    Nullable<Text>,
    Bool,
    Nullable<Json>,
    BigInt,
    Timestamptz,
    Timestamptz,
    BigInt,
    Nullable<Json>,
);

#[derive(Queryable)]
struct Row {
    id: Uuid,
    handle: String,
    title: String,
    description: String,
    seo_title: Option<String>,
    seo_description: Option<String>,
    published: bool,
    rule: Option<Verbatim>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    product_count: i64,
    translated_handles: Option<Verbatim>,
}

/// Keeps every other writer of collections and of products out until the transaction ends, and the tree as it is.
pub(crate) fn lock(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(
        "LOCK TABLE products.categories IN SHARE MODE; \
         LOCK TABLE products.collections IN SHARE ROW EXCLUSIVE MODE",
    )
}

/// At most `limit` collections after `after`, in the order in which they were made; only published ones where
/// `only_published`.
pub(crate) fn page(
    connection: &mut PgConnection,
    only_published: bool,
    after: Uuid,
    limit: i64,
) -> QueryResult<Vec<AdminCollection>> {
    let mut select = Select::<RowSql>::new(ROWS);
    if only_published {
        select.text("collection.published AND ");
    }
    select.text("collection.id > ").bind(Bind::Uuid(after));
    select.text(" ORDER BY collection.id LIMIT ").bind(Bind::BigInt(limit));
    let rows: Vec<Row> = select.load(connection)?;
    rows.into_iter().map(Row::into_collection).collect()
}

/// A collection by its id or its handle.
pub(crate) fn find(
    connection: &mut PgConnection,
    reference: &CollectionReference,
) -> QueryResult<Option<AdminCollection>> {
    let mut select = Select::<RowSql>::new(ROWS);
    match reference {
        CollectionReference::Id(id) => select.text("collection.id = ").bind(Bind::Uuid(*id)),
        CollectionReference::Handle(handle) => select.text("collection.handle = ").bind(Bind::Text(handle.clone())),
    };
    let row: Option<Row> = select.get_result(connection).optional()?;
    row.map(Row::into_collection).transpose()
}

/// The ids of those of these collections that there are, named by id or by handle; only published ones where
/// `only_published`.
pub(crate) fn resolve(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
    handles: Vec<String>,
    only_published: bool,
) -> QueryResult<Vec<Uuid>> {
    let mut select = Select::<SqlUuid>::new("SELECT collection.id FROM products.collections AS collection WHERE ");
    if only_published {
        select.text("collection.published AND ");
    }
    select
        .text("(collection.id = ANY(")
        .bind(Bind::Uuids(ids))
        .text(") OR collection.handle = ANY(");
    select.bind(Bind::Texts(handles)).text("))");
    select.load(connection)
}

/// How many collections are filled by rules.
pub(crate) fn count_rules(connection: &mut PgConnection) -> QueryResult<i64> {
    Select::<BigInt>::new("SELECT count(*) FROM products.collections WHERE rule IS NOT NULL").get_result(connection)
}

/// At most `limit` collections whose rule is about dates and was carried out for a day before `today`.
pub(crate) fn outdated(connection: &mut PgConnection, today: NaiveDate, limit: i64) -> QueryResult<Vec<Uuid>> {
    let mut select = Select::<SqlUuid>::new("SELECT id FROM products.collections WHERE refreshed_on < ");
    select
        .bind(Bind::Text(today.to_string()))
        .text("::date ORDER BY id LIMIT ")
        .bind(Bind::BigInt(limit));
    select.load(connection)
}

/// Notes that collections were filled for `today`.
pub(crate) fn note_refreshed(connection: &mut PgConnection, ids: Vec<Uuid>, today: NaiveDate) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.collections SET refreshed_on = ?::date WHERE id = ANY(?)";
    let binds = [Bind::Text(today.to_string()), Bind::Uuids(ids)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Which of these handles belong to collections, in whatever language.
pub(crate) fn taken_handles(connection: &mut PgConnection, wanted: &[Handle]) -> QueryResult<Vec<String>> {
    let mut select = Select::<Text>::new("SELECT handle FROM products.collections WHERE handle = ANY(");
    select
        .bind(Bind::Texts(wanted.iter().map(Handle::to_string).collect()))
        .text(")");
    let mut taken = select.load(connection)?;
    taken.extend(taken_by_translations::<CollectionTranslation>(connection, wanted)?);
    Ok(taken)
}

/// Adds a collection that has no products yet.
pub(crate) fn insert(connection: &mut PgConnection, new: &AdminCollection, today: NaiveDate) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.collections (id, handle, title, description, seo_title, seo_description, published, \
        rule, refreshed_on, version, created_at, updated_at) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?::json, ?::date, ?, ?, ?)";
    let shown = &new.collection;
    let mut binds = vec![Bind::Uuid(shown.id.uuid())];
    binds.extend(told(new, today)?);
    binds.extend([
        Bind::BigInt(new.version),
        Bind::Time(shown.created_at),
        Bind::Time(shown.updated_at),
    ]);
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Writes a collection, with its version.
pub(crate) fn update(connection: &mut PgConnection, after: &AdminCollection, today: NaiveDate) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.collections SET handle = ?, title = ?, description = ?, seo_title = ?, \
        seo_description = ?, published = ?, rule = ?::json, refreshed_on = ?::date, version = ?, updated_at = ? \
        WHERE id = ?";
    let mut binds: Vec<Bind> = told(after, today)?.into();
    binds.extend([
        Bind::BigInt(after.version),
        Bind::Time(after.collection.updated_at),
        Bind::Uuid(after.collection.id.uuid()),
    ]);
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Notes that a collection was edited in something that has a table of its own.
pub(crate) fn raise_version(connection: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.collections SET version = version + 1, updated_at = ? WHERE id = ?";
    Statement::new(SCHEMA, SQL, [Bind::Time(now), Bind::Uuid(id)])
        .execute(connection)
        .map(drop)
}

/// Removes a collection. Its products stay.
pub(crate) fn delete(connection: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.collections WHERE id = ?";
    Statement::new(SCHEMA, SQL, [Bind::Uuid(id)])
        .execute(connection)
        .map(drop)
}

/// At most `limit` active products of a collection after a place, in its order, each with its place.
pub(crate) fn active_products(
    connection: &mut PgConnection,
    collection: Uuid,
    after: (i32, Uuid),
    limit: i64,
) -> QueryResult<Vec<(i32, Uuid)>> {
    let mut select = Select::<(Integer, SqlUuid)>::new(
        "SELECT member.position, member.product_id FROM products.collection_products AS member \
         JOIN products.products AS product ON product.id = member.product_id \
         WHERE product.status = 'active' AND product.deleted_at IS NULL AND member.collection_id = ",
    );
    select
        .bind(Bind::Uuid(collection))
        .text(" AND (member.position, member.product_id) > (")
        .bind(Bind::Integer(after.0))
        .text(", ")
        .bind(Bind::Uuid(after.1))
        .text(") ORDER BY member.position, member.product_id LIMIT ")
        .bind(Bind::BigInt(limit));
    select.load(connection)
}

/// What inserts and updates say alike, in the order of the columns.
fn told(collection: &AdminCollection, today: NaiveDate) -> QueryResult<[Bind; 8]> {
    let shown = &collection.collection;
    let refreshed_on = collection.refreshed_on(today);
    Ok([
        Bind::Text(shown.handle.clone()),
        Bind::Text(shown.title.clone()),
        Bind::Text(shown.description.clone()),
        Bind::NullableText(shown.seo.title.clone()),
        Bind::NullableText(shown.seo.description.clone()),
        Bind::Bool(collection.published),
        Bind::NullableText(collection.rule.as_ref().map(stored).transpose()?),
        Bind::NullableText(refreshed_on.map(|day| day.to_string())),
    ])
}

impl Row {
    fn into_collection(self) -> QueryResult<AdminCollection> {
        let rule = self.rule.as_ref().map(read::<StoredRule>).transpose()?;
        Ok(AdminCollection {
            collection: Collection {
                id: self.id.into(),
                handle: self.handle,
                title: self.title,
                description: self.description,
                seo: Seo {
                    title: self.seo_title,
                    description: self.seo_description,
                },
                created_at: self.created_at,
                updated_at: self.updated_at,
            },
            published: self.published,
            rule: rule.map(Into::into),
            product_count: self.product_count,
            version: self.version,
            handles: handles(self.translated_handles.as_ref())?,
        })
    }
}
