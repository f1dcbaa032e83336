//! A SELECT put together from fixed pieces of text and bound values.

use std::marker::PhantomData;

use database::Bind;
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Json;
use serde_json::value::RawValue;

/// A SELECT whose columns have the SQL types `Row`. Its text can only be made of literals, so that nothing a user sent
/// can get into it.
pub(super) struct Select<Row> {
    parts: Vec<Part>,
    row: PhantomData<Row>,
}

enum Part {
    Text(&'static str),
    Bind(Bind),
}

impl<Row> Select<Row> {
    /// Begins with `text`. The statement is prepared once per connection: right where there are few different ones.
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            parts: vec![Part::Text(text)],
            row: PhantomData,
        }
    }

    /// Adds a piece of text.
    pub(super) fn text(&mut self, text: &'static str) -> &mut Self {
        self.parts.push(Part::Text(text));
        self
    }

    /// Adds a bound value.
    pub(super) fn bind(&mut self, value: Bind) -> &mut Self {
        self.parts.push(Part::Bind(value));
        self
    }
}

impl<Row> QueryFragment<Pg> for Select<Row> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_sql(text),
                Part::Bind(value) => value.push(&mut out)?,
            }
        }
        Ok(())
    }
}

impl<Row> QueryId for Select<Row> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Row> Query for Select<Row> {
    type SqlType = Row;
}

impl<Row> RunQueryDsl<PgConnection> for Select<Row> {}

/// JSON as the database has it, handed on without being read.
#[derive(Debug, FromSqlRow)]
pub(super) struct Verbatim(pub(super) Box<RawValue>);

impl FromSql<Json, Pg> for Verbatim {
    fn from_sql(value: PgValue<'_>) -> diesel::deserialize::Result<Self> {
        Ok(Self(serde_json::from_slice(value.as_bytes())?))
    }
}

/// What stored JSON says.
pub(super) fn read<T: serde::de::DeserializeOwned>(json: &Verbatim) -> QueryResult<T> {
    serde_json::from_str(json.0.get()).map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))
}
