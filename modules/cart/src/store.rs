//! Where carts are kept. In PostgreSQL, or, until they are ordered, in a Redis; the use cases do not know which.
//!
//! Everything here runs on the database's threads and gets their connection, as the rules, the keys of repeated requests and
//! the events that belong to a change are in PostgreSQL whatever the store.

mod postgres;
mod redis;

use std::sync::Arc;

use cart_api::CartError;
use chrono::{DateTime, Utc};
use database::{Failure, refuse};
use diesel::prelude::*;
use kernel::Fault;
use kernel::id::{CartId, OrderId, UserId};
use kernel::settings;

use crate::domain::{Aside, Cart};
use crate::queries::{CartFilter, Found, Left};

/// How often a change is made anew because somebody else was faster. One of those who try at the same moment always
/// succeeds, and no more try than there are connections to the database.
const ATTEMPTS: usize = 200;

/// A store of carts. Carts that an order holds, or held once, are in PostgreSQL in any case.
pub(crate) trait CartStore: Send + Sync {
    /// Carts with their lines, each as it stands at its time.
    fn find_all(
        &self,
        connection: &mut PgConnection,
        wanted: &[(CartId, DateTime<Utc>)],
    ) -> QueryResult<Vec<Option<Found>>>;

    /// The newest open cart of `user`.
    fn current(&self, connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<Option<Found>>;

    /// At most `limit` carts of `user`, newest first, older than `before`.
    fn of_user(
        &self,
        connection: &mut PgConnection,
        user: UserId,
        before: Option<CartId>,
        limit: i64,
        now: DateTime<Utc>,
    ) -> QueryResult<Vec<Cart>>;

    /// At most `limit` carts of everybody, newest first, older than `before`.
    fn page(
        &self,
        connection: &mut PgConnection,
        filter: CartFilter,
        before: Option<CartId>,
        limit: i64,
        now: DateTime<Utc>,
    ) -> QueryResult<Vec<Cart>>;

    /// What a new cart has with it in this store.
    fn aside(&self) -> Option<Aside>;

    /// Stores a new cart.
    fn insert(&self, connection: &mut PgConnection, cart: &Cart) -> QueryResult<()>;

    /// Writes `cart` over `seen`, unless somebody else has written it meanwhile: then nothing is written, and the answer is
    /// `false`. In a transaction it is the last that is done, as not every store takes it back.
    fn save(&self, connection: &mut PgConnection, seen: &Cart, cart: &Cart) -> QueryResult<bool>;

    /// The same with two carts that were held together: both are written, or none.
    fn save_both(&self, connection: &mut PgConnection, writes: [(&Cart, &Cart); 2]) -> QueryResult<bool>;

    /// Removes a cart, unless somebody has written it since it was seen.
    fn delete(&self, connection: &mut PgConnection, seen: &Cart) -> QueryResult<bool>;

    /// Whether [`CartStore::hold`] keeps others out until the transaction ends, so that it needs one.
    fn locks(&self) -> bool;

    /// The carts `ids` as they are now, in a way that all of them can be written at once.
    fn hold(&self, connection: &mut PgConnection, ids: &[CartId], now: DateTime<Utc>) -> QueryResult<Vec<Cart>>;

    /// Sees to it that a cart is in PostgreSQL, as it was seen; `false` where it is not as it was seen.
    fn settle(&self, connection: &mut PgConnection, seen: &Cart) -> QueryResult<bool>;

    /// Notes that `order` will never lock the cart again.
    fn release(
        &self,
        connection: &mut PgConnection,
        cart: CartId,
        order: OrderId,
        now: DateTime<Utc>,
    ) -> QueryResult<()>;

    /// Marks at most about `limit` open carts whose time was over at `now`; answers how many.
    fn expire(&self, connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> QueryResult<usize>;

    /// Finds carts that were last changed `before`, but not before `oldest`, and of which others are to be told; in the
    /// transaction that tells them.
    fn leave(
        &self,
        connection: &mut PgConnection,
        oldest: DateTime<Utc>,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
        limit: i64,
    ) -> QueryResult<Leaving>;

    /// Others were told: the transaction of [`CartStore::leave`] has been committed.
    fn note_told(&self, told: &[Told]) -> QueryResult<()>;

    /// Removes at most about `limit` carts that have been expired or merged since `before`; answers how many.
    fn remove_closed(&self, connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> QueryResult<usize>;

    /// Empties the carts of `user` that no order holds of what is personal, and ends those that are open.
    fn forget(&self, connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<()>;

    /// Whether the store answers, beside PostgreSQL.
    fn check(&self) -> QueryResult<()>;
}

/// Carts that were left behind.
#[derive(Default)]
pub(crate) struct Leaving {
    /// Those of which others are told.
    pub(crate) news: Vec<Left>,
    /// How many were looked at.
    pub(crate) noted: usize,
    /// What has to be noted once others know.
    pub(crate) told: Vec<Told>,
}

/// That others know of a cart as it was after a change, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    cart: CartId,
    touched: i64,
}

/// The store of the settings.
pub(crate) fn open(settings: &settings::Cart) -> Arc<dyn CartStore> {
    match settings.store {
        settings::CartStore::Postgres => Arc::new(postgres::Postgres),
        settings::CartStore::Redis => Arc::new(redis::Redis::new(settings)),
    }
}

/// Finds settings that cannot be meant.
pub(crate) fn check(settings: &settings::Cart) -> Result<(), String> {
    match settings.store {
        settings::CartStore::Postgres => Ok(()),
        settings::CartStore::Redis => redis::check(settings),
    }
}

/// The cart, with its lines; as it stands at `now`.
pub(crate) fn find(
    store: &dyn CartStore,
    connection: &mut PgConnection,
    id: CartId,
    now: DateTime<Utc>,
) -> QueryResult<Option<Cart>> {
    let found = store.find_all(connection, &[(id, now)])?.pop().flatten();
    Ok(found.map(|found| found.cart))
}

/// Changes the carts `ids` as they are at this moment. `work` gets those that there are, and writes them; it answers `None`
/// where somebody was faster, and is then carried out again over what that one has written.
pub(crate) fn rewrite<T>(
    store: &dyn CartStore,
    connection: &mut PgConnection,
    ids: &[CartId],
    now: DateTime<Utc>,
    mut work: impl FnMut(&mut PgConnection, Vec<Cart>) -> Result<Option<T>, Failure<CartError>>,
) -> Result<T, Failure<CartError>> {
    let mut attempt = |connection: &mut PgConnection| {
        let carts = store.hold(connection, ids, now)?;
        work(connection, carts)
    };
    for _ in 0..ATTEMPTS {
        let done = match store.locks() {
            true => connection.transaction(&mut attempt)?,
            false => attempt(connection)?,
        };
        if let Some(done) = done {
            return Ok(done);
        }
    }
    refuse(Fault::unavailable("others change the cart all the time").into())
}
