//! Which products belong to which collections. Whoever calls these holds the tables of categories and collections, so
//! that nothing that rules look at changes meanwhile.

use std::collections::HashMap;

use chrono::NaiveDate;
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Array, BigInt, Json, Uuid as SqlUuid};
use uuid::Uuid;

use super::offers::{Moved, Ranges};
use super::select::{Select, Verbatim, read};
use crate::domain::SCHEMA;
use crate::domain::listing::Listing;
use crate::domain::rule::{Facts, Rule, StoredRule, Turn};

/// How many products and collections are compared in one statement: where each rule is as large as it may be, that takes half
/// a second, and a statement may take five.
const PAIRS: usize = 5_000;

/// Fills collections by their rules: which collections and which products is put in. Answers the collections that have
/// changed. One statement, whatever the number of either.
macro_rules! refill {
    ($collections:literal, $products:literal, $members:literal) => {
        concat!(
            "WITH rule AS (SELECT collection.id, collection.rule::jsonb AS rule FROM @.collections AS collection \
             WHERE collection.rule IS NOT NULL",
            $collections,
            "), matching AS (SELECT rule.id AS collection_id, product.id AS product_id FROM rule \
             CROSS JOIN @.products AS product LEFT JOIN @.categories AS category ON category.id = product.category_id \
             WHERE product.deleted_at IS NULL",
            $products,
            " AND @.rule_holds(rule.rule, product.brand, product.tags, product.product_type_id, category.ancestors, \
             product.attributes::jsonb, product.price_min, product.price_max, product.released_on, ?::date)), \
             gone AS (DELETE FROM @.collection_products AS member USING rule WHERE member.collection_id = rule.id",
            $members,
            " AND NOT EXISTS (SELECT FROM matching WHERE matching.collection_id = member.collection_id \
             AND matching.product_id = member.product_id) RETURNING member.collection_id), \
             come AS (INSERT INTO @.collection_products (collection_id, product_id) \
             SELECT matching.collection_id, matching.product_id FROM matching ON CONFLICT DO NOTHING \
             RETURNING collection_id) \
             SELECT collection_id AS id FROM gone UNION SELECT collection_id FROM come"
        )
    };
}

/// Fills some collections from the whole catalogue; answers those that have changed.
pub(crate) fn refill(
    connection: &mut PgConnection,
    collections: Vec<Uuid>,
    today: NaiveDate,
) -> QueryResult<Vec<Uuid>> {
    const SQL: &str = refill!(" AND collection.id = ANY(?)", "", "");
    let binds = [Bind::Uuids(collections), Bind::Text(today.to_string())];
    ids(Statement::new(SCHEMA, SQL, binds), connection)
}

/// Compares some products, as they are stored, with all rules.
pub(crate) fn recheck(connection: &mut PgConnection, products: Vec<Uuid>, today: NaiveDate) -> QueryResult<()> {
    const SQL: &str = refill!("", " AND product.id = ANY(?)", " AND member.product_id = ANY(?)");
    if products.is_empty() {
        return Ok(());
    }
    let binds = [
        Bind::Uuids(products.clone()),
        Bind::Text(today.to_string()),
        Bind::Uuids(products),
    ];
    ids(Statement::new(SCHEMA, SQL, binds), connection).map(drop)
}

/// Compares some products, of which nothing has changed but what they cost, with the rules for which that matters. The
/// database is asked only where what a rule says of prices does not decide by itself.
pub(crate) fn recheck_prices(connection: &mut PgConnection, moved: &[Moved], today: NaiveDate) -> QueryResult<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let rules = price_rules(connection)?;
    let (mut come, mut gone, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for (collection, rule) in &rules {
        for product in moved {
            let pair = (*collection, product.id);
            match rule.turn(product.before(), product.after()) {
                Turn::None => (),
                Turn::Holds => come.push(pair),
                Turn::Fails => gone.push(pair),
                Turn::Open => open.push(pair),
            }
        }
    }
    for pairs in come.chunks(PAIRS) {
        add(connection, pairs)?;
    }
    for pairs in gone.chunks(PAIRS) {
        remove(connection, pairs)?;
    }
    for pairs in open.chunks(PAIRS) {
        ask(connection, pairs, today)?;
    }
    Ok(())
}

