//! What the search index is made of, and what it could not take.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Json, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use kernel::Locale;
use kernel::event::Position;
use kernel::id::{CollectionId, ProductId};
use uuid::Uuid;

use super::select::{Select, Verbatim};
use super::{offers, translations};
use crate::domain::SCHEMA;
use crate::domain::product::Status;
use crate::domain::searching::ParkedProduct;
use crate::domain::translation::{CategoryTranslation, Language, ProductTranslation, merged};
use crate::search::{Changes, Indexed, Shape, Told};

const COLUMNS: &str = "SELECT product.id, product.external_id, product.title, product.description, product.brand, \
    product.status, product.tags, product.codes, product.attributes, product.released_on, product.price_min, \
    product.price_max, category.ancestors, category.path, ARRAY(SELECT member.collection_id \
    FROM products.collection_products AS member WHERE member.product_id = product.id ORDER BY member.collection_id), ";

const TABLES: &str = " FROM products.products AS product \
    LEFT JOIN products.categories AS category ON category.id = product.category_id WHERE product.deleted_at IS NULL";

const PARKED: &str = "SELECT parked.product_id, product.title, parked.reason, parked.parked_at \
    FROM products.search_parked AS parked JOIN products.products AS product ON product.id = parked.product_id \
    WHERE product.deleted_at IS NULL";

type ParkedSql = (SqlUuid, Text, Text, Timestamptz);
type ParkedRow = (Uuid, String, String, DateTime<Utc>);

type RowSql = (
    SqlUuid,
    Nullable<Text>,
    Text,
    Text,
    Nullable<Text>,
    Text,
    Array<Text>,
    Array<Text>,
    Json,
    Date,
    BigInt,
    BigInt,
    Nullable<(Array<SqlUuid>, Array<Text>)>,
    Array<SqlUuid>,
    Bool,
);

#[derive(Queryable)]
struct Row {
    id: Uuid,
    external_id: Option<String>,
    title: String,
    description: String,
    brand: Option<String>,
    status: String,
    tags: Vec<String>,
    codes: Vec<String>,
    attributes: Verbatim,
    released_on: NaiveDate,
    price_min: i64,
    price_max: i64,
    category: Option<(Vec<Uuid>, Vec<String>)>,
    collections: Vec<Uuid>,
    in_stock: bool,
}

/// Products to index, and those that cannot be, each with a reason.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) products: Vec<Indexed>,
    pub(crate) unreadable: Vec<(Uuid, String)>,
}

impl Read {
    /// The greatest id; `None` where nothing was read.
    pub(crate) fn last_id(&self) -> Option<Uuid> {
        let readable = self.products.iter().map(|product| product.id);
        readable.chain(self.unreadable.iter().map(|(id, _)| *id)).max()
    }
}

/// Names the catalogue: an index of another one is of no use here.
pub(crate) fn identity(connection: &mut PgConnection) -> QueryResult<Uuid> {
    Select::<SqlUuid>::new("SELECT identity FROM products.search_catalogue").get_result(connection)
}

/// Products by their ids, whatever their status, with what can be bought `today`. Those that are gone are left out.
pub(crate) fn read(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
    today: NaiveDate,
    shape: &Shape,
) -> QueryResult<Read> {
    let mut select = select(today);
    select.text(" AND product.id = ANY(").bind(Bind::Uuids(ids)).text(")");
    let read = sort_out(select.load(connection)?);
    complete(connection, read, shape)
}

/// The next products in the order of their ids.
pub(crate) fn next(
    connection: &mut PgConnection,
    after: Uuid,
    limit: usize,
    today: NaiveDate,
    shape: &Shape,
) -> QueryResult<Read> {
    let mut select = select(today);
    select.text(" AND product.id > ").bind(Bind::Uuid(after));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    select.text(" ORDER BY product.id LIMIT ").bind(Bind::BigInt(limit));
    let read = sort_out(select.load(connection)?);
    complete(connection, read, shape)
}

