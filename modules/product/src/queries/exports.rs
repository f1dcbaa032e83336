//! Exports and their files, as staff see them, and what a process does that is at one.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::imports::unsigned;
use crate::domain::SCHEMA;
use crate::import::{ExportFormat, ExportJob, JobFailure, JobState};
use crate::schema::exports;

/// An export that this process holds.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) id: Uuid,
    /// Who holds it: a new one each time that it is taken.
    pub(crate) holder: Uuid,
    pub(crate) format: ExportFormat,
    /// How often it was begun since it last got on, this time counted.
    pub(crate) attempts: i32,
    /// The last product in the file, and how large that is.
    pub(crate) after: Option<Uuid>,
    pub(crate) bytes: i64,
}

/// The next piece of a file.
pub(crate) struct Piece {
    /// How many products are in it, and the last of them.
    pub(crate) products: i64,
    pub(crate) last: Option<Uuid>,
    /// How large it is as it is downloaded.
    pub(crate) length: i64,
    /// Packed.
    pub(crate) bytes: Vec<u8>,
}

/// A piece of a file as it is kept: where it begins, and its bytes, which are packed.
#[derive(QueryableByName)]
pub(crate) struct Chunk {
    #[diesel(sql_type = BigInt)]
    pub(crate) start: i64,
    #[diesel(sql_type = Binary)]
    pub(crate) bytes: Vec<u8>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = exports)]
struct Row {
    id: Uuid,
    state: String,
    format: String,
    products_total: Option<i64>,
    products_done: i64,
    bytes: i64,
    failure_code: Option<String>,
    failure_detail: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

#[derive(QueryableByName)]
struct ClaimRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    format: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    last_product: Option<Uuid>,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// Puts an export at the end of the queue; false where as many as `most` are waiting or running.
pub(crate) fn enqueue(
    connection: &mut PgConnection,
    id: Uuid,
    format: ExportFormat,
    now: DateTime<Utc>,
    most: i64,
) -> QueryResult<bool> {
    // One at a time, until the end of the transaction: two could both be the last.
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('products.exports', 0))";
    const SQL: &str = "INSERT INTO @.exports (id, state, format, created_at) SELECT ?, 'queued', ?, ? \
        WHERE (SELECT count(*) FROM @.exports WHERE state IN ('queued', 'running')) < ?";
    Statement::new(SCHEMA, LOCK, []).execute(connection)?;
    let binds = [
        Bind::Uuid(id),
        Bind::Text(format.name().to_owned()),
        Bind::Time(now),
        Bind::BigInt(most),
    ];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// An export by its id.
pub(crate) fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<ExportJob>> {
    let row: Option<Row> = exports::table
        .find(id)
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Row::into_job))
}

/// Exports before the one with the id `before`, the newest first.
pub(crate) fn list(connection: &mut PgConnection, before: Option<Uuid>, limit: i64) -> QueryResult<Vec<ExportJob>> {
    let mut query = exports::table.select(Row::as_select()).into_boxed();
    if let Some(before) = before {
        query = query.filter(exports::id.lt(before));
    }
    let rows: Vec<Row> = query.order(exports::id.desc()).limit(limit).load(connection)?;
    Ok(rows.into_iter().map(Row::into_job).collect())
}

/// The piece of a file that has its byte `position`.
pub(crate) fn chunk(connection: &mut PgConnection, id: Uuid, position: i64) -> QueryResult<Option<Chunk>> {
    const SQL: &str = "SELECT start, bytes FROM @.export_chunks WHERE export_id = ? AND start <= ? \
        ORDER BY start DESC LIMIT 1";
    Statement::new(SCHEMA, SQL, [Bind::Uuid(id), Bind::BigInt(position)])
        .get_result(connection)
        .optional()
}

/// Removes an export with its file; false where there is none. Whoever is at it cannot write any more of it.
pub(crate) fn delete(connection: &mut PgConnection, id: Uuid) -> QueryResult<bool> {
    const SQL: &str = "DELETE FROM @.exports WHERE id = ?";
    Ok(Statement::new(SCHEMA, SQL, [Bind::Uuid(id)]).execute(connection)? == 1)
}

/// Removes exports that ended before `before`, with their files.
pub(crate) fn prune(connection: &mut PgConnection, before: DateTime<Utc>) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.exports WHERE finished_at < ?";
    Statement::new(SCHEMA, SQL, [Bind::Time(before)])
        .execute(connection)
        .map(drop)
}

