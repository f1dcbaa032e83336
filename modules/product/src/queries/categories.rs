//! The tree of categories.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use uuid::Uuid;

use super::select::{Select, Verbatim};
use super::translations;
use super::writing::Paths;
use crate::domain::SCHEMA;
use crate::domain::category::{Category, StoredCategory};
use crate::domain::draft::CategoryReference;
use crate::domain::handle::Handle;
use crate::domain::translation::{CategoryTranslation, Handles};
use crate::schema::categories;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = categories)]
struct Row {
    id: Uuid,
    parent_id: Option<Uuid>,
    handle: String,
    name: String,
    ancestors: Vec<Uuid>,
    path: Vec<String>,
    position: i32,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// All categories, siblings in the order in which they are to stand.
pub(crate) fn all(connection: &mut PgConnection) -> QueryResult<Vec<Category>> {
    let rows: Vec<Row> = categories::table
        .order((categories::position, categories::name, categories::id))
        .select(Row::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(|row| row.into_stored().category).collect())
}

/// The category of an id or a handle.
pub(crate) fn find(connection: &mut PgConnection, wanted: &CategoryReference) -> QueryResult<Option<StoredCategory>> {
    let query = categories::table.select(Row::as_select());
    let row: Option<Row> = match wanted {
        CategoryReference::Id(id) => query.filter(categories::id.eq(id)).first(connection).optional()?,
        CategoryReference::Handle(handle) => query
            .filter(categories::handle.eq(handle))
            .first(connection)
            .optional()?,
    };
    Ok(row.map(Row::into_stored))
}

/// The same, with the handles that it has in other languages.
pub(crate) fn find_with_handles(
    connection: &mut PgConnection,
    wanted: &CategoryReference,
) -> QueryResult<Option<(Category, Handles)>> {
    let query = categories::table.select((Row::as_select(), categories::translated_handles));
    let row: Option<(Row, Option<Verbatim>)> = match wanted {
        CategoryReference::Id(id) => query.filter(categories::id.eq(id)).first(connection).optional()?,
        CategoryReference::Handle(handle) => query
            .filter(categories::handle.eq(handle))
            .first(connection)
            .optional()?,
    };
    row.map(|(row, noted)| Ok((row.into_stored().category, translations::handles(noted.as_ref())?)))
        .transpose()
}

/// Ids of the categories that are meant. Unknown ones are left out.
pub(crate) fn resolve(
    connection: &mut PgConnection,
    wanted: Vec<CategoryReference>,
) -> QueryResult<HashMap<CategoryReference, Uuid>> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let (mut ids, mut handles) = (Vec::new(), Vec::new());
    for reference in wanted {
        match reference {
            CategoryReference::Id(id) => ids.push(id),
            CategoryReference::Handle(handle) => handles.push(handle),
        }
    }
    let rows: Vec<(Uuid, String)> = categories::table
        .filter(categories::id.eq_any(ids).or(categories::handle.eq_any(handles)))
        .select((categories::id, categories::handle))
        .load(connection)?;
    let names = rows
        .into_iter()
        .flat_map(|(id, handle)| [(CategoryReference::Id(id), id), (CategoryReference::Handle(handle), id)]);
    Ok(names.collect())
}

/// Keeps every other writer of the tree out until the transaction ends, and collections as they are; readers go on. Taken
/// before any product is locked.
pub(crate) fn lock_tree(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(
        "LOCK TABLE products.categories IN SHARE ROW EXCLUSIVE MODE; LOCK TABLE products.collections IN SHARE MODE",
    )
}

/// Keeps the tree and collections as they are until the transaction ends; others may do so too. Whoever writes products
/// takes this first, because products have copies of their category's path and are compared with the rules of collections.
pub(crate) fn hold_tree(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute("LOCK TABLE products.categories, products.collections IN SHARE MODE")
}

/// The paths of categories. Unknown ids are left out.
pub(crate) fn paths(connection: &mut PgConnection, ids: Vec<Uuid>) -> QueryResult<Paths> {
    if ids.is_empty() {
        return Ok(Paths::new());
    }
    let rows: Vec<(Uuid, Vec<String>)> = categories::table
        .filter(categories::id.eq_any(ids))
        .select((categories::id, categories::path))
        .load(connection)?;
    Ok(rows.into_iter().collect())
}

/// The ids of all categories by their paths.
pub(crate) fn ids_by_path(connection: &mut PgConnection) -> QueryResult<HashMap<Vec<String>, Uuid>> {
    let rows: Vec<(Vec<String>, Uuid)> = categories::table
        .select((categories::path, categories::id))
        .load(connection)?;
    Ok(rows.into_iter().collect())
}

/// Which of these handles belong to categories, in whatever language.
pub(crate) fn taken_handles(connection: &mut PgConnection, handles: &[Handle]) -> QueryResult<Vec<String>> {
    let texts: Vec<&str> = handles.iter().map(Handle::as_str).collect();
    let mut taken: Vec<String> = categories::table
        .filter(categories::handle.eq_any(texts))
        .select(categories::handle)
        .load(connection)?;
    taken.extend(translations::taken_handles::<CategoryTranslation>(connection, handles)?);
    Ok(taken)
}

