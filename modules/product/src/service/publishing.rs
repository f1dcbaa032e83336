//! Products that become active, and archived, at their times.

use std::time::Duration;

use actix_web::web;
use chrono::{DateTime, Utc};
use database::Failure;
use diesel::PgConnection;
use kernel::job::{Job, Round, Wake};
use product_api::ProductError;

use super::{Service, editing};
use crate::domain::plan::{Change, Stored};
use crate::queries::writing::Stamp;
use crate::queries::{arranged, categories, products};

/// How late a product may be.
const EVERY: Duration = Duration::from_secs(5);
/// How many products are changed in one transaction.
const BATCH: i64 = 250;
/// Who stands in the ledger of stock for what happens by itself; the job changes no stock.
const ACTOR: &str = "publication";

/// The job that carries out the times of products. Replicas share the work: whoever locks a product second finds that its
/// time has been acted on.
pub(crate) fn job(service: &web::Data<Service>) -> Job {
    let service = service.clone();
    Job::new("publication", EVERY, Wake::default(), move || {
        let service = service.clone();
        async move {
            match service.publish_due().await {
                Ok(round) => Ok(round),
                Err(ProductError::Fault(fault)) => Err(fault),
                Err(other) => Err(kernel::Fault::internal(other.to_string())),
            }
        }
    })
}

impl Service {
    async fn publish_due(&self) -> Result<Round, ProductError> {
        let now = self.clock.now();
        // Nothing is locked where nothing is due, which is nearly always.
        let due =
            move |connection: &mut PgConnection| Ok::<_, Failure<ProductError>>(arranged::due(connection, now, 1)?);
        if self.db.run(due).await?.is_empty() {
            return Ok(Round::Idle);
        }
        let stamp = Stamp {
            actor: ACTOR.to_owned(),
            kind: "adjustment",
            now,
        };
        let work = move |connection: &mut PgConnection| {
            categories::hold_tree(connection)?;
            let due = arranged::due(connection, now, BATCH)?;
            let count = due.len();
            let stored = products::lock(connection, due)?;
            let changes = stored.into_iter().filter_map(|stored| carried_out(stored, now));
            let plan = editing::write(connection, changes.collect(), &stamp)?;
            let changed = plan.outcomes.into_iter().map(|(id, _)| id);
            Ok((count, changed.collect()))
        };
        let (count, changed) = self.db.transaction(work).await?;
        self.show(changed).await;
        Ok(if count == 0 { Round::Idle } else { Round::More })
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
