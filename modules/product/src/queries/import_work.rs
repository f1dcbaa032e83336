//! What a process does that is at an import: takes it, reads its file, notes how far it is, ends it.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::imports::{NewImport, discard, format_name, format_of, unsigned};
use crate::domain::SCHEMA;
use crate::import::{ImportError, ImportFormat, Progress, RowError};
use crate::service::Implied;

/// An import that this process holds.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) id: Uuid,
    /// Who holds it: a new one each time that it is taken.
    pub(crate) holder: Uuid,
    pub(crate) format: ImportFormat,
    pub(crate) dry_run: bool,
    pub(crate) actor: String,
    pub(crate) bytes: u64,
    /// How often it was begun since it last got on, this time counted.
    pub(crate) attempts: i32,
    /// How far it is.
    pub(crate) progress: Progress,
    pub(crate) errors_total: u64,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    format: String,
    #[diesel(sql_type = Bool)]
    dry_run: bool,
    #[diesel(sql_type = Text)]
    actor: String,
    #[diesel(sql_type = BigInt)]
    bytes_total: i64,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = BigInt)]
    rows_done: i64,
    #[diesel(sql_type = BigInt)]
    created: i64,
    #[diesel(sql_type = BigInt)]
    updated: i64,
    #[diesel(sql_type = BigInt)]
    unchanged: i64,
    #[diesel(sql_type = BigInt)]
    skipped: i64,
    #[diesel(sql_type = BigInt)]
    errors_total: i64,
}

#[derive(QueryableByName)]
struct Chunk {
    #[diesel(sql_type = Binary)]
    bytes: Vec<u8>,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Bool)]
    released: bool,
    #[diesel(sql_type = SqlUuid)]
    digest: Uuid,
    #[diesel(sql_type = BigInt)]
    line: i64,
}

#[derive(QueryableByName)]
struct LeftOut {
    #[diesel(sql_type = BigInt)]
    line: i64,
}

/// Takes the import whose process is gone, else the first of the queue; `None` where there is nothing to do. One that is
/// running keeps the others waiting, and an index stands behind that.
pub(crate) fn claim(connection: &mut PgConnection, holder: Uuid, now: DateTime<Utc>) -> QueryResult<Option<Claim>> {
    const SQL: &str = "UPDATE @.imports SET state = 'running', holder = ?, attempts = attempts + 1, \
        started_at = coalesce(started_at, ?), leased_until = clock_timestamp() + interval '12 seconds' \
        WHERE id = (SELECT id FROM @.imports \
            WHERE checksum IS NULL AND ((state = 'running' AND leased_until < clock_timestamp()) OR (state = 'queued' \
            AND NOT EXISTS (SELECT FROM @.imports WHERE state = 'running' AND checksum IS NULL))) \
            ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) \
        RETURNING id, format, dry_run, actor, bytes_total, attempts, rows_done, created, updated, unchanged, skipped, \
        errors_total";
    let row: Option<Row> = Statement::new(SCHEMA, SQL, [Bind::Uuid(holder), Bind::Time(now)])
        .get_result(connection)
        .optional()?;
    Ok(row.map(|row| row.into_claim(holder)))
}

/// Takes the import of a file that is not kept in the database: one that has not ended, from whoever was at it, else a new
/// one.
pub(crate) fn claim_file(connection: &mut PgConnection, new: NewImport, checksum: Uuid) -> QueryResult<Claim> {
    const SQL: &str = "INSERT INTO @.imports (id, state, format, dry_run, actor, bytes_total, checksum, holder, attempts, \
            created_at, started_at, leased_until) \
        VALUES (?, 'running', ?, ?, ?, ?, ?, ?, 1, ?, ?, clock_timestamp() + interval '12 seconds') \
        ON CONFLICT (checksum, format, dry_run) WHERE state = 'running' AND checksum IS NOT NULL \
        DO UPDATE SET holder = excluded.holder, attempts = imports.attempts + 1, leased_until = excluded.leased_until \
        RETURNING id, format, dry_run, actor, bytes_total, attempts, rows_done, created, updated, unchanged, skipped, \
        errors_total";
    let holder = Uuid::now_v7();
    let binds = [
        Bind::Uuid(new.id),
        Bind::Text(format_name(new.format).to_owned()),
        Bind::Bool(new.dry_run),
        Bind::Text(new.actor),
        Bind::BigInt(new.bytes),
        Bind::Uuid(checksum),
        Bind::Uuid(holder),
        Bind::Time(new.now),
        Bind::Time(new.now),
    ];
    let row: Row = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(row.into_claim(holder))
}

/// A piece of the file.
pub(crate) fn chunk(connection: &mut PgConnection, id: Uuid, number: i32) -> QueryResult<Option<Vec<u8>>> {
    const SQL: &str = "SELECT bytes FROM @.import_chunks WHERE import_id = ? AND number = ?";
    let chunk: Option<Chunk> = Statement::new(SCHEMA, SQL, [Bind::Uuid(id), Bind::Integer(number)])
        .get_result(connection)
        .optional()?;
    Ok(chunk.map(|chunk| chunk.bytes))
}

/// What was noted of rows that they do not say themselves.
pub(crate) fn implied(connection: &mut PgConnection, id: Uuid) -> QueryResult<Implied> {
    const NAMES: &str = "SELECT released, digest, line FROM @.import_names WHERE import_id = ?";
    const LEFT_OUT: &str = "SELECT line FROM @.import_left_out WHERE import_id = ?";
    let rows: Vec<Name> = Statement::new(SCHEMA, NAMES, [Bind::Uuid(id)]).load(connection)?;
    let rows = rows.into_iter().map(|row| (row.released, row.digest, row.line));
    let left_out: Vec<LeftOut> = Statement::new(SCHEMA, LEFT_OUT, [Bind::Uuid(id)]).load(connection)?;
    Ok(Implied {
        left_out: left_out.into_iter().map(|row| unsigned(row.line)).collect(),
        ..Implied::from_rows(rows.collect())
    })
}