/// Adds categories; parents come before their children.
pub(crate) fn insert(connection: &mut PgConnection, new: Vec<StoredCategory>) -> QueryResult<()> {
    let rows: Vec<Row> = new.into_iter().map(Row::from_stored).collect();
    diesel::insert_into(categories::table)
        .values(rows)
        .execute(connection)
        .map(drop)
}

/// Writes what was edited of one category, and raises its version. `ancestors` and `path` of it and everything below
/// are for [`move_subtree`].
pub(crate) fn update(connection: &mut PgConnection, category: &Category, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(categories::table.find(category.id.uuid()))
        .set((
            categories::handle.eq(&category.handle),
            categories::position.eq(category.position),
            categories::version.eq(categories::version + 1),
            categories::updated_at.eq(now),
        ))
        .execute(connection)
        .map(drop)
}

/// Gives a category another parent or name, and everything below it the way that goes with it: one statement. `before` is
/// the category as it was; `ancestors` and `path` lead to it now.
pub(crate) fn move_subtree(
    connection: &mut PgConnection,
    before: &StoredCategory,
    parent: Option<Uuid>,
    ancestors: Vec<Uuid>,
    path: Vec<String>,
) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.categories AS category SET \
            parent_id = CASE WHEN category.id = moved.id THEN moved.parent_id ELSE category.parent_id END, \
            name = CASE WHEN category.id = moved.id THEN moved.path[cardinality(moved.path)] ELSE category.name END, \
            ancestors = moved.ancestors || category.ancestors[moved.depth + 1:], \
            path = moved.path || category.path[moved.depth + 1:] \
        FROM (SELECT ?, ?, ?, ?, ?) AS moved (id, parent_id, ancestors, path, depth) \
        WHERE moved.id = ANY(category.ancestors)";
    let depth = i32::try_from(before.ancestors.len()).unwrap_or(i32::MAX);
    let binds = [
        Bind::Uuid(before.category.id.uuid()),
        Bind::NullableUuid(parent),
        Bind::Uuids(ancestors),
        Bind::Texts(path),
        Bind::Integer(depth),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Copies the paths of a subtree to its products; answers which products these are.
pub(crate) fn copy_paths(connection: &mut PgConnection, root: Uuid) -> QueryResult<Vec<Uuid>> {
    const SQL: &str = "UPDATE @.products AS product SET category_path = category.path FROM @.categories AS category \
        WHERE product.category_id = category.id AND ? = ANY(category.ancestors) RETURNING product.id";
    let rows: Vec<IdRow> = Statement::new(SCHEMA, SQL, [Bind::Uuid(root)]).load(connection)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The products of a category and of those below it.
pub(crate) fn products_below(connection: &mut PgConnection, root: Uuid) -> QueryResult<Vec<Uuid>> {
    let mut select = Select::<SqlUuid>::new(
        "SELECT product.id FROM products.products AS product \
         JOIN products.categories AS category ON category.id = product.category_id \
         WHERE product.deleted_at IS NULL AND ",
    );
    select.bind(Bind::Uuid(root)).text(" = ANY(category.ancestors)");
    select.load(connection)
}

/// Whether a category has products or other categories.
pub(crate) fn is_used(connection: &mut PgConnection, id: Uuid) -> QueryResult<bool> {
    let mut select = Select::<diesel::sql_types::Bool>::new(
        "SELECT EXISTS (SELECT FROM products.products WHERE deleted_at IS NULL AND category_id = ",
    );
    select
        .bind(Bind::Uuid(id))
        .text(") OR EXISTS (SELECT FROM products.categories WHERE parent_id = ");
    select.bind(Bind::Uuid(id)).text(")");
    select.get_result(connection)
}

/// Removes a category that only deleted products still name.
pub(crate) fn delete(connection: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    const FORGET: &str = "UPDATE @.products SET category_id = NULL WHERE category_id = ? AND deleted_at IS NOT NULL";
    Statement::new(SCHEMA, FORGET, [Bind::Uuid(id)]).execute(connection)?;
    diesel::delete(categories::table.find(id)).execute(connection).map(drop)
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

impl Row {
    fn into_stored(self) -> StoredCategory {
        let category = Category {
            id: self.id.into(),
            handle: self.handle,
            name: self.name,
            parent_id: self.parent_id.map(Into::into),
            path: self.path,
            position: self.position,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        StoredCategory {
            category,
            ancestors: self.ancestors,
        }
    }

    fn from_stored(stored: StoredCategory) -> Self {
        let category = stored.category;
        Self {
            id: category.id.uuid(),
            parent_id: category.parent_id.map(Into::into),
            handle: category.handle,
            name: category.name,
            ancestors: stored.ancestors,
            path: category.path,
            position: category.position,
            version: category.version,
            created_at: category.created_at,
            updated_at: category.updated_at,
        }
    }
}
