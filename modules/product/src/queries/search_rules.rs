//! What staff say of searches. Whoever writes any of it has called `search_settings::hold` in the same transaction.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use kernel::id::ProductId;
use uuid::Uuid;

use super::select::Select;
use crate::domain::SCHEMA;
use crate::domain::search_rule::{Effect, Match, SearchRule};
use crate::schema::search_rules;

/// The products that are not deleted.
const EXISTING: &str = "product.deleted_at IS NULL";

#[derive(Queryable, Selectable)]
#[diesel(table_name = search_rules, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    query: String,
    match_: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// At most `limit` rules after `after`, in the order in which they were made. Products that are deleted are left out.
pub(crate) fn page(connection: &mut PgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<SearchRule>> {
    let rows = rows(connection, after, limit)?;
    with_products(connection, rows, EXISTING)
}

/// The same with products that are deleted: what a rule says is then the same until somebody changes it, whoever reads it when.
pub(crate) fn page_as_stored(connection: &mut PgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<SearchRule>> {
    let rows = rows(connection, after, limit)?;
    with_products(connection, rows, "true")
}

/// A rule by its id.
pub(crate) fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<SearchRule>> {
    let row: Option<Row> = search_rules::table
        .find(id)
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    Ok(with_products(connection, row.into_iter().collect(), EXISTING)?.pop())
}

/// How many rules there are.
pub(crate) fn count(connection: &mut PgConnection) -> QueryResult<i64> {
    search_rules::table.count().get_result(connection)
}

/// Which of the products that a rule names are there.
pub(crate) fn known_products(connection: &mut PgConnection, rule: &SearchRule) -> QueryResult<HashSet<ProductId>> {
    let mut select = Select::<SqlUuid>::new("SELECT id FROM products.products WHERE deleted_at IS NULL AND id = ANY(");
    let ids = rule.effects().map(|(product, _, _)| product.uuid());
    select.bind(Bind::Uuids(ids.collect())).text(")");
    let ids: Vec<Uuid> = select.load(connection)?;
    Ok(ids.into_iter().map(ProductId::from).collect())
}

/// Adds a rule.
pub(crate) fn insert(connection: &mut PgConnection, new: &SearchRule) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.search_rules (id, query, match, version, created_at, updated_at) \
        VALUES (?, ?, ?, ?, ?, ?)";
    let binds = [
        Bind::Uuid(new.id.uuid()),
        Bind::Text(new.query.clone()),
        Bind::Text(new.r#match.name().to_owned()),
        Bind::BigInt(new.version),
        Bind::Time(new.created_at),
        Bind::Time(new.updated_at),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection)?;
    insert_products(connection, new)
}

/// Writes a rule with its version.
pub(crate) fn update(connection: &mut PgConnection, after: &SearchRule) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.search_rules SET query = ?, match = ?, version = ?, updated_at = ? WHERE id = ?";
    const CLEAR: &str = "DELETE FROM @.search_rule_products WHERE rule_id = ?";
    let binds = [
        Bind::Text(after.query.clone()),
        Bind::Text(after.r#match.name().to_owned()),
        Bind::BigInt(after.version),
        Bind::Time(after.updated_at),
        Bind::Uuid(after.id.uuid()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection)?;
    Statement::new(SCHEMA, CLEAR, [Bind::Uuid(after.id.uuid())]).execute(connection)?;
    insert_products(connection, after)
}

/// Removes a rule.
pub(crate) fn delete(connection: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    diesel::delete(search_rules::table.find(id))
        .execute(connection)
        .map(drop)
}

fn insert_products(connection: &mut PgConnection, rule: &SearchRule) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.search_rule_products (rule_id, product_id, effect, position) \
        SELECT ?, named.id, named.effect, named.position \
        FROM unnest(?, ?) WITH ORDINALITY AS named (id, effect, position)";
    let (ids, effects) = rule
        .effects()
        .map(|(product, effect, _)| (product.uuid(), effect.name().to_owned()))
        .unzip();
    let binds = [Bind::Uuid(rule.id.uuid()), Bind::Uuids(ids), Bind::Texts(effects)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

fn rows(connection: &mut PgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<Row>> {
    search_rules::table
        .filter(search_rules::id.gt(after))
        .order(search_rules::id)
        .limit(limit)
        .select(Row::as_select())
        .load(connection)
}

/// The rules with those of their products that satisfy `condition`.
fn with_products(
    connection: &mut PgConnection,
    rows: Vec<Row>,
    condition: &'static str,
) -> QueryResult<Vec<SearchRule>> {
    let mut select = Select::<(SqlUuid, SqlUuid, Text)>::new(
        "SELECT named.rule_id, named.product_id, named.effect FROM products.search_rule_products AS named \
         JOIN products.products AS product ON product.id = named.product_id WHERE named.rule_id = ANY(",
    );
    let ids = rows.iter().map(|row| row.id).collect();
    select
        .bind(Bind::Uuids(ids))
        .text(") AND ")
        .text(condition)
        .text(" ORDER BY named.rule_id, named.position");
    let named: Vec<(Uuid, Uuid, String)> = select.load(connection)?;
    let mut effects: HashMap<Uuid, Vec<(Uuid, Effect)>> = HashMap::new();
    for (rule, product, effect) in named {
        let known = effects.entry(rule).or_default();
        known.push((product, Effect::from_name(&effect)));
    }
    let rules = rows.into_iter().map(|row| {
        let products = effects.remove(&row.id).unwrap_or_default();
        row.into_rule(products)
    });
    Ok(rules.collect())
}

impl Row {
    fn into_rule(self, products: Vec<(Uuid, Effect)>) -> SearchRule {
        let mut rule = SearchRule {
            id: self.id.into(),
            query: self.query,
            r#match: Match::from_name(&self.match_),
            pins: Vec::new(),
            boosts: Vec::new(),
            buries: Vec::new(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        for (product, effect) in products {
            rule.add(product.into(), effect);
        }
        rule
    }
}
