//! What was sent and what came of it, for staff.

use chrono::TimeDelta;
use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::http::{Answer, Call};
use kernel::id::{WebhookDeliveryId, WebhookEndpointId};
use kernel::job::Round;
use kernel::{Fault, Page, Problem};

use super::super::Service;
use crate::domain::webhooks::{Delivery, DeliveryState, WholeDelivery};
use crate::error::OrderError;
use crate::queries::SCHEMA;
use crate::queries::webhooks::{deliveries, endpoints};

/// How long deliveries are kept.
const RETENTION: TimeDelta = TimeDelta::days(30);
/// How many are removed at a time.
const PRUNED: i64 = 1000;

/// A page of the deliveries to an endpoint.
pub(crate) struct ListDeliveries {
    pub(crate) endpoint: WebhookEndpointId,
    pub(crate) state: Option<DeliveryState>,
    pub(crate) limit: i64,
    pub(crate) cursor: Option<String>,
}

impl Service {
    /// A page of the deliveries to an endpoint, newest first.
    pub(crate) async fn list_deliveries(&self, list: ListDeliveries) -> Result<Page<Delivery>, Problem> {
        let ListDeliveries {
            endpoint,
            state,
            limit,
            cursor,
        } = list;
        let name = format!("webhook deliveries {endpoint} {state:?}");
        let cursors = &self.shared.cursors;
        let before = cursor.map(|cursor| cursors.open::<WebhookDeliveryId>(&name, &cursor));
        let before = before.transpose().map_err(Problem::invalid_query)?;
        let work = move |connection: &mut PgConnection| {
            if endpoints::find(connection, endpoint)?.is_none() {
                return refuse(OrderError::NotFound("webhook endpoint"));
            }
            Ok(deliveries::page(connection, endpoint, state, before, limit + 1)?)
        };
        let found = self.shared.db.run(work).await?;
        Ok(Page::from_surplus(found, limit, |last| cursors.seal(&name, &last.id)))
    }

    /// A delivery with what came of it.
    pub(crate) async fn find_delivery(&self, id: WebhookDeliveryId) -> Result<WholeDelivery, OrderError> {
        let found = self.query(move |connection| deliveries::whole(connection, id)).await?;
        found.ok_or(OrderError::NotFound("webhook delivery"))
    }

    /// Has a delivery sent now, whatever became of it before.
    pub(crate) async fn redeliver(
        &self,
        id: WebhookDeliveryId,
        call: Option<Call>,
    ) -> Result<Answer<Delivery>, OrderError> {
        let now = self.shared.clock.now();
        let work = move |connection: &mut PgConnection| -> Result<Delivery, Failure<OrderError>> {
            let missing = || OrderError::NotFound("webhook delivery");
            if !deliveries::send_again(connection, id, now)? {
                return refuse(missing());
            }
            let (delivery, _) = deliveries::find(connection, id)?.ok_or_else(missing).or_refuse()?;
            let endpoint = endpoints::find(connection, delivery.endpoint_id)?;
            match endpoint.ok_or_else(missing).or_refuse()?.enabled {
                true => Ok(delivery),
                false => refuse(OrderError::EndpointDisabled),
            }
        };
        let answer = self.shared.db.once(SCHEMA, call, 202, now, work).await?;
        self.shared.webhooks.wake().wake();
        Ok(answer)
    }

    /// Removes deliveries that are old, and those to endpoints that are gone.
    pub(crate) async fn prune_deliveries(&self) -> Result<Round, Fault> {
        let before = self.shared.clock.now() - RETENTION;
        let removed = self
            .query(move |connection| {
                let old = deliveries::prune(connection, before, PRUNED)?;
                Ok(old.max(deliveries::prune_orphans(connection, PRUNED)?))
            })
            .await?;
        Ok(match i64::try_from(removed) {
            Ok(removed) if removed < PRUNED => Round::Idle,
            _ => Round::More,
        })
    }
}
