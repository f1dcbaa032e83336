//! Hand-written statements of constant text. Diesel prepares its own UPDATEs, upserts and `sql_query`s anew each time;
//! these are prepared once per connection and cached by their text. For hot paths, and for the tables that every schema
//! has. Lists travel as arrays over `unnest`, so that the text is the same for any number of rows.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::Error;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Jsonb, Nullable, SmallInt, Text, Timestamptz, Untyped};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// A statement in which `@` stands for the schema and each `?` for the next bind. Results are read with
/// `QueryableByName` structs. Neither character can appear in the text otherwise.
pub struct Statement {
    schema: &'static str,
    sql: &'static str,
    binds: Vec<Bind>,
}

/// A bound value.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each variant is named after the SQL type it binds")]
pub enum Bind {
    Text(String),
    NullableText(Option<String>),
    Texts(Vec<String>),
    NullableTexts(Vec<Option<String>>),
    BigInt(i64),
    BigInts(Vec<i64>),
    NullableBigInts(Vec<Option<i64>>),
    Integer(i32),
    NullableInteger(Option<i32>),
    SmallInt(i16),
    SmallInts(Vec<i16>),
    Bool(bool),
    Uuid(Uuid),
    NullableUuid(Option<Uuid>),
    Uuids(Vec<Uuid>),
    NullableUuids(Vec<Option<Uuid>>),
    Time(DateTime<Utc>),
    NullableTime(Option<DateTime<Utc>>),
    Times(Vec<DateTime<Utc>>),
    NullableTimes(Vec<Option<DateTime<Utc>>>),
    Json(Value),
    NullableJson(Option<Value>),
    Bytes(Vec<u8>),
    ByteStrings(Vec<Vec<u8>>),
}

impl Statement {
    /// `sql` over the tables of `schema`, with one bind per placeholder.
    pub fn new(schema: &'static str, sql: &'static str, binds: impl IntoIterator<Item = Bind>) -> Self {
        Self {
            schema,
            sql,
            binds: binds.into_iter().collect(),
        }
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
                binds.next().ok_or_else(missing)?.push(&mut out)?;
            }
        }
        Ok(())
    }
}

impl Bind {
    /// Rows as a JSON text, for `json_to_recordset(?::json)`.
    pub fn rows<T: Serialize>(rows: &[T]) -> QueryResult<Self> {
        let json = serde_json::to_string(rows).map_err(|error| Error::SerializationError(Box::new(error)))?;
        Ok(Self::Text(json))
    }

    /// Pushes the value as the next bind of a hand-written [`QueryFragment`].
    pub fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self {
            Bind::Text(value) => out.push_bind_param::<Text, _>(value),
            Bind::NullableText(value) => out.push_bind_param::<Nullable<Text>, _>(value),
            Bind::Texts(value) => out.push_bind_param::<Array<Text>, _>(value),
            Bind::NullableTexts(value) => out.push_bind_param::<Array<Nullable<Text>>, _>(value),
            Bind::BigInt(value) => out.push_bind_param::<BigInt, _>(value),
            Bind::BigInts(value) => out.push_bind_param::<Array<BigInt>, _>(value),
            Bind::NullableBigInts(value) => out.push_bind_param::<Array<Nullable<BigInt>>, _>(value),
            Bind::Integer(value) => out.push_bind_param::<Integer, _>(value),
            Bind::NullableInteger(value) => out.push_bind_param::<Nullable<Integer>, _>(value),
            Bind::SmallInt(value) => out.push_bind_param::<SmallInt, _>(value),
            Bind::SmallInts(value) => out.push_bind_param::<Array<SmallInt>, _>(value),
            Bind::Bool(value) => out.push_bind_param::<Bool, _>(value),
            Bind::Uuid(value) => out.push_bind_param::<diesel::sql_types::Uuid, _>(value),
            Bind::NullableUuid(value) => out.push_bind_param::<Nullable<diesel::sql_types::Uuid>, _>(value),
            Bind::Uuids(value) => out.push_bind_param::<Array<diesel::sql_types::Uuid>, _>(value),
            Bind::NullableUuids(value) => out.push_bind_param::<Array<Nullable<diesel::sql_types::Uuid>>, _>(value),
            Bind::Time(value) => out.push_bind_param::<Timestamptz, _>(value),
            Bind::NullableTime(value) => out.push_bind_param::<Nullable<Timestamptz>, _>(value),
            Bind::Times(value) => out.push_bind_param::<Array<Timestamptz>, _>(value),
            Bind::NullableTimes(value) => out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(value),
            Bind::Json(value) => out.push_bind_param::<Jsonb, _>(value),
            Bind::NullableJson(value) => out.push_bind_param::<Nullable<Jsonb>, _>(value),
            Bind::Bytes(value) => out.push_bind_param::<Binary, _>(value),
            Bind::ByteStrings(value) => out.push_bind_param::<Array<Binary>, _>(value),
        }
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
