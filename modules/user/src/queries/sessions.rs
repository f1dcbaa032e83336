//! Sign-ins.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::pg::Pg;
use diesel::prelude::*;
use kernel::id::{SessionId, UserId};
use kernel::identity::SignedIn;
use uuid::Uuid;

use super::accounts::AccountRow;
use crate::SCHEMA;
use crate::domain::session::{Family, NewSession, Session};
use crate::schema::{sessions, users};

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
#[diesel(check_for_backend(Pg))]
struct SessionRow {
    id: Uuid,
    user_agent: Option<String>,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// Begins a session of an account that may sign in and still has the password that was just verified; false otherwise.
/// The row of the account is locked against change, so that a change of the password either comes before and is seen
/// here, or comes after and ends this session with the others.
pub(crate) fn insert(
    connection: &mut PgConnection,
    user: UserId,
    password_hash: &str,
    session: &NewSession,
) -> QueryResult<bool> {
    const SQL: &str = "INSERT INTO @.sessions (id, user_id, nonce, user_agent, created_at, last_used_at, expires_at) \
        SELECT ?, users.id, ?, ?, ?, ?, ? FROM @.users \
        WHERE users.id = ? AND password_hash = ? AND disabled_at IS NULL AND deleted_at IS NULL FOR SHARE";
    let binds = [
        Bind::Uuid(session.id.uuid()),
        Bind::Bytes(session.nonce.clone()),
        Bind::NullableText(session.user_agent.clone()),
        Bind::Time(session.created_at),
        Bind::Time(session.created_at),
        Bind::Time(session.expires_at),
        Bind::Uuid(user.uuid()),
        Bind::Text(password_hash.to_owned()),
    ];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// A session that holds, and its account.
pub(crate) fn family(
    connection: &mut PgConnection,
    session: SessionId,
    now: DateTime<Utc>,
) -> QueryResult<Option<Family>> {
    let found = sessions::table
        .inner_join(users::table)
        .filter(sessions::id.eq(session.uuid()))
        .filter(sessions::expires_at.gt(now))
        .filter(users::disabled_at.is_null())
        .filter(users::deleted_at.is_null())
        .select((
            AccountRow::as_select(),
            sessions::nonce,
            sessions::generation,
            sessions::last_used_at,
        ))
        .first::<(AccountRow, Vec<u8>, i32, DateTime<Utc>)>(connection)
        .optional()?;
    Ok(found.map(|(account, nonce, generation, last_used_at)| Family {
        account: account.into(),
        nonce,
        generation,
        last_used_at,
    }))
}

/// Moves a session from generation `from` to the next; false where somebody else did, or where the session has ended.
pub(crate) fn rotate(
    connection: &mut PgConnection,
    session: SessionId,
    from: i32,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.sessions SET generation = generation + 1, last_used_at = ? \
        WHERE id = ? AND generation = ?";
    let binds = [Bind::Time(now), Bind::Uuid(session.uuid()), Bind::Integer(from)];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// At most `limit` sessions of the caller, newest first, that come after `after`; the one that asks is marked.
pub(crate) fn list(
    connection: &mut PgConnection,
    who: &SignedIn,
    after: Option<SessionId>,
    limit: i64,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Session>> {
    let mut query = sessions::table
        .filter(sessions::user_id.eq(who.user.uuid()))
        .filter(sessions::expires_at.gt(now))
        .select(SessionRow::as_select())
        .order(sessions::id.desc())
        .limit(limit)
        .into_boxed::<Pg>();
    if let Some(after) = after {
        query = query.filter(sessions::id.lt(after.uuid()));
    }
    let rows: Vec<SessionRow> = query.load(connection)?;
    let session = |row: SessionRow| Session {
        id: row.id.into(),
        user_agent: row.user_agent,
        current: row.id == who.session.uuid(),
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
    };
    Ok(rows.into_iter().map(session).collect())
}

/// Ends a session, whoever has it; false where there is none.
pub(crate) fn end(connection: &mut PgConnection, session: SessionId) -> QueryResult<bool> {
    let ended = diesel::delete(sessions::table.find(session.uuid())).execute(connection)?;
    Ok(ended == 1)
}

/// Ends a session of one account; false where it has no such session.
pub(crate) fn end_of(connection: &mut PgConnection, user: UserId, session: SessionId) -> QueryResult<bool> {
    let mine = sessions::table
        .find(session.uuid())
        .filter(sessions::user_id.eq(user.uuid()));
    Ok(diesel::delete(mine).execute(connection)? == 1)
}

/// Ends all sessions of an account, but for `kept`.
pub(crate) fn end_all(connection: &mut PgConnection, user: UserId, kept: Option<SessionId>) -> QueryResult<()> {
    let kept = kept.map_or(Uuid::nil(), SessionId::uuid);
    let others = sessions::table
        .filter(sessions::user_id.eq(user.uuid()))
        .filter(sessions::id.ne(kept));
    diesel::delete(others).execute(connection).map(drop)
}

/// Removes at most `limit` sessions that have expired; answers how many there were.
pub(crate) fn remove_expired(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    const SQL: &str = "DELETE FROM @.sessions WHERE id IN \
        (SELECT id FROM @.sessions WHERE expires_at <= ? LIMIT ? FOR UPDATE SKIP LOCKED)";
    Statement::new(SCHEMA, SQL, [Bind::Time(now), Bind::BigInt(limit)]).execute(connection)
}
