//! A reference: the same searches with the same facets, answered by PostgreSQL's full text alone, without HTTP and without
//! a store in between. A table of its own, with everything that a search needs in one place.

use std::time::Duration;

use crate::Outcome;
use crate::pgbench::Pgbench;

const TABLE: &str = include_str!("../full_text.sql");

/// A page of 24, the total, and the counts of six facets.
const SEARCH: &str = r"
\set question random(1, :questions)
WITH hits AS MATERIALIZED (
    SELECT documents.*, ts_rank(words, question) AS rank
    FROM full_text.questions, websearch_to_tsquery('english', text) AS question, full_text.documents
    WHERE questions.id = :question AND words @@ question
)
SELECT
    (SELECT json_agg(page) FROM (SELECT id, title, brand, price, attributes FROM hits ORDER BY rank DESC, id LIMIT 24) AS page),
    (SELECT count(*) FROM hits),
    (SELECT json_agg(counts) FROM (SELECT brand, count(*) FROM hits GROUP BY brand ORDER BY 2 DESC LIMIT 50) AS counts),
    (SELECT json_agg(counts) FROM (SELECT category, count(*) FROM hits GROUP BY category ORDER BY 2 DESC LIMIT 50) AS counts),
    (SELECT json_agg(counts) FROM (SELECT width_bucket(price, 0, 200000, 10), count(*), min(price), max(price) FROM hits GROUP BY 1) AS counts),
    (SELECT json_agg(counts) FROM (SELECT attributes->>'colour', count(*) FROM hits GROUP BY 1 ORDER BY 2 DESC LIMIT 50) AS counts),
    (SELECT json_agg(counts) FROM (SELECT attributes->>'material', count(*) FROM hits GROUP BY 1 ORDER BY 2 DESC LIMIT 50) AS counts),
    (SELECT json_agg(counts) FROM (SELECT attributes->>'connection', count(*) FROM hits GROUP BY 1 ORDER BY 2 DESC LIMIT 50) AS counts);
";

/// Searches per second that `clients` get answered who ask for any of `searches`.
pub(crate) fn measure(pgbench: &Pgbench, searches: &[String], clients: u32, duration: Duration) -> Outcome<f64> {
    pgbench.query(TABLE)?;
    // They are made of letters and spaces.
    let rows: Vec<String> = searches
        .iter()
        .map(|text| format!("('{}')", text.replace('\'', "")))
        .collect();
    pgbench.query(&format!(
        "INSERT INTO full_text.questions (text) VALUES {}",
        rows.join(", ")
    ))?;
    pgbench.query("VACUUM (ANALYZE) full_text.documents, full_text.questions")?;
    pgbench.searches(SEARCH, searches.len(), clients, duration)
}
