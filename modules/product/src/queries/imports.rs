//! Uploaded files and their imports, as staff see them. What a process does that is at one is in [`super::import_work`].

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::SCHEMA;
use crate::import::{ImportFormat, ImportJob, JobFailure, JobState, RowError};
use crate::schema::{import_errors, imports};

#[derive(Queryable, Selectable)]
#[diesel(table_name = imports)]
struct Row {
    id: Uuid,
    state: String,
    dry_run: bool,
    bytes_total: i64,
    bytes_done: i64,
    rows_done: i64,
    created: i64,
    updated: i64,
    unchanged: i64,
    skipped: i64,
    errors_total: i64,
    failure_code: Option<String>,
    failure_detail: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

/// An import to be.
pub(crate) struct NewImport {
    pub(crate) id: Uuid,
    pub(crate) format: ImportFormat,
    pub(crate) dry_run: bool,
    pub(crate) actor: String,
    pub(crate) bytes: i64,
    pub(crate) now: DateTime<Utc>,
}

/// Puts an import at the end of the queue, without its file; false where as many as `most` are waiting or running.
pub(crate) fn enqueue(connection: &mut PgConnection, new: NewImport, most: i64) -> QueryResult<bool> {
    // One at a time, until the end of the transaction: two could both be the last.
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('products.imports', 0))";
    const SQL: &str = "INSERT INTO @.imports (id, state, format, dry_run, actor, bytes_total, created_at) \
        SELECT ?, 'queued', ?, ?, ?, ?, ? \
        WHERE (SELECT count(*) FROM @.imports WHERE state IN ('queued', 'running') AND checksum IS NULL) < ?";
    Statement::new(SCHEMA, LOCK, []).execute(connection)?;
    let binds = [
        Bind::Uuid(new.id),
        Bind::Text(format_name(new.format).to_owned()),
        Bind::Bool(new.dry_run),
        Bind::Text(new.actor),
        Bind::BigInt(new.bytes),
        Bind::Time(new.now),
        Bind::BigInt(most),
    ];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// Keeps pieces of a file, the first of which is number `first`.
pub(crate) fn store_chunks(
    connection: &mut PgConnection,
    id: Uuid,
    first: i32,
    chunks: Vec<Vec<u8>>,
) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.import_chunks (import_id, number, bytes) \
        SELECT ?, ? + chunk.place::integer - 1, chunk.bytes FROM unnest(?) WITH ORDINALITY AS chunk (bytes, place)";
    let binds = [Bind::Uuid(id), Bind::Integer(first), Bind::ByteStrings(chunks)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// An import by its id.
pub(crate) fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<ImportJob>> {
    let row: Option<Row> = imports::table
        .find(id)
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Row::into_job))
}

/// Imports before the one with the id `before`, the newest first.
pub(crate) fn list(connection: &mut PgConnection, before: Option<Uuid>, limit: i64) -> QueryResult<Vec<ImportJob>> {
    let mut query = imports::table.select(Row::as_select()).into_boxed();
    if let Some(before) = before {
        query = query.filter(imports::id.lt(before));
    }
    let rows: Vec<Row> = query.order(imports::id.desc()).limit(limit).load(connection)?;
    Ok(rows.into_iter().map(Row::into_job).collect())
}

/// What was wrong with rows of an import, after the mistake with the number `after`, each with its number.
pub(crate) fn errors(
    connection: &mut PgConnection,
    id: Uuid,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<(i64, RowError)>> {
    let rows: Vec<(i64, i64, String, String, String)> = import_errors::table
        .filter(import_errors::import_id.eq(id).and(import_errors::number.gt(after)))
        .order(import_errors::number)
        .limit(limit)
        .select((
            import_errors::number,
            import_errors::line,
            import_errors::pointer,
            import_errors::code,
            import_errors::detail,
        ))
        .load(connection)?;
    let error = |(number, line, pointer, code, detail)| {
        let line = unsigned(line);
        let error = RowError {
            line,
            pointer,
            code,
            detail,
        };
        (number, error)
    };
    Ok(rows.into_iter().map(error).collect())
}

/// Cancels an import that has not ended; false where it has, or there is none. From here on none of its rows is written:
/// whoever is at it cannot note that it did.
pub(crate) fn cancel(connection: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.imports SET state = 'cancelled', holder = NULL, finished_at = ? \
        WHERE id = ? AND state IN ('queued', 'running')";
    let is_cancelled = Statement::new(SCHEMA, SQL, [Bind::Time(now), Bind::Uuid(id)]).execute(connection)? == 1;
    if is_cancelled {
        discard(connection, id)?;
    }
    Ok(is_cancelled)
}

/// Removes the file of an import that has ended, and what was noted for whoever might have gone on with it.
pub(super) fn discard(connection: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    for sql in [
        "DELETE FROM @.import_chunks WHERE import_id = ?",
        "DELETE FROM @.import_names WHERE import_id = ?",
        "DELETE FROM @.import_left_out WHERE import_id = ?",
    ] {
        Statement::new(SCHEMA, sql, [Bind::Uuid(id)]).execute(connection)?;
    }
    Ok(())
}

/// Forgets imports that ended before `before`, with their errors, and those of files that nobody has gone on with for a day:
/// the catalogue is another one by then.
pub(crate) fn prune(connection: &mut PgConnection, before: DateTime<Utc>) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.imports WHERE finished_at < ? OR (state = 'running' AND checksum IS NOT NULL \
        AND leased_until < clock_timestamp() - interval '1 day')";
    Statement::new(SCHEMA, SQL, [Bind::Time(before)])
        .execute(connection)
        .map(drop)
}

/// The name of a format, as the database has it.
pub(super) fn format_name(format: ImportFormat) -> &'static str {
    match format {
        ImportFormat::Auto => "auto",
        ImportFormat::Ndjson => "ndjson",
        ImportFormat::ShopifyCsv => "shopify",
    }
}

/// The format of a name.
pub(super) fn format_of(name: &str) -> ImportFormat {
    match name {
        "ndjson" => ImportFormat::Ndjson,
        "shopify" => ImportFormat::ShopifyCsv,
        _ => ImportFormat::Auto,
    }
}

/// A count; the database has no negative ones.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl Row {
    fn into_job(self) -> ImportJob {
        ImportJob {
            id: self.id.into(),
            state: JobState::from_name(&self.state),
            dry_run: self.dry_run,
            bytes_total: unsigned(self.bytes_total),
            bytes_done: unsigned(self.bytes_done),
            rows_done: unsigned(self.rows_done),
            created: unsigned(self.created),
            updated: unsigned(self.updated),
            unchanged: unsigned(self.unchanged),
            skipped: unsigned(self.skipped),
            errors_total: unsigned(self.errors_total),
            failure: JobFailure::stored(self.failure_code, self.failure_detail),
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}
