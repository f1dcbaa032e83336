//! A reference: the same queries answered by PostgreSQL's full text alone.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};

use crate::Outcome;

/// Those with all words, as PostgreSQL ranks them.
const SEARCH: &str = "
SELECT (SELECT min(sku) FROM products.variants WHERE product_id = documents.id) AS sku
FROM full_text.documents, websearch_to_tsquery('english', $1) AS question
WHERE words @@ question ORDER BY ts_rank(words, question) DESC, id LIMIT $2";

/// The products of a store as PostgreSQL finds them.
pub(crate) struct FullText {
    connection: PgConnection,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    sku: String,
}

impl FullText {
    /// Of the store whose database listens in `socket`.
    pub(crate) fn over(socket: &Path) -> Outcome<Self> {
        let address = format!("host={} port=5432 user=bodega dbname=bodega", socket.display());
        let mut connection = PgConnection::establish(&address)?;
        connection.batch_execute(include_str!("../full_text.sql"))?;
        Ok(Self { connection })
    }

    /// The SKUs of the first products for `query`.
    pub(crate) fn search(&mut self, query: &str, limit: usize) -> Outcome<Vec<String>> {
        let rows: Vec<Row> = diesel::sql_query(SEARCH)
            .bind::<Text, _>(query)
            .bind::<BigInt, _>(i64::try_from(limit)?)
            .load(&mut self.connection)?;
        Ok(rows.into_iter().map(|row| row.sku).collect())
    }
}