/// Compares products that have just been written with all rules, without reading them again: one statement for the rules,
/// one for the categories, one to write. `ranges` has the prices of those that are not as written.
pub(crate) fn follow<'a>(
    connection: &mut PgConnection,
    written: impl Iterator<Item = &'a (Uuid, Listing)> + Clone,
    ranges: &Ranges,
    today: NaiveDate,
) -> QueryResult<()> {
    const SQL: &str = "WITH matching AS (SELECT unnest(?) AS collection_id, unnest(?) AS product_id), \
        gone AS (DELETE FROM @.collection_products AS member USING @.collections AS collection \
        WHERE member.collection_id = collection.id AND collection.rule IS NOT NULL AND member.product_id = ANY(?) \
        AND NOT EXISTS (SELECT FROM matching WHERE matching.collection_id = member.collection_id \
        AND matching.product_id = member.product_id)) \
        INSERT INTO @.collection_products (collection_id, product_id) \
        SELECT matching.collection_id, matching.product_id FROM matching ON CONFLICT DO NOTHING";
    if written.clone().next().is_none() {
        return Ok(());
    }
    let rules = rules(connection)?;
    if rules.is_empty() {
        return Ok(());
    }
    let ancestors = ancestors(connection, written.clone().filter_map(|(_, listing)| listing.category))?;
    let (mut collections, mut products) = (Vec::new(), Vec::new());
    for (id, listing) in written.clone() {
        let category = listing.category.and_then(|category| ancestors.get(&category));
        let facts = Facts {
            listing,
            ancestors: category.map(Vec::as_slice).unwrap_or_default(),
            prices: ranges.get(id).copied().unwrap_or_else(|| listing.price_range()),
        };
        for (collection, rule) in &rules {
            if rule.holds(facts, today) {
                collections.push(*collection);
                products.push(*id);
            }
        }
    }
    let all = written.map(|(id, _)| *id).collect();
    let binds = [Bind::Uuids(collections), Bind::Uuids(products), Bind::Uuids(all)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// How many products a rule holds for.
pub(crate) fn count(connection: &mut PgConnection, rule: &Rule, today: NaiveDate) -> QueryResult<i64> {
    let mut select = Select::<BigInt>::new(
        "SELECT count(*) FROM products.products AS product \
         LEFT JOIN products.categories AS category ON category.id = product.category_id \
         WHERE product.deleted_at IS NULL AND products.rule_holds((SELECT ",
    );
    select
        .bind(Bind::Text(stored(rule)?))
        .text(
            "::jsonb), product.brand, product.tags, product.product_type_id, category.ancestors, \
             product.attributes::jsonb, product.price_min, product.price_max, product.released_on, ",
        )
        .bind(Bind::Text(today.to_string()))
        .text("::date)");
    select.get_result(connection)
}

/// Makes `products` the ones that were chosen by hand, in this order. Unknown and deleted ones are left out; answers how
/// many there are.
pub(crate) fn choose(connection: &mut PgConnection, collection: Uuid, products: Vec<Uuid>) -> QueryResult<usize> {
    const CLEAR: &str = "DELETE FROM @.collection_products WHERE collection_id = ? AND product_id <> ALL(?)";
    const CHOOSE: &str = "INSERT INTO @.collection_products (collection_id, product_id, position) \
        SELECT ?, chosen.id, chosen.position FROM unnest(?) WITH ORDINALITY AS chosen (id, position) \
        JOIN @.products AS product ON product.id = chosen.id AND product.deleted_at IS NULL \
        ON CONFLICT (collection_id, product_id) DO UPDATE SET position = excluded.position";
    let binds = || [Bind::Uuid(collection), Bind::Uuids(products.clone())];
    Statement::new(SCHEMA, CLEAR, binds()).execute(connection)?;
    Statement::new(SCHEMA, CHOOSE, binds()).execute(connection)
}

/// All products of a collection, in their order.
pub(crate) fn products(connection: &mut PgConnection, collection: Uuid) -> QueryResult<Vec<Uuid>> {
    let mut select =
        Select::<SqlUuid>::new("SELECT product_id FROM products.collection_products WHERE collection_id = ");
    select
        .bind(Bind::Uuid(collection))
        .text(" ORDER BY position, product_id");
    select.load(connection)
}

/// The rule as the database understands it.
pub(super) fn stored(rule: &Rule) -> QueryResult<String> {
    serde_json::to_string(&StoredRule::from(rule.clone())).map_err(|error| Error::SerializationError(Box::new(error)))
}

fn rules(connection: &mut PgConnection) -> QueryResult<Vec<(Uuid, Rule)>> {
    let mut select = Select::<(SqlUuid, Json)>::new("SELECT id, rule FROM products.collections");
    select.text(" WHERE rule IS NOT NULL");
    let rows: Vec<(Uuid, Verbatim)> = select.load(connection)?;
    rows.into_iter()
        .map(|(id, rule)| Ok((id, read::<StoredRule>(&rule)?.into())))
        .collect()
}

/// The rules that say something of prices, as far as they do.
fn price_rules(connection: &mut PgConnection) -> QueryResult<Vec<(Uuid, Rule)>> {
    let mut select = Select::<(SqlUuid, Json)>::new("SELECT id, price_rule::json FROM products.collections");
    select.text(" WHERE price_rule IS NOT NULL");
    let rows: Vec<(Uuid, Verbatim)> = select.load(connection)?;
    rows.into_iter()
        .map(|(id, rule)| Ok((id, read::<StoredRule>(&rule)?.into())))
        .collect()
}

/// Puts products into collections.
fn add(connection: &mut PgConnection, pairs: &[(Uuid, Uuid)]) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.collection_products (collection_id, product_id) SELECT pair.* \
        FROM unnest(?, ?) AS pair ON CONFLICT DO NOTHING";
    Statement::new(SCHEMA, SQL, columns(pairs))
        .execute(connection)
        .map(drop)
}

/// Takes products out of collections.
fn remove(connection: &mut PgConnection, pairs: &[(Uuid, Uuid)]) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.collection_products AS member \
        USING unnest(?, ?) AS pair (collection_id, product_id) \
        WHERE member.collection_id = pair.collection_id AND member.product_id = pair.product_id";
    Statement::new(SCHEMA, SQL, columns(pairs))
        .execute(connection)
        .map(drop)
}

