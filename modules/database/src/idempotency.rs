//! Idempotency keys. An operation of one transaction uses [`Db::once`]: claim, effect and answer commit together. An
//! operation of several steps claims with a lease ([`claim`]), leaves its subject with the claim, and stores its answer
//! at the end ([`complete`]); whoever comes after a crash finds the subject and goes on.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool, Json, Nullable, SmallInt};
use kernel::http::{Answer, Call, idempotency::Stored};
use kernel::{Fault, Problem};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::Db;
use crate::failure::Failure;
use crate::statement::{Bind, Statement};

/// What a claim found.
#[derive(Debug)]
pub enum Claim {
    /// The key is new: do the work.
    Fresh,
    /// The key was claimed before, and its claimant is gone: go on with the work on this subject.
    Abandoned(Option<Uuid>),
    /// The work is done: this was the answer.
    Done(Stored),
    /// Another request is at it.
    InProgress,
    /// The key belongs to another request.
    KeyReused,
}

/// Claims `call` for `lease` (in the database's time), in the transaction that `connection` is in.
pub fn claim(
    connection: &mut PgConnection,
    schema: &'static str,
    call: &Call,
    subject: Option<Uuid>,
    lease: Duration,
    now: DateTime<Utc>,
) -> QueryResult<Claim> {
    const INSERT: &str = "INSERT INTO @.idempotency_keys \
        (scope, operation, key, fingerprint, subject, leased_until, created_at) \
        VALUES (?, ?, ?, ?, ?, clock_timestamp() + ? * interval '1 millisecond', ?) ON CONFLICT DO NOTHING";
    const READ: &str = "SELECT fingerprint, subject, status, body, leased_until < clock_timestamp() AS abandoned \
        FROM @.idempotency_keys WHERE scope = ? AND operation = ? AND key = ? FOR UPDATE SKIP LOCKED";
    const TAKE_OVER: &str = "UPDATE @.idempotency_keys SET leased_until = clock_timestamp() + ? * interval '1 millisecond' \
        WHERE scope = ? AND operation = ? AND key = ?";
    if !try_lock(connection, schema, call)? {
        return Ok(Claim::InProgress);
    }
    let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    let [scope, operation, key] = name(call);
    let row = [
        scope,
        operation,
        key,
        Bind::Bytes(call.fingerprint.clone()),
        Bind::NullableUuid(subject),
        Bind::BigInt(lease),
        Bind::Time(now),
    ];
    if Statement::new(schema, INSERT, row).execute(connection)? == 1 {
        return Ok(Claim::Fresh);
    }
    let found: Option<Row> = Statement::new(schema, READ, name(call))
        .get_result(connection)
        .optional()?;
    let Some(found) = found else {
        return Ok(Claim::InProgress);
    };
    if found.fingerprint != call.fingerprint {
        return Ok(Claim::KeyReused);
    }
    if let Some(status) = found.status {
        let status = u16::try_from(status).unwrap_or(500);
        return Ok(Claim::Done(Stored {
            status,
            body: found.body.unwrap_or(Value::Null),
        }));
    }
    if !found.abandoned {
        return Ok(Claim::InProgress);
    }
    let [scope, operation, key] = name(call);
    Statement::new(schema, TAKE_OVER, [Bind::BigInt(lease), scope, operation, key]).execute(connection)?;
    Ok(Claim::Abandoned(found.subject))
}

/// Stores the answer of a claimed call.
pub fn complete(connection: &mut PgConnection, schema: &'static str, call: &Call, answer: &Stored) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.idempotency_keys SET status = ?, body = ? \
        WHERE scope = ? AND operation = ? AND key = ? AND status IS NULL";
    let [scope, operation, key] = name(call);
    let status = Bind::SmallInt(i16::try_from(answer.status).unwrap_or(500));
    Statement::new(
        schema,
        SQL,
        [status, Bind::Json(answer.body.clone()), scope, operation, key],
    )
    .execute(connection)
    .map(drop)
}

/// Gives a claim back, so that the next request with the key starts anew.
pub fn abandon(connection: &mut PgConnection, schema: &'static str, call: &Call) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.idempotency_keys WHERE scope = ? AND operation = ? AND key = ? AND status IS NULL";
    Statement::new(schema, SQL, name(call)).execute(connection).map(drop)
}