/// Products of which something was sold before its day, which has come after `since`, `today` at the latest.
pub(crate) fn shipped(connection: &mut PgConnection, since: NaiveDate, today: NaiveDate) -> QueryResult<Vec<Uuid>> {
    let mut select = Select::<SqlUuid>::new(
        "SELECT DISTINCT variant.product_id FROM products.variants AS variant \
         WHERE variant.deleted_at IS NULL AND variant.preorder_until > ",
    );
    select.bind(Bind::Text(since.to_string()));
    select.text("::date AND variant.preorder_until <= ");
    select.bind(Bind::Text(today.to_string())).text("::date");
    select.load(connection)
}

/// Begins a SELECT of products that are not deleted. In stock is one with a variant that can be bought `today`: from what
/// lies where orders are served from, or beyond it. The same as `Terms::offer` in Rust.
fn select(today: NaiveDate) -> Select<RowSql> {
    let day = || Bind::Text(today.to_string());
    let mut select = Select::new(COLUMNS);
    select.text(
        "EXISTS (SELECT FROM products.variants AS variant \
         WHERE variant.product_id = product.id AND variant.deleted_at IS NULL \
         AND CASE WHEN variant.is_bundle THEN (SELECT offer.sellable FROM products.bundle_offer(variant.id, ",
    );
    select.bind(day()).text(
        "::date) AS offer) ELSE coalesce((SELECT sum(stock.on_hand - stock.reserved) FROM products.stock AS stock \
            JOIN products.locations AS location ON location.id = stock.location_id \
            WHERE stock.variant_id = variant.id AND location.sells), 0) + CASE WHEN variant.preorder_until > ",
    );
    select.bind(day());
    select.text("::date THEN variant.preorder_limit ELSE variant.backorder_limit END END > 0)");
    select.text(TABLES);
    select
}

/// Adds what only shops that are set to it have.
fn complete(connection: &mut PgConnection, mut read: Read, shape: &Shape) -> QueryResult<Read> {
    let ids: Vec<Uuid> = read.products.iter().map(|product| product.id).collect();
    let mut prices = offers::ranges_in(connection, ids.clone(), &shape.currencies)?;
    for product in &mut read.products {
        product.further_prices = prices.remove(&product.id).unwrap_or_default();
    }
    if shape.languages.is_empty() {
        return Ok(read);
    }
    let said = translations::all::<ProductTranslation>(connection, ids)?;
    let categories = read.products.iter().flat_map(|product| &product.categories);
    let categories: BTreeSet<Uuid> = categories.copied().collect();
    let names = translations::all::<CategoryTranslation>(connection, categories.into_iter().collect())?;
    for product in &mut read.products {
        let told = |language: &Language| (language.locale.clone(), told(product, language, &said, &names));
        product.translations = shape.languages.iter().map(told).collect();
    }
    Ok(read)
}

/// What a product is told as in a language: field by field what is said in the nearest one.
fn told(
    product: &Indexed,
    language: &Language,
    said: &HashMap<Uuid, BTreeMap<Locale, ProductTranslation>>,
    names: &HashMap<Uuid, BTreeMap<Locale, CategoryTranslation>>,
) -> Told {
    let mut told = product.told.clone();
    let near = &language.fallbacks;
    if let Some(said) = said.get(&product.id) {
        let said = merged(said.clone(), near);
        told.title = said.title.map_or(told.title, String::from);
        told.description = said.description.map_or(told.description, String::from);
    }
    for (id, name) in product.categories.iter().zip(&mut told.category_path) {
        let said = names.get(id).and_then(|said| merged(said.clone(), near).name);
        if let Some(said) = said {
            *name = said.to_string();
        }
    }
    told
}

fn sort_out(rows: Vec<Row>) -> Read {
    let mut read = Read::default();
    for row in rows {
        let id = row.id;
        match row.into_indexed() {
            Ok(product) => read.products.push(product),
            Err(error) => read
                .unreadable
                .push((id, format!("its attributes cannot be read: {error}"))),
        }
    }
    read
}