/// Takes the export whose process is gone, else the first of the queue; `None` where there is nothing to do. One that is
/// running keeps the others waiting, and an index stands behind that.
pub(crate) fn claim(connection: &mut PgConnection, holder: Uuid, now: DateTime<Utc>) -> QueryResult<Option<Claim>> {
    const SQL: &str = "UPDATE @.exports SET state = 'running', holder = ?, attempts = attempts + 1, \
        started_at = coalesce(started_at, ?), leased_until = clock_timestamp() + interval '12 seconds' \
        WHERE id = (SELECT id FROM @.exports \
            WHERE (state = 'running' AND leased_until < clock_timestamp()) OR (state = 'queued' \
            AND NOT EXISTS (SELECT FROM @.exports WHERE state = 'running')) \
            ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) \
        RETURNING id, format, attempts, last_product, bytes";
    let row: Option<ClaimRow> = Statement::new(SCHEMA, SQL, [Bind::Uuid(holder), Bind::Time(now)])
        .get_result(connection)
        .optional()?;
    Ok(row.map(|row| row.into_claim(holder)))
}

/// Notes how many products there are, for an export that has not begun. An index tells it, without a look at the products.
pub(crate) fn count_products(connection: &mut PgConnection, claim: &Claim) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.exports SET products_total = (SELECT count(*) FROM @.products WHERE deleted_at IS NULL) \
        WHERE id = ? AND holder = ? AND products_total IS NULL";
    let binds = [Bind::Uuid(claim.id), Bind::Uuid(claim.holder)];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Adds a piece to the file; false where the holder holds the export no longer, and nothing is written.
pub(crate) fn append(connection: &mut PgConnection, claim: &Claim, piece: Piece) -> QueryResult<bool> {
    const ADVANCE: &str = "UPDATE @.exports SET products_done = products_done + ?, bytes = bytes + ?, last_product = ?, \
        attempts = 0, leased_until = clock_timestamp() + interval '12 seconds' \
        WHERE id = ? AND holder = ? AND state = 'running'";
    const STORE: &str = "INSERT INTO @.export_chunks (export_id, start, bytes) VALUES (?, ?, ?)";
    let binds = [
        Bind::BigInt(piece.products),
        Bind::BigInt(piece.length),
        Bind::NullableUuid(piece.last),
        Bind::Uuid(claim.id),
        Bind::Uuid(claim.holder),
    ];
    let is_held = Statement::new(SCHEMA, ADVANCE, binds).execute(connection)? == 1;
    if is_held && piece.length > 0 {
        let binds = [
            Bind::Uuid(claim.id),
            Bind::BigInt(claim.bytes),
            Bind::Bytes(piece.bytes),
        ];
        Statement::new(SCHEMA, STORE, binds).execute(connection)?;
    }
    Ok(is_held)
}

/// Ends an export; without its file where it has failed.
pub(crate) fn finish(
    connection: &mut PgConnection,
    claim: &Claim,
    failure: Option<JobFailure>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    const FINISH: &str = "UPDATE @.exports SET state = ?, failure_code = ?, failure_detail = ?, holder = NULL, \
        finished_at = ?, products_total = CASE WHEN ? THEN products_done ELSE products_total END \
        WHERE id = ? AND holder = ? AND state = 'running'";
    const DISCARD: &str = "DELETE FROM @.export_chunks WHERE export_id = ?";
    let has_failed = failure.is_some();
    let (code, detail) = failure.map(|failure| (failure.code, failure.detail)).unzip();
    let state = if has_failed { "failed" } else { "succeeded" };
    let binds = [
        Bind::Text(state.to_owned()),
        Bind::NullableText(code),
        Bind::NullableText(detail),
        Bind::Time(now),
        Bind::Bool(!has_failed),
        Bind::Uuid(claim.id),
        Bind::Uuid(claim.holder),
    ];
    let is_ended = Statement::new(SCHEMA, FINISH, binds).execute(connection)? == 1;
    if is_ended && has_failed {
        Statement::new(SCHEMA, DISCARD, [Bind::Uuid(claim.id)]).execute(connection)?;
    }
    Ok(())
}

impl Row {
    fn into_job(self) -> ExportJob {
        ExportJob {
            id: self.id.into(),
            state: JobState::from_name(&self.state),
            format: ExportFormat::from_name(&self.format),
            products_total: self.products_total.map(unsigned),
            products_done: unsigned(self.products_done),
            bytes: unsigned(self.bytes),
            failure: JobFailure::stored(self.failure_code, self.failure_detail),
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}

impl ClaimRow {
    fn into_claim(self, holder: Uuid) -> Claim {
        Claim {
            id: self.id,
            holder,
            format: ExportFormat::from_name(&self.format),
            attempts: self.attempts,
            after: self.last_product,
            bytes: self.bytes,
        }
    }
}
