//! Products that become active, and archived, at their times.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use chrono::{DateTime, Utc};
use database::Failure;
use diesel::PgConnection;
use kernel::Fault;
use kernel::job::{Job, Round, Wake};
use product_api::ProductError;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Service, editing};
use crate::domain::plan::{Change, Stored};
use crate::queries::writing::Stamp;
use crate::queries::{arranged, categories, products};

/// How late a product may be.
const EVERY: Duration = Duration::from_secs(5);
/// Who stands in the ledger of stock for what happens by itself; the job changes no stock.
const ACTOR: &str = "publication";

/// How far a walk over the products that are due is.
#[derive(Default)]
struct Walk {
    /// Those that were looked at; the next walk begins anew, with those that are still due.
    passed: Vec<Uuid>,
    /// Products that could not be carried out, which are told once.
    failed: HashSet<Uuid>,
}

/// The job that carries out the times of products. Replicas share the work: whoever locks a product second finds that its
/// time has been acted on.
pub(crate) fn job(service: &web::Data<Service>) -> Job {
    let service = service.clone();
    let walk = Arc::new(Mutex::new(Walk::default()));
    Job::new("publication", EVERY, Wake::default(), move || {
        let (service, walk) = (service.clone(), Arc::clone(&walk));
        async move { service.publish_due(&mut *walk.lock().await).await }
    })
}

impl Service {
    /// Carries out the next batch of those that are due. A product that fails whatever is tried keeps no other from its time.
    async fn publish_due(&self, walk: &mut Walk) -> Result<Round, Fault> {
        let (now, passed_by) = (self.clock.now(), walk.passed.clone());
        // Nothing is locked where nothing is due, which is nearly always.
        let due =
            move |connection: &mut PgConnection| Ok::<_, Failure<Fault>>(arranged::due(connection, now, &passed_by)?);
        let batch = self.db.run(due).await?;
        if batch.is_empty() {
            walk.passed.clear();
            return Ok(Round::Idle);
        }
        match passed(self.carry_out(batch.clone(), now).await)? {
            Ok(()) => walk.failed.retain(|id| !batch.contains(id)),
            Err(_) => self.carry_out_each(&batch, now, walk).await?,
        }
        walk.passed.extend(batch);
        Ok(Round::More)
    }

    async fn carry_out_each(&self, batch: &[Uuid], now: DateTime<Utc>, walk: &mut Walk) -> Result<(), Fault> {
        for id in batch.iter().copied() {
            match passed(self.carry_out(vec![id], now).await)? {
                Ok(()) => walk.failed.retain(|failed| *failed != id),
                Err(error) if walk.failed.insert(id) => {
                    tracing::error!(product = %id, %error, "a product cannot be published or archived at its time");
                }
                Err(_) => (),
            }
        }
        Ok(())
    }

    /// What the times of these products want, all or nothing.
    async fn carry_out(&self, products: Vec<Uuid>, now: DateTime<Utc>) -> Result<(), ProductError> {
        let stamp = Stamp {
            actor: ACTOR.to_owned(),
            now,
        };
        let work = move |connection: &mut PgConnection| {
            categories::hold_tree(connection)?;
            let stored = products::lock(connection, products)?;
            let changes = stored.into_iter().filter_map(|stored| carried_out(stored, now));
            let plan = editing::write(connection, changes.collect(), &stamp)?;
            Ok(plan.outcomes.into_iter().map(|(id, _)| id).collect())
        };
        let changed = self.db.transaction(work).await?;
        self.show(changed).await;
        Ok(())
    }
}

/// Tells failures that come again from those that pass by themselves: of these the job's next round will hear.
fn passed<T>(outcome: Result<T, ProductError>) -> Result<Result<T, ProductError>, Fault> {
    match outcome {
        Err(ProductError::Fault(fault @ (Fault::Unavailable { .. } | Fault::Timeout { .. }))) => Err(fault),
        outcome => Ok(outcome),
    }
}

/// A product as its times want it, if anything is due.
fn carried_out(before: Stored, now: DateTime<Utc>) -> Option<Change> {
    let mut after = before.listing.clone();
    after.status = after.merchandising.carry_out(after.status, now);
    (after.status != before.listing.status).then_some(Change {
        before: Some(before),
        after,
    })
}
