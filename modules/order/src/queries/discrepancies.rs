//! Where providers' books and ours differ, and when they were compared last.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::id::PaymentId;
use uuid::Uuid;

use super::SCHEMA;
use super::placing::milliseconds;
use super::rows::unreadable;
use crate::domain::books::{Discrepancy, DiscrepancyKind};
use crate::schema::discrepancies;

/// A place where the books differ, seen just now.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    pub(crate) reference: String,
    pub(crate) kind: DiscrepancyKind,
    pub(crate) payment: Option<PaymentId>,
    pub(crate) detail: String,
}

/// True where the books of a provider were compared before `before`, or never, and nobody else is at it: then they are
/// this process's to compare. Mostly they were, and then nothing is written.
pub(crate) fn take_due(
    connection: &mut PgConnection,
    provider: &str,
    before: DateTime<Utc>,
    lease: Duration,
) -> QueryResult<bool> {
    const SQL: &str = "INSERT INTO @.reconciliations AS taken (provider, leased_until) \
        SELECT ?, clock_timestamp() + ? * interval '1 millisecond' \
        WHERE NOT EXISTS (SELECT FROM @.reconciliations \
            WHERE provider = ? AND (compared_at >= ? OR leased_until >= clock_timestamp())) \
        ON CONFLICT (provider) DO UPDATE SET leased_until = excluded.leased_until \
        WHERE (taken.compared_at IS NULL OR taken.compared_at < ?) AND taken.leased_until < clock_timestamp()";
    let binds = [
        Bind::Text(provider.to_owned()),
        Bind::BigInt(milliseconds(lease)),
        Bind::Text(provider.to_owned()),
        Bind::Time(before),
        Bind::Time(before),
    ];
    let taken = Statement::new(SCHEMA, SQL, binds).execute(connection)?;
    Ok(taken == 1)
}

/// The books of a provider are compared.
pub(crate) fn finish(connection: &mut PgConnection, provider: &str, now: DateTime<Utc>) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.reconciliations SET compared_at = ?, leased_until = '-infinity' WHERE provider = ?";
    Statement::new(SCHEMA, SQL, [Bind::Time(now), Bind::Text(provider.to_owned())])
        .execute(connection)
        .map(drop)
}

/// The references of which something is not in order.
pub(crate) fn open_references(connection: &mut PgConnection, provider: &str) -> QueryResult<HashSet<String>> {
    let references: Vec<String> = discrepancies::table
        .filter(discrepancies::provider.eq(provider))
        .filter(discrepancies::resolved_at.is_null())
        .select(discrepancies::reference)
        .load(connection)?;
    Ok(references.into_iter().collect())
}

/// How many places there are where the books differ.
pub(crate) fn count_open(connection: &mut PgConnection, provider: &str) -> QueryResult<i64> {
    discrepancies::table
        .filter(discrepancies::provider.eq(provider))
        .filter(discrepancies::resolved_at.is_null())
        .count()
        .get_result(connection)
}

/// Writes down what was seen: a new place, or one that is known.
pub(crate) fn see(
    connection: &mut PgConnection,
    provider: &str,
    sightings: &[Sighting],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.discrepancies \
            (id, provider, reference, kind, payment_id, detail, first_seen, last_seen) \
        SELECT seen.id, ?, seen.reference, seen.kind, seen.payment_id, seen.detail, ?, ? \
        FROM unnest(?, ?, ?, ?, ?) AS seen (id, reference, kind, payment_id, detail) \
        ON CONFLICT (provider, reference, kind) DO UPDATE SET payment_id = excluded.payment_id, \
            detail = excluded.detail, last_seen = excluded.last_seen, resolved_at = NULL";
    let binds = [
        Bind::Text(provider.to_owned()),
        Bind::Time(now),
        Bind::Time(now),
        Bind::Uuids(sightings.iter().map(|_| Uuid::now_v7()).collect()),
        Bind::Texts(sightings.iter().map(|seen| seen.reference.clone()).collect()),
        Bind::Texts(sightings.iter().map(|seen| seen.kind.name().to_owned()).collect()),
        Bind::NullableUuids(sightings.iter().map(|seen| seen.payment.map(Into::into)).collect()),
        Bind::Texts(sightings.iter().map(|seen| seen.detail.clone()).collect()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// The books agree again about these.
pub(crate) fn resolve(
    connection: &mut PgConnection,
    provider: &str,
    references: &[String],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(discrepancies::table)
        .filter(discrepancies::provider.eq(provider))
        .filter(discrepancies::reference.eq_any(references))
        .filter(discrepancies::resolved_at.is_null())
        .set(discrepancies::resolved_at.eq(now))
        .execute(connection)
        .map(drop)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = discrepancies)]
struct DiscrepancyRow {
    id: Uuid,
    provider: String,
    reference: String,
    kind: String,
    payment_id: Option<Uuid>,
    detail: String,
    first_seen: DateTime<Utc>,
    last_seen: DateTime<Utc>,
    resolved_at: Option<DateTime<Utc>>,
}

/// What was found, newest first, before `before`.
pub(crate) fn list(
    connection: &mut PgConnection,
    open: Option<bool>,
    provider: Option<&str>,
    before: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<Discrepancy>> {
    let mut query = discrepancies::table
        .order(discrepancies::id.desc())
        .limit(limit)
        .select(DiscrepancyRow::as_select())
        .into_boxed();
    match open {
        Some(true) => query = query.filter(discrepancies::resolved_at.is_null()),
        Some(false) => query = query.filter(discrepancies::resolved_at.is_not_null()),
        None => (),
    }
    if let Some(provider) = provider {
        query = query.filter(discrepancies::provider.eq(provider));
    }
    if let Some(before) = before {
        query = query.filter(discrepancies::id.lt(before));
    }
    let rows: Vec<DiscrepancyRow> = query.load(connection)?;
    let found = rows.into_iter().map(|row| {
        Ok(Discrepancy {
            id: row.id,
            provider: row.provider,
            reference: row.reference,
            kind: DiscrepancyKind::named(&row.kind).ok_or_else(|| unreadable("discrepancies.kind", &row.kind))?,
            payment_id: row.payment_id.map(Into::into),
            detail: row.detail,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            resolved_at: row.resolved_at,
        })
    });
    found.collect()
}
