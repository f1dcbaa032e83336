//! Statements over the tables that every schema has. The schema is part of the text, so that these are not diesel
//! tables; the text is still constant per schema, and therefore prepared once and cached.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Integer, Jsonb, Nullable, SmallInt, Text, Timestamptz, Untyped};
use serde_json::Value;
use uuid::Uuid;

/// A statement in which `@` stands for the schema and each `?` for the next bind.
pub(crate) struct Statement {
    schema: &'static str,
    sql: &'static str,
    binds: Vec<Bind>,
}

/// A bound value.
pub(crate) enum Bind {
    Text(String),
    BigInt(i64),
    Integer(i32),
    SmallInt(i16),
    Uuid(Uuid),
    NullableUuid(Option<Uuid>),
    Time(DateTime<Utc>),
    Json(Value),
    Bytes(Vec<u8>),
}

impl Statement {
    pub(crate) fn new(schema: &'static str, sql: &'static str, binds: impl IntoIterator<Item = Bind>) -> Self {
        Self { schema, sql, binds: binds.into_iter().collect() }
    }
}

impl QueryFragment<Pg> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut binds = self.binds.iter();
        for piece in self.sql.split_inclusive(['@', '?']) {
            out.push_sql(piece.trim_end_matches(['@', '?']));
            if piece.ends_with('@') {
                out.push_identifier(self.schema)?;
            }
            if piece.ends_with('?') {
                let missing = || diesel::result::Error::QueryBuilderError("fewer binds than placeholders".into());
                push(binds.next().ok_or_else(missing)?, &mut out)?;
            }
        }
        Ok(())
    }
}

fn push<'b>(bind: &'b Bind, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    match bind {
        Bind::Text(value) => out.push_bind_param::<Text, _>(value),
        Bind::BigInt(value) => out.push_bind_param::<BigInt, _>(value),
        Bind::Integer(value) => out.push_bind_param::<Integer, _>(value),
        Bind::SmallInt(value) => out.push_bind_param::<SmallInt, _>(value),
        Bind::Uuid(value) => out.push_bind_param::<diesel::sql_types::Uuid, _>(value),
        Bind::NullableUuid(value) => out.push_bind_param::<Nullable<diesel::sql_types::Uuid>, _>(value),
        Bind::Time(value) => out.push_bind_param::<Timestamptz, _>(value),
        Bind::Json(value) => out.push_bind_param::<Jsonb, _>(value),
        Bind::Bytes(value) => out.push_bind_param::<Binary, _>(value),
    }
}

impl QueryId for Statement {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Statement {}
