//! How price lists get into what everybody is offered: in the transaction that writes their prices, and by a job where a
//! list is edited or deleted or its window opens or closes.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::web;
use chrono::{DateTime, TimeDelta, Utc};
use database::Failure;
use diesel::PgConnection;
use kernel::id::PriceListId;
use kernel::job::{Job, Round};
use product_api::ProductError;
use uuid::Uuid;

use super::{Service, editing};
use crate::domain::pricing::REMEMBERED;
use crate::queries::{categories, membership, offers, price_history, price_lists, products, repricing};

type Work<T> = Result<T, Failure<ProductError>>;

/// How late a list may be whose window opens or closes.
const EVERY: Duration = Duration::from_secs(5);
/// How many variants are priced in one transaction.
const BATCH: i64 = 250;
/// After so long a list is tried again that has failed.
const RETRY: TimeDelta = TimeDelta::seconds(10);

/// How much of what prices were before is forgotten in one transaction.
const FORGOTTEN: i64 = 1_000;

/// The job that carries over what lists say. Replicas share the work: a list that one is at is left out by the others.
pub(crate) fn job(service: &web::Data<Service>) -> Job {
    let wake = service.relisted.clone();
    let service = service.clone();
    Job::new("prices", EVERY, wake, move || {
        let service = service.clone();
        async move {
            match service.carry_over_due().await {
                Ok(round) => Ok(round),
                Err(ProductError::Fault(fault)) => Err(fault),
                Err(other) => Err(kernel::Fault::internal(other.to_string())),
            }
        }
    })
}

impl Service {
    /// Carries over some prices of one list, or forgets some of what is no longer needed where none is due. A list that fails is put off, so that the others get their turn.
    async fn carry_over_due(&self) -> Result<Round, ProductError> {
        let now = self.clock.now();
        // Nothing is locked where nothing is due, which is nearly always.
        let look = move |connection: &mut PgConnection| {
            let is_due = repricing::is_any_due(connection, now)?;
            let forgotten = match is_due {
                true => 0,
                false => price_history::forget(connection, now - REMEMBERED, FORGOTTEN)?,
            };
            Ok::<_, Failure<ProductError>>((is_due, forgotten))
        };
        let (is_due, forgotten) = self.db.run(look).await?;
        if !is_due {
            return Ok(match i64::try_from(forgotten) {
                Ok(FORGOTTEN) => Round::More,
                _ => Round::Idle,
            });
        }
        let chosen: Arc<OnceLock<PriceListId>> = Arc::default();
        let noted = Arc::clone(&chosen);
        let work = move |connection: &mut PgConnection| {
            categories::hold_tree(connection)?;
            carry_over_next(connection, now, &noted)
        };
        let error = match self.db.transaction(work).await {
            Ok(round) => {
                // The search index follows the events by itself: waiting for it would hold up the other lists.
                self.outdate();
                return Ok(round);
            }
            Err(error) => error,
        };
        let Some(list) = chosen.get().copied() else {
            return Err(error);
        };
        let put_off = move |connection: &mut PgConnection| {
            Ok::<_, Failure<ProductError>>(repricing::put_off(connection, list, now, now + RETRY)?)
        };
        self.db.run(put_off).await?;
        tracing::warn!(price_list = %list, %error, "a price list could not be carried over and is put off");
        Ok(Round::More)
    }
}

/// Works out anew what variants are offered for, in the transaction of what has changed that, and tells of the products
/// of which something differs. Whoever calls this holds the tree.
pub(super) fn carry_over(connection: &mut PgConnection, variants: Vec<Uuid>, now: DateTime<Utc>) -> Work<()> {
    let owners = price_lists::owners(connection, variants.clone())?;
    products::hold(connection, owners.into_values().collect())?;
    let changed = offers::reprice(connection, variants, now)?;
    let mut changed: Vec<Uuid> = changed.into_iter().collect();
    if changed.is_empty() {
        return Ok(());
    }
    changed.sort_unstable();
    let moved = offers::follow(connection, changed.clone())?;
    membership::recheck_prices(connection, &moved, now.date_naive())?;
    editing::publish(connection, &changed, now)
}

/// Carries over the next prices of the list whose turn it is, which is told before anything can fail.
fn carry_over_next(connection: &mut PgConnection, now: DateTime<Utc>, chosen: &OnceLock<PriceListId>) -> Work<Round> {
    let Some(due) = repricing::lock_due(connection, now)? else {
        return Ok(Round::Idle);
    };
    let list = &due.list;
    // It is the first that is chosen in this transaction.
    let _ = chosen.set(list.id);
    // From its first price on, that is done for one moment: an end of the window that comes meanwhile is due again.
    let (since, after) = due.begun.map_or((now, None), |(since, after)| (since, Some(after)));
    let variants = repricing::next_variants(connection, list.id, after, BATCH)?;
    let last = variants.last().copied();
    let is_full = i64::try_from(variants.len()).is_ok_and(|count| count == BATCH);
    carry_over(connection, variants.clone(), now)?;
    if due.is_deleted {
        repricing::remove_prices(connection, list.id, variants)?;
    }
    match last.filter(|_| is_full) {
        Some(last) => repricing::go_on(connection, list.id, since, last, now)?,
        None if due.is_deleted => repricing::remove(connection, list.id)?,
        None => repricing::finish(connection, list.id, list.next_end(since), now)?,
    }
    Ok(Round::More)
}
