//! Open carts in a Redis, until they are ordered.
//!
//! What PostgreSQL has counts, and Redis has the rest: a cart goes from here to there and never back, and whoever reads asks
//! Redis first and then PostgreSQL, so that none is missed on its way. It moves in three steps, each of which can be
//! repeated by anybody who comes across the cart: nobody writes it here any more; it is inserted there; it is removed here.
//! The last is done only when the second cannot be undone any more, that is, outside of transactions.
//!
//! Nothing is locked: a cart is written unless its tag is another than was seen, and changed anew where it is.

mod records;
mod server;

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::prelude::*;
use diesel::result::Error;
use kernel::id::{CartId, OrderId, UserId};
use kernel::settings;

use self::records::{ById, ByTime, Record, Records};
use self::server::Server;
use super::{ATTEMPTS, CartStore, Leaving, Told};
use crate::domain::{Aside, Cart, Status};
use crate::queries::{self, CartFilter, Found, Left, Quiet};

pub(super) use self::server::check;

/// How many carts of a list are looked at together.
const PAGE: i64 = 100;
/// How many carts may be over before the job has marked them, and are still listed as expired.
const UNMARKED: i64 = 1_000;

/// Open, expired and merged carts in a Redis.
pub(super) struct Redis {
    records: Records,
}

impl Redis {
    /// The store of the settings. That it is there is not known yet.
    pub(super) fn new(settings: &settings::Cart) -> Self {
        Self {
            records: Records::new(Server::new(settings), settings.redis_prefix.clone()),
        }
    }

    fn find_one(&self, connection: &mut PgConnection, id: CartId, now: DateTime<Utc>) -> QueryResult<Option<Cart>> {
        super::find(self, connection, id, now)
    }

    /// Carts of a list that are kept here, newest first, older than `before`, until there are `limit` that are wanted.
    fn list(
        &self,
        connection: &mut PgConnection,
        lists: &[ById],
        mut before: Option<CartId>,
        limit: i64,
        now: DateTime<Utc>,
        is_wanted: impl Fn(&Cart) -> bool,
    ) -> QueryResult<Vec<Found>> {
        let enough = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut kept = Vec::new();
        while kept.len() < enough {
            let ids = self.records.newest(lists, before, limit.max(PAGE))?;
            let Some(last) = ids.last() else { break };
            before = Some(*last);
            let wanted: Vec<_> = ids.iter().map(|id| (*id, now)).collect();
            for (id, found) in ids.iter().zip(self.find_all(connection, &wanted)?) {
                match found {
                    Some(found) if found.cart.aside.is_some() && is_wanted(&found.cart) => kept.push(found),
                    Some(_) => (),
                    None => self.remove_traces(lists, *id)?,
                }
            }
        }
        Ok(kept)
    }

    fn remove_traces(&self, lists: &[ById], id: CartId) -> QueryResult<()> {
        let user = lists.iter().find_map(|list| match list {
            ById::User(user) => Some(*user),
            ById::Status(_) => None,
        });
        self.records.remove_traces(id, user)
    }

    /// Inserts a cart, which is about to move, into PostgreSQL, and removes it here if that is for good.
    fn carry_over(&self, connection: &mut PgConnection, cart: &Cart) -> QueryResult<()> {
        queries::place(connection, cart)?;
        self.let_go(connection, cart)
    }

    /// Removes a cart that PostgreSQL has, unless it may yet turn out that it has not.
    fn let_go(&self, connection: &mut PgConnection, cart: &Cart) -> QueryResult<()> {
        match is_in_transaction(connection) {
            true => Ok(()),
            false => self.records.remove(cart, true).map(drop),
        }
    }

    /// Does `attempt` until it says that nobody was faster.
    fn until_done(&self, mut attempt: impl FnMut() -> QueryResult<bool>) -> QueryResult<()> {
        for _ in 0..ATTEMPTS {
            if attempt()? {
                return Ok(());
            }
        }
        let fault = kernel::Fault::unavailable("others change the cart all the time");
        Err(database::failed_by(fault))
    }

    /// Marks a cart whose time is over; `false` where it is not, or somebody was faster.
    fn mark_expired(&self, seen: &Cart, now: DateTime<Utc>) -> QueryResult<bool> {
        let mut cart = seen.clone();
        cart.advance(now);
        self.records.write(&[(Some(seen), &cart)])
    }
}