impl Row {
    fn into_indexed(self) -> serde_json::Result<Indexed> {
        let (categories, category_path) = self.category.unwrap_or_default();
        Ok(Indexed {
            id: self.id,
            external_id: self.external_id,
            told: Told {
                title: self.title,
                description: self.description,
                category_path,
            },
            translations: BTreeMap::new(),
            brand: self.brand,
            status: Status::from_name(&self.status),
            tags: self.tags,
            codes: self.codes,
            attributes: serde_json::from_str(self.attributes.0.get())?,
            released_on: self.released_on,
            price_min: self.price_min,
            price_max: self.price_max,
            further_prices: BTreeMap::new(),
            categories,
            collections: self.collections,
            in_stock: self.in_stock,
        })
    }
}

/// Notes products that could not be indexed. Those that are noted already keep their time.
pub(crate) fn park(
    connection: &mut PgConnection,
    products: Vec<(Uuid, String)>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.search_parked (product_id, reason, parked_at) \
        SELECT parked.product_id, parked.reason, ? FROM unnest(?, ?) AS parked (product_id, reason) \
        ON CONFLICT (product_id) DO UPDATE SET reason = excluded.reason";
    let (ids, reasons) = products.into_iter().unzip();
    let binds = [Bind::Time(now), Bind::Uuids(ids), Bind::Texts(reasons)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// At most `limit` parked products after `after`, in the order of their ids.
pub(crate) fn parked(connection: &mut PgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<ParkedProduct>> {
    let mut select = Select::<ParkedSql>::new(PARKED);
    select.text(" AND parked.product_id > ").bind(Bind::Uuid(after));
    select
        .text(" ORDER BY parked.product_id LIMIT ")
        .bind(Bind::BigInt(limit));
    let rows: Vec<ParkedRow> = select.load(connection)?;
    Ok(rows.into_iter().map(into_parked).collect())
}

/// A parked product.
pub(crate) fn find_parked(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<ParkedProduct>> {
    let mut select = Select::<ParkedSql>::new(PARKED);
    select.text(" AND parked.product_id = ").bind(Bind::Uuid(id));
    let row: Option<ParkedRow> = select.get_result(connection).optional()?;
    Ok(row.map(into_parked))
}

fn into_parked((id, title, reason, parked_at): ParkedRow) -> ParkedProduct {
    ParkedProduct {
        product_id: id.into(),
        title,
        reason,
        parked_at,
    }
}

/// All products that could not be indexed.
pub(crate) fn parked_ids(connection: &mut PgConnection) -> QueryResult<Vec<Uuid>> {
    Select::<SqlUuid>::new("SELECT parked.product_id FROM products.search_parked AS parked").load(connection)
}

/// The position of the newest event that feeds tell.
pub(crate) fn end_of_events(connection: &mut PgConnection) -> QueryResult<Position> {
    database::outbox::end(connection, SCHEMA)
}

/// What events after `position` have told of, those too that feeds still hold back.
pub(crate) fn told_since(connection: &mut PgConnection, position: Position) -> QueryResult<Changes> {
    let mut select = Select::<Text>::new(
        "SELECT DISTINCT event.subject FROM products.outbox AS event \
         WHERE event.type IN ('product.changed', 'product.availability_changed', 'collection.changed') \
         AND (event.transaction_id, event.sequence) > (",
    );
    select.bind(Bind::BigInt(position.transaction)).text(", ");
    select.bind(Bind::BigInt(position.sequence)).text(")");
    let subjects: Vec<String> = select.load(connection)?;
    let mut told = Changes::default();
    for subject in subjects {
        if let Ok(product) = subject.parse::<ProductId>() {
            told.products.insert(product.uuid());
        } else if let Ok(collection) = subject.parse::<CollectionId>() {
            told.collections.insert(collection.uuid());
        }
    }
    Ok(told)
}

/// Forgets that products could not be indexed.
pub(crate) fn unpark(connection: &mut PgConnection, products: Vec<Uuid>) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.search_parked WHERE product_id = ANY(?)";
    Statement::new(SCHEMA, SQL, [Bind::Uuids(products)])
        .execute(connection)
        .map(drop)
}
