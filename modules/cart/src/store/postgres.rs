//! Carts in PostgreSQL, as the queries have them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use kernel::id::{CartId, OrderId, UserId};

use super::{CartStore, Leaving, Told};
use crate::domain::{Aside, Cart};
use crate::queries::{self, CartFilter, Found};

/// Rows are locked while they are changed by more than one statement.
pub(super) struct Postgres;

impl CartStore for Postgres {
    fn find_all(
        &self,
        connection: &mut PgConnection,
        wanted: &[(CartId, DateTime<Utc>)],
    ) -> QueryResult<Vec<Option<Found>>> {
        queries::find_all(connection, wanted)
    }

    fn current(&self, connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<Option<Found>> {
        queries::current(connection, user, now)
    }

    fn of_user(
        &self,
        connection: &mut PgConnection,
        user: UserId,
        before: Option<CartId>,
        limit: i64,
        now: DateTime<Utc>,
    ) -> QueryResult<Vec<Cart>> {
        queries::of_user(connection, user, before, limit, now)
    }

    fn page(
        &self,
        connection: &mut PgConnection,
        filter: CartFilter,
        before: Option<CartId>,
        limit: i64,
        now: DateTime<Utc>,
    ) -> QueryResult<Vec<Cart>> {
        queries::page(connection, filter, before, limit, now)
    }

    fn aside(&self) -> Option<Aside> {
        None
    }

    fn insert(&self, connection: &mut PgConnection, cart: &Cart) -> QueryResult<()> {
        queries::insert(connection, cart)
    }

    fn save(&self, connection: &mut PgConnection, seen: &Cart, cart: &Cart) -> QueryResult<bool> {
        queries::save(connection, seen, cart)
    }

    fn save_both(&self, connection: &mut PgConnection, writes: [(&Cart, &Cart); 2]) -> QueryResult<bool> {
        // Nobody else can have written what is locked.
        for (seen, cart) in writes {
            queries::save(connection, seen, cart)?;
        }
        Ok(true)
    }

    fn delete(&self, connection: &mut PgConnection, seen: &Cart) -> QueryResult<bool> {
        queries::delete(connection, seen.id)?;
        Ok(true)
    }

    fn locks(&self) -> bool {
        true
    }

    fn hold(&self, connection: &mut PgConnection, ids: &[CartId], now: DateTime<Utc>) -> QueryResult<Vec<Cart>> {
        queries::lock(connection, ids, now)
    }

    fn settle(&self, _: &mut PgConnection, _: &Cart) -> QueryResult<bool> {
        Ok(true)
    }

    fn release(
        &self,
        connection: &mut PgConnection,
        cart: CartId,
        order: OrderId,
        _: DateTime<Utc>,
    ) -> QueryResult<()> {
        queries::release(connection, cart, order)
    }

    fn expire(&self, connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
        queries::expire(connection, now, limit)
    }

    fn leave(
        &self,
        connection: &mut PgConnection,
        oldest: DateTime<Utc>,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
        limit: i64,
    ) -> QueryResult<Leaving> {
        let (news, noted) = queries::leave(connection, oldest, before, now, limit)?;
        Ok(Leaving {
            news,
            noted,
            told: Vec::new(),
        })
    }

    fn note_told(&self, _: &[Told]) -> QueryResult<()> {
        Ok(())
    }

    fn remove_closed(&self, connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
        queries::remove_closed(connection, before, limit)
    }

    fn forget(&self, connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<()> {
        queries::forget(connection, user, now)
    }

    fn check(&self) -> QueryResult<()> {
        Ok(())
    }
}