impl CartStore for Redis {
    fn find_all(
        &self,
        connection: &mut PgConnection,
        wanted: &[(CartId, DateTime<Utc>)],
    ) -> QueryResult<Vec<Option<Found>>> {
        let ids: Vec<CartId> = wanted.iter().map(|(id, _)| *id).collect();
        let records = self.records.read(&ids)?;
        let (revision, here) = queries::find_here(connection, wanted)?;
        let mut found = Vec::with_capacity(wanted.len());
        for ((record, here), (id, now)) in records.into_iter().zip(here).zip(wanted) {
            let cart = match (here, record) {
                (Some(cart), Some(record)) => {
                    self.let_go(connection, &record.cart)?;
                    Some(cart)
                }
                (Some(cart), None) => Some(cart),
                (None, Some(Record { cart, is_moving: true })) => {
                    self.carry_over(connection, &cart)?;
                    queries::find(connection, *id, *now)?
                }
                (None, Some(record)) => Some(as_it_stands(record.cart, *now)),
                (None, None) => None,
            };
            found.push(cart.map(|cart| Found { cart, revision }));
        }
        Ok(found)
    }

    fn current(&self, connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<Option<Found>> {
        let is_open = |cart: &Cart| cart.status == Status::Open;
        // In this order, as carts move from here to there.
        let elsewhere = self.list(connection, &[ById::User(user)], None, 1, now, is_open)?;
        let here = queries::current(connection, user, now)?;
        Ok(elsewhere.into_iter().chain(here).max_by_key(|found| found.cart.id))
    }

    fn of_user(
        &self,
        connection: &mut PgConnection,
        user: UserId,
        before: Option<CartId>,
        limit: i64,
        now: DateTime<Utc>,
    ) -> QueryResult<Vec<Cart>> {
        let kept = self.list(connection, &[ById::User(user)], before, limit, now, |_| true)?;
        let here = queries::of_user(connection, user, before, limit, now)?;
        Ok(newest_of(here, kept, limit))
    }

    fn page(
        &self,
        connection: &mut PgConnection,
        filter: CartFilter,
        before: Option<CartId>,
        limit: i64,
        now: DateTime<Utc>,
    ) -> QueryResult<Vec<Cart>> {
        let is_wanted = |cart: &Cart| filter.status.is_none_or(|status| status == cart.status.name());
        // Merged ones are listed by their name, whatever they went into.
        let merged = Status::Merged(CartId::from(uuid::Uuid::nil()));
        let lists = match (filter.user, filter.status) {
            (_, Some("checkout" | "completed")) => Vec::new(),
            (Some(user), _) => vec![ById::User(user)],
            (None, Some("open")) => vec![ById::Status(Status::Open)],
            (None, Some("merged")) => vec![ById::Status(merged)],
            (None, Some("expired")) => vec![ById::Status(Status::Expired)],
            (None, _) => [Status::Open, merged, Status::Expired].map(ById::Status).to_vec(),
        };
        let mut kept = match lists.is_empty() {
            true => Vec::new(),
            false => self.list(connection, &lists, before, limit, now, is_wanted)?,
        };
        if (filter.user, filter.status) == (None, Some("expired")) {
            let over = self.records.between(ByTime::Expiring, None, now, UNMARKED)?;
            let older = over
                .into_iter()
                .filter(|(id, _)| before.is_none_or(|before| *id < before));
            let older: Vec<_> = older.map(|(id, _)| (id, now)).collect();
            let found = self.find_all(connection, &older)?.into_iter().flatten();
            kept.extend(found.filter(|found| found.cart.aside.is_some() && is_wanted(&found.cart)));
        }
        let here = queries::page(connection, filter, before, limit, now)?;
        Ok(newest_of(here, kept, limit))
    }

    fn aside(&self) -> Option<Aside> {
        Some(Aside::default())
    }

    fn insert(&self, _: &mut PgConnection, cart: &Cart) -> QueryResult<()> {
        match self.records.write(&[(None, cart)])? {
            true => Ok(()),
            false => Err(queries::unreadable(format!("there is a cart {} already", cart.id))),
        }
    }

    fn save(&self, connection: &mut PgConnection, seen: &Cart, cart: &Cart) -> QueryResult<bool> {
        match seen.aside {
            Some(_) => self.records.write(&[(Some(seen), cart)]),
            None => queries::save(connection, seen, cart),
        }
    }

    fn save_both(&self, connection: &mut PgConnection, mut writes: [(&Cart, &Cart); 2]) -> QueryResult<bool> {
        if writes.iter().all(|(seen, _)| seen.aside.is_some()) {
            return self.records.write(&writes.map(|(seen, cart)| (Some(seen), cart)));
        }
        // In the order of their ids, so that two requests for the same pair cannot block each other.
        writes.sort_by_key(|(seen, _)| seen.id);
        let written = connection.transaction(|connection| {
            for (seen, cart) in writes {
                if !queries::save(connection, seen, cart)? {
                    return Err(Error::RollbackTransaction);
                }
            }
            Ok(())
        });
        match written {
            Ok(()) => Ok(true),
            Err(Error::RollbackTransaction) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn delete(&self, connection: &mut PgConnection, seen: &Cart) -> QueryResult<bool> {
        match seen.aside {
            Some(_) => self.records.remove(seen, false),
            None => queries::delete_seen(connection, seen),
        }
    }

    fn locks(&self) -> bool {
        false
    }

    fn hold(&self, connection: &mut PgConnection, ids: &[CartId], now: DateTime<Utc>) -> QueryResult<Vec<Cart>> {
        let wanted: Vec<_> = ids.iter().map(|id| (*id, now)).collect();
        let find = |connection: &mut PgConnection| -> QueryResult<Vec<Cart>> {
            let found = self.find_all(connection, &wanted)?.into_iter().flatten();
            Ok(found.map(|found| found.cart).collect())
        };
        let mut carts = find(connection)?;
        self.until_done(|| {
            let (elsewhere, here): (Vec<&Cart>, Vec<&Cart>) = carts.iter().partition(|cart| cart.aside.is_some());
            if here.is_empty() || elsewhere.is_empty() {
                return Ok(true);
            }
            for cart in elsewhere {
                self.settle(connection, cart)?;
            }
            carts = find(connection)?;
            Ok(false)
        })?;
        Ok(carts)
    }

    fn settle(&self, connection: &mut PgConnection, seen: &Cart) -> QueryResult<bool> {
        if seen.aside.is_none() {
            return Ok(true);
        }
        if !self.records.seal(seen)? {
            return Ok(false);
        }
        self.carry_over(connection, seen)?;
        Ok(true)
    }

    fn release(
        &self,
        connection: &mut PgConnection,
        cart: CartId,
        order: OrderId,
        now: DateTime<Utc>,
    ) -> QueryResult<()> {
        self.until_done(|| {
            let Some(seen) = self.find_one(connection, cart, now)? else {
                return Ok(true);
            };
            let mut noted = seen.clone();
            match &mut noted.aside {
                Some(aside) if aside.released_orders.contains(&order) => return Ok(true),
                Some(aside) => aside.released_orders.push(order),
                None => return queries::release(connection, cart, order).map(|()| true),
            }
            self.records.write(&[(Some(&seen), &noted)])
        })
    }

    fn expire(&self, connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
        let over = self.records.between(ByTime::Expiring, None, now, limit)?;
        let wanted: Vec<_> = over.iter().map(|(id, _)| (*id, now)).collect();
        let mut marked = 0;
        for ((id, _), found) in wanted.iter().zip(self.find_all(connection, &wanted)?) {
            match found.map(|found| found.cart) {
                Some(cart) if cart.aside.is_some() && cart.status == Status::Expired => {
                    marked += usize::from(self.mark_expired(&cart, now)?);
                }
                Some(cart) if cart.aside.is_some() => (),
                _ => self.records.remove_traces(*id, None)?,
            }
        }
        Ok(marked.max(queries::expire(connection, now, limit)?))
    }

    fn leave(
        &self,
        connection: &mut PgConnection,
        oldest: DateTime<Utc>,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
        limit: i64,
    ) -> QueryResult<Leaving> {
        self.records.cut(ByTime::Touched, oldest)?;
        let touched = self.records.between(ByTime::Touched, Some(oldest), before, limit)?;
        let wanted: Vec<_> = touched.iter().map(|(id, _)| (*id, now)).collect();
        let found = self.find_all(connection, &wanted)?.into_iter().flatten();
        let carts: Vec<Cart> = found
            .map(|found| found.cart)
            .filter(|cart| {
                let is_here = cart.aside.is_some() && cart.status == Status::Open;
                let is_somebodys = cart.email.is_some() || cart.user.is_some();
                is_here && is_somebodys && cart.touched_at < before && !cart.items.is_empty()
            })
            .collect();
        let quiet: Vec<Quiet> = carts.iter().map(quiet).collect();
        let told = queries::tell(connection, &quiet, oldest)?;
        let (mut news, noted) = queries::leave(connection, oldest, before, now, limit)?;
        news.extend(carts.iter().filter(|cart| told.contains(&cart.id)).map(left));
        Ok(Leaving {
            news,
            noted: noted.max(touched.len()),
            told: touched
                .into_iter()
                .map(|(cart, touched)| Told { cart, touched })
                .collect(),
        })
    }

    fn note_told(&self, told: &[Told]) -> QueryResult<()> {
        match told.is_empty() {
            true => Ok(()),
            false => self
                .records
                .note_told(told.iter().map(|told| (told.cart, told.touched))),
        }
    }

    fn remove_closed(&self, connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
        let closed = self.records.between(ByTime::Closed, None, before, limit)?;
        let ids: Vec<CartId> = closed.iter().map(|(id, _)| *id).collect();
        for (id, record) in ids.iter().zip(self.records.read(&ids)?) {
            match record {
                Some(record) if record.is_moving => self.carry_over(connection, &record.cart)?,
                Some(record) => self.records.remove(&record.cart, false).map(drop)?,
                None => self.records.remove_traces(*id, None)?,
            }
        }
        Ok(queries::remove_closed(connection, before, limit)?.max(ids.len()))
    }

    fn forget(&self, connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<()> {
        let carts = self.list(connection, &[ById::User(user)], None, i64::from(i32::MAX), now, |_| {
            true
        })?;
        for Found { cart, .. } in carts {
            self.until_done(|| {
                let seen = self.find_one(connection, cart.id, now)?;
                // What is in PostgreSQL meanwhile is forgotten there.
                let Some(seen) = seen.filter(|seen| seen.aside.is_some()) else {
                    return Ok(true);
                };
                let mut cart = seen.clone();
                cart.forget_buyer();
                match seen.status {
                    Status::Open => {
                        cart.status = Status::Expired;
                        cart.advance(now);
                    }
                    // What is over stays over since then, so that it is removed in its time.
                    _ if seen.is_personal() => cart.version += 1,
                    _ => return Ok(true),
                }
                self.records.write(&[(Some(&seen), &cart)])
            })?;
        }
        queries::forget(connection, user, now)
    }

    fn check(&self) -> QueryResult<()> {
        self.records.ping()
    }
}

/// A cart as it is at `now`: an open one has expired when its time is over, whether or not the job has been there.
fn as_it_stands(mut cart: Cart, now: DateTime<Utc>) -> Cart {
    if cart.status == Status::Open && cart.expires_at <= now {
        cart.status = Status::Expired;
    }
    cart
}

/// The newest of both, each once: those that have moved meanwhile as PostgreSQL has them.
fn newest_of(here: Vec<Cart>, kept: Vec<Found>, limit: i64) -> Vec<Cart> {
    let mut carts = here;
    carts.extend(kept.into_iter().map(|found| found.cart));
    carts.sort_by_key(|cart| Reverse(cart.id));
    carts.dedup_by_key(|cart| cart.id);
    carts.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    carts
}

fn quiet(cart: &Cart) -> Quiet {
    Quiet {
        cart: cart.id,
        user: cart.user,
        email: cart.email.clone(),
        touched_at: cart.touched_at,
    }
}

fn left(cart: &Cart) -> Left {
    Left {
        cart: cart.id,
        user: cart.user,
        touched_at: cart.touched_at,
        share_number: cart.share_number,
        amount_due: cart.priced.totals.amount_due,
    }
}

fn is_in_transaction(connection: &mut PgConnection) -> bool {
    let status = AnsiTransactionManager::transaction_manager_status_mut(connection);
    !matches!(status.transaction_depth(), Ok(None))
}
