//! Products to show, by what the search has found.

use std::collections::HashMap;

use chrono::NaiveDate;
use database::Bind;
use diesel::prelude::*;
use uuid::Uuid;

use super::products::{COLUMNS, ProductRow, ProductSql, TABLES, assemble};
use super::select::Select;
use crate::domain::product::AdminProduct;

/// Products by their ids as they are shown `today`, whatever their status. Those that are gone are left out.
pub(crate) fn by_ids(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
    today: NaiveDate,
) -> QueryResult<HashMap<Uuid, AdminProduct>> {
    let mut select = Select::<ProductSql>::new(COLUMNS);
    select
        .text(TABLES)
        .text(" WHERE product.deleted_at IS NULL AND product.id = ANY(")
        .bind(Bind::Uuids(ids))
        .text(")");
    let rows = select.load::<ProductRow>(connection)?;
    let products = assemble(connection, rows, today)?;
    Ok(products
        .into_iter()
        .map(|product| (product.product.id.uuid(), product))
        .collect())
}
