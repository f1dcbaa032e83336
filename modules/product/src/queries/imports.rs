//! Imports that run in the background.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::SCHEMA;
use crate::import::{ImportJob, ImportState, Progress, RowError};
use crate::schema::imports;

/// How long a job counts as running after it last said so, in the database's time.
const LEASE: &str = "UPDATE @.imports SET created = ?, updated = ?, unchanged = ?, skipped = ?, \
    leased_until = clock_timestamp() + interval '2 minutes' WHERE id = ? AND state = 'running'";

#[derive(Queryable, Selectable)]
#[diesel(table_name = imports)]
struct Row {
    id: Uuid,
    state: String,
    dry_run: bool,
    created: i64,
    updated: i64,
    unchanged: i64,
    skipped: i64,
    errors: Value,
    failure: Option<String>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

/// Notes an import that is about to run.
pub(crate) fn start(
    connection: &mut PgConnection,
    id: Uuid,
    dry_run: bool,
    actor: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.imports (id, state, dry_run, actor, leased_until, created_at) \
        VALUES (?, 'running', ?, ?, clock_timestamp() + interval '2 minutes', ?)";
    let binds = [
        Bind::Uuid(id),
        Bind::Bool(dry_run),
        Bind::Text(actor.to_owned()),
        Bind::Time(now),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Notes how far an import is, which also says that it lives.
pub(crate) fn progress(connection: &mut PgConnection, id: Uuid, progress: &Progress) -> QueryResult<()> {
    let counts = [progress.created, progress.updated, progress.unchanged, progress.skipped];
    let binds = counts.map(|count| Bind::BigInt(i64::try_from(count).unwrap_or(i64::MAX)));
    let binds = binds.into_iter().chain([Bind::Uuid(id)]);
    Statement::new(SCHEMA, LEASE, binds).execute(connection).map(drop)
}

/// Notes how an import ended.
pub(crate) fn finish(
    connection: &mut PgConnection,
    id: Uuid,
    errors: &[RowError],
    failure: Option<String>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let state = if failure.is_some() { "failed" } else { "succeeded" };
    let errors = serde_json::to_value(errors).unwrap_or_default();
    diesel::update(imports::table.find(id))
        .set((
            imports::state.eq(state),
            imports::errors.eq(errors),
            imports::failure.eq(failure),
            imports::finished_at.eq(now),
        ))
        .execute(connection)
        .map(drop)
}

/// An import by its id. One that runs, but has not said so for too long, has failed.
pub(crate) fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<ImportJob>> {
    let alive = diesel::dsl::sql::<diesel::sql_types::Bool>("leased_until > clock_timestamp()");
    let found: Option<(Row, bool)> = imports::table
        .find(id)
        .select((Row::as_select(), alive))
        .first(connection)
        .optional()?;
    Ok(found.map(|(row, alive)| row.into_job(alive)))
}

impl Row {
    fn into_job(self, alive: bool) -> ImportJob {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let (state, failure) = match self.state.as_str() {
            "running" if alive => (ImportState::Running, None),
            "running" => (
                ImportState::Failed,
                Some("the process that ran it is gone; import the file again".to_owned()),
            ),
            "succeeded" => (ImportState::Succeeded, None),
            _ => (ImportState::Failed, self.failure),
        };
        ImportJob {
            id: self.id.into(),
            state,
            dry_run: self.dry_run,
            created: count(self.created),
            updated: count(self.updated),
            unchanged: count(self.unchanged),
            skipped: count(self.skipped),
            errors: serde_json::from_value(self.errors).unwrap_or_default(),
            failure,
            created_at: self.created_at,
            finished_at: self.finished_at,
        }
    }
}
