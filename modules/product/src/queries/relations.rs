//! What is shown beside products.

use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::select::Select;
use crate::domain::SCHEMA;
use crate::domain::relation::{Relation, RelationKind};

/// What stands beside a product, in its order.
pub(crate) fn find(connection: &mut PgConnection, product: Uuid) -> QueryResult<Vec<Relation>> {
    let mut select = Select::<(Text, SqlUuid)>::new(
        "SELECT relation.kind, relation.related_id FROM products.product_relations AS relation \
         WHERE relation.product_id = ",
    );
    select
        .bind(Bind::Uuid(product))
        .text(" ORDER BY relation.position, relation.related_id");
    let rows: Vec<(String, Uuid)> = select.load(connection)?;
    let relation = |(kind, id): (String, Uuid)| Relation {
        kind: RelationKind::from_name(&kind),
        product_id: id.into(),
    };
    Ok(rows.into_iter().map(relation).collect())
}

/// Makes `relations` all that stands beside a product.
pub(crate) fn replace(connection: &mut PgConnection, product: Uuid, relations: &[Relation]) -> QueryResult<()> {
    const CLEAR: &str = "DELETE FROM @.product_relations WHERE product_id = ?";
    const INSERT: &str = "INSERT INTO @.product_relations (product_id, kind, related_id, position) \
        SELECT ?, relation.kind, relation.id, relation.position \
        FROM unnest(?, ?) WITH ORDINALITY AS relation (kind, id, position)";
    Statement::new(SCHEMA, CLEAR, [Bind::Uuid(product)]).execute(connection)?;
    let kinds = relations.iter().map(|relation| relation.kind.name().to_owned());
    let ids = relations.iter().map(|relation| relation.product_id.uuid());
    let binds = [
        Bind::Uuid(product),
        Bind::Texts(kinds.collect()),
        Bind::Uuids(ids.collect()),
    ];
    Statement::new(SCHEMA, INSERT, binds).execute(connection).map(drop)
}