/// Removes everything remembered for a caller who is forgotten: stored answers hold personal data.
pub fn forget(connection: &mut PgConnection, schema: &'static str, scope: &str) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.idempotency_keys WHERE scope = ?";
    Statement::new(schema, SQL, [Bind::Text(scope.to_owned())])
        .execute(connection)
        .map(drop)
}

/// Ends the lease of a claim whose work has no outcome yet, so that the next request with the key goes on with it.
pub fn release(connection: &mut PgConnection, schema: &'static str, call: &Call) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.idempotency_keys SET leased_until = '-infinity' \
        WHERE scope = ? AND operation = ? AND key = ? AND status IS NULL";
    Statement::new(schema, SQL, name(call)).execute(connection).map(drop)
}

/// Whether an answer is kept for replay: success and refusals are, failures that another try may mend are not.
pub fn is_kept(status: u16) -> bool {
    matches!(status, 200..=299 | 402 | 409 | 422)
}

impl Db {
    /// Runs `work` in one transaction, at most once per `call`: the claim, the effect and the answer commit together.
    /// Refusals are stored as well, with the work itself undone. `success` is the status that a replay answers with.
    pub async fn once<T, E, F>(
        &self,
        schema: &'static str,
        call: Option<Call>,
        success: u16,
        now: DateTime<Utc>,
        work: F,
    ) -> Result<Answer<T>, E>
    where
        F: FnOnce(&mut PgConnection) -> Result<T, Failure<E>> + Send + 'static,
        T: Serialize + Send + 'static,
        E: From<Fault> + Into<Problem> + Clone + Send + 'static,
    {
        let Some(call) = call else {
            return self.transaction(work).await.map(Answer::Fresh);
        };
        self.transaction(move |connection| {
            match claim(connection, schema, &call, None, Duration::ZERO, now)? {
                Claim::Fresh | Claim::Abandoned(_) => (),
                Claim::Done(stored) => return Ok(Ok(Answer::Replayed(stored))),
                Claim::InProgress => return Ok(Ok(Answer::InProgress)),
                Claim::KeyReused => return Ok(Ok(Answer::KeyReused)),
            }
            // A savepoint: a refusal undoes the work but keeps the claim and the stored answer.
            match connection.transaction(work) {
                Ok(value) => {
                    let body = serde_json::to_value(&value).unwrap_or(Value::Null);
                    complete(connection, schema, &call, &Stored { status: success, body })?;
                    Ok(Ok(Answer::Fresh(value)))
                }
                Err(Failure::Refused(refusal)) => {
                    let problem: Problem = refusal.clone().into();
                    let status = problem.status().as_u16();
                    if !is_kept(status) {
                        return Err(Failure::Refused(refusal));
                    }
                    complete(
                        connection,
                        schema,
                        &call,
                        &Stored {
                            status,
                            body: Value::Object(problem.to_json()),
                        },
                    )?;
                    Ok(Err(refusal))
                }
                Err(failure) => Err(failure),
            }
        })
        .await?
    }
}

/// One request per key at a time: the others are answered at once instead of waiting on the row.
fn try_lock(connection: &mut PgConnection, schema: &'static str, call: &Call) -> QueryResult<bool> {
    const SQL: &str =
        "SELECT pg_try_advisory_xact_lock(hashtextextended(? || '/' || ? || '/' || ? || '/' || ?, 0)) AS locked";
    let [scope, operation, key] = name(call);
    let locked: Locked =
        Statement::new(schema, SQL, [Bind::Text(schema.to_owned()), scope, operation, key]).get_result(connection)?;
    Ok(locked.locked)
}

/// Removes keys older than `before`.
pub(crate) fn prune(connection: &mut PgConnection, schema: &'static str, before: DateTime<Utc>) -> QueryResult<usize> {
    const SQL: &str = "DELETE FROM @.idempotency_keys WHERE ctid = ANY (ARRAY( \
        SELECT ctid FROM @.idempotency_keys WHERE created_at < ? LIMIT 10000))";
    Statement::new(schema, SQL, [Bind::Time(before)]).execute(connection)
}

fn name(call: &Call) -> [Bind; 3] {
    [
        Bind::Text(call.scope.clone()),
        Bind::Text(call.operation.clone()),
        Bind::Text(call.key.clone()),
    ]
}

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    locked: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Binary)]
    fingerprint: Vec<u8>,
    #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
    subject: Option<Uuid>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    status: Option<i16>,
    #[diesel(sql_type = Nullable<Json>)]
    body: Option<Value>,
    #[diesel(sql_type = Bool)]
    abandoned: bool,
}