/// Puts products into collections whose whole rules hold for them as they are stored, and takes them out of the others.
fn ask(connection: &mut PgConnection, pairs: &[(Uuid, Uuid)], today: NaiveDate) -> QueryResult<()> {
    // Each rule is taken apart once, not for each product.
    const SQL: &str = "WITH open AS (SELECT * FROM unnest(?, ?) AS open (collection_id, product_id)), \
        collection AS MATERIALIZED (SELECT id, rule::jsonb AS rule FROM @.collections \
            WHERE id IN (SELECT collection_id FROM open)), \
        matching AS (SELECT open.collection_id, open.product_id FROM open \
            JOIN collection ON collection.id = open.collection_id \
            JOIN @.products AS product ON product.id = open.product_id \
            LEFT JOIN @.categories AS category ON category.id = product.category_id \
            WHERE @.rule_holds(collection.rule, product.brand, product.tags, product.product_type_id, \
            category.ancestors, product.attributes::jsonb, product.price_min, product.price_max, product.released_on, \
            ?::date)), \
        gone AS (DELETE FROM @.collection_products AS member USING open \
            WHERE member.collection_id = open.collection_id AND member.product_id = open.product_id \
            AND NOT EXISTS (SELECT FROM matching WHERE matching.collection_id = member.collection_id \
            AND matching.product_id = member.product_id)) \
        INSERT INTO @.collection_products (collection_id, product_id) \
        SELECT matching.collection_id, matching.product_id FROM matching ON CONFLICT DO NOTHING";
    let binds = columns(pairs).into_iter().chain([Bind::Text(today.to_string())]);
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Collections and products as two columns.
fn columns(pairs: &[(Uuid, Uuid)]) -> [Bind; 2] {
    let (collections, products) = pairs.iter().copied().unzip();
    [Bind::Uuids(collections), Bind::Uuids(products)]
}

fn ancestors(
    connection: &mut PgConnection,
    categories: impl Iterator<Item = Uuid>,
) -> QueryResult<HashMap<Uuid, Vec<Uuid>>> {
    let mut categories: Vec<Uuid> = categories.collect();
    categories.sort_unstable();
    categories.dedup();
    if categories.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select =
        Select::<(SqlUuid, Array<SqlUuid>)>::new("SELECT id, ancestors FROM products.categories WHERE id = ANY(");
    select.bind(Bind::Uuids(categories)).text(")");
    let rows: Vec<(Uuid, Vec<Uuid>)> = select.load(connection)?;
    Ok(rows.into_iter().collect())
}

fn ids(statement: Statement, connection: &mut PgConnection) -> QueryResult<Vec<Uuid>> {
    let rows: Vec<IdRow> = statement.load(connection)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}