/// Says that the holder lives; false where it holds the import no longer.
pub(crate) fn renew(connection: &mut PgConnection, claim: &Claim) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.imports SET leased_until = clock_timestamp() + interval '12 seconds' \
        WHERE id = ? AND holder = ? AND state = 'running'";
    let binds = [Bind::Uuid(claim.id), Bind::Uuid(claim.holder)];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// Notes how far the import is, in the transaction of the rows that it counts; false where the holder holds it no longer.
pub(crate) fn advance(
    connection: &mut PgConnection,
    claim: &Claim,
    progress: &Progress,
    bytes: u64,
    errors: u64,
) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.imports SET rows_done = ?, created = ?, updated = ?, unchanged = ?, skipped = ?, \
        bytes_done = greatest(bytes_done, ?), errors_total = ?, attempts = 0, \
        leased_until = clock_timestamp() + interval '12 seconds' WHERE id = ? AND holder = ? AND state = 'running'";
    let counts = [
        progress.rows,
        progress.created,
        progress.updated,
        progress.unchanged,
        progress.skipped,
        bytes.min(claim.bytes),
        errors,
    ];
    let counts = counts.map(|count| Bind::BigInt(i64::try_from(count).unwrap_or(i64::MAX)));
    let binds = counts
        .into_iter()
        .chain([Bind::Uuid(claim.id), Bind::Uuid(claim.holder)]);
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// Keeps what is wrong with rows; `first` is the number of the first.
pub(crate) fn keep_errors(connection: &mut PgConnection, id: Uuid, first: u64, errors: &[RowError]) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.import_errors (import_id, number, line, pointer, code, detail) \
        SELECT ?, error.place + ?, error.line, error.pointer, error.code, error.detail \
        FROM unnest(?, ?, ?, ?) WITH ORDINALITY AS error (line, pointer, code, detail, place)";
    if errors.is_empty() {
        return Ok(());
    }
    let texts = |text: fn(&RowError) -> &String| Bind::Texts(errors.iter().map(|error| text(error).clone()).collect());
    let lines = errors.iter().map(|error| i64::try_from(error.line).unwrap_or(i64::MAX));
    let binds = [
        Bind::Uuid(id),
        Bind::BigInt(i64::try_from(first).unwrap_or(i64::MAX) - 1),
        Bind::BigInts(lines.collect()),
        texts(|error| &error.pointer),
        texts(|error| &error.code),
        texts(|error| &error.detail),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Keeps names that rows got and lost without saying so.
pub(crate) fn keep_names(connection: &mut PgConnection, id: Uuid, implied: &Implied) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.import_names (import_id, released, digest, line) \
        SELECT ?, name.kind = 1, name.digest, name.line FROM unnest(?, ?, ?) AS name (kind, digest, line) \
        ON CONFLICT DO NOTHING";
    let rows: Vec<(bool, Uuid, i64)> = implied.rows().collect();
    if rows.is_empty() {
        return Ok(());
    }
    let binds = [
        Bind::Uuid(id),
        Bind::SmallInts(rows.iter().map(|(released, ..)| i16::from(*released)).collect()),
        Bind::Uuids(rows.iter().map(|(_, digest, _)| *digest).collect()),
        Bind::BigInts(rows.iter().map(|(.., line)| *line).collect()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Keeps the lines of rows that were left out, each of which may come several times.
pub(crate) fn keep_left_out(connection: &mut PgConnection, id: Uuid, lines: Vec<u64>) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.import_left_out (import_id, line) SELECT ?, line FROM unnest(?) AS line \
        ON CONFLICT DO NOTHING";
    if lines.is_empty() {
        return Ok(());
    }
    let lines = lines.into_iter().map(|line| i64::try_from(line).unwrap_or(i64::MAX));
    let binds = [Bind::Uuid(id), Bind::BigInts(lines.collect())];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Ends an import; false where the holder holds it no longer.
pub(crate) fn finish(
    connection: &mut PgConnection,
    claim: &Claim,
    failure: Option<&ImportError>,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.imports SET state = ?, failure_code = ?, failure_detail = ?, holder = NULL, \
        finished_at = ?, bytes_done = CASE WHEN ? THEN bytes_total ELSE bytes_done END \
        WHERE id = ? AND holder = ? AND state = 'running'";
    let state = if failure.is_some() { "failed" } else { "succeeded" };
    let binds = [
        Bind::Text(state.to_owned()),
        Bind::NullableText(failure.map(|error| error.code().to_owned())),
        Bind::NullableText(failure.map(ImportError::told)),
        Bind::Time(now),
        Bind::Bool(failure.is_none()),
        Bind::Uuid(claim.id),
        Bind::Uuid(claim.holder),
    ];
    connection.transaction(|connection| {
        let is_ended = Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1;
        if is_ended {
            discard(connection, claim.id)?;
        }
        Ok(is_ended)
    })
}

impl Row {
    fn into_claim(self, holder: Uuid) -> Claim {
        Claim {
            id: self.id,
            holder,
            format: format_of(&self.format),
            dry_run: self.dry_run,
            actor: self.actor,
            bytes: unsigned(self.bytes_total),
            attempts: self.attempts,
            progress: Progress {
                rows: unsigned(self.rows_done),
                created: unsigned(self.created),
                updated: unsigned(self.updated),
                unchanged: unsigned(self.unchanged),
                skipped: unsigned(self.skipped),
            },
            errors_total: unsigned(self.errors_total),
        }
    }
}
