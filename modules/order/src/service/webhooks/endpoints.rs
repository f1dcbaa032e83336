//! Endpoints, as staff arrange them.

use chrono::TimeDelta;
use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::event::Event;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::{EventId, WebhookEndpointId};
use kernel::{FieldErrors, Page, Problem};
use serde_json::json;

use super::super::Service;
use crate::domain::webhooks::edit::{EndpointPatch, NewEndpoint};
use crate::domain::webhooks::signature::EndpointSecret;
use crate::domain::webhooks::{Delivery, Endpoint, MAX_ENDPOINTS, TEST_EVENT, message};
use crate::error::OrderError;
use crate::queries::SCHEMA;
use crate::queries::webhooks::{deliveries, endpoints};

/// How long messages are signed with the secret before as well.
const OVERLAP: TimeDelta = TimeDelta::days(1);
/// What cursors of the list belong to.
const LIST: &str = "webhook endpoints";

type Work<T> = Result<T, Failure<OrderError>>;

impl Service {
    /// A page of the endpoints, in the order in which they were made.
    pub(crate) async fn list_endpoints(&self, limit: i64, cursor: Option<String>) -> Result<Page<Endpoint>, Problem> {
        let cursors = &self.shared.cursors;
        let after = cursor.map(|cursor| cursors.open::<WebhookEndpointId>(LIST, &cursor));
        let after = after.transpose().map_err(Problem::invalid_query)?;
        let mut all = self.query(endpoints::all).await?;
        all.retain(|endpoint| after.is_none_or(|after| endpoint.id > after));
        Ok(Page::from_surplus(all, limit, |last| cursors.seal(LIST, &last.id)))
    }

    /// An endpoint by its id.
    pub(crate) async fn find_endpoint(&self, id: WebhookEndpointId) -> Result<Endpoint, OrderError> {
        let found = self.query(move |connection| endpoints::find(connection, id)).await?;
        found.ok_or(OrderError::NotFound("webhook endpoint"))
    }

    /// The secret of an endpoint, as whoever receives its messages keeps it.
    pub(crate) fn endpoint_secret(&self, id: WebhookEndpointId, generation: i64) -> String {
        EndpointSecret::of(&self.shared.secret, id, generation).shown()
    }

    /// Adds an endpoint.
    pub(crate) async fn create_endpoint(
        &self,
        new: NewEndpoint,
        call: Option<Call>,
    ) -> Result<Answer<Endpoint>, OrderError> {
        let (now, allowance) = (self.shared.clock.now(), self.shared.webhooks.allowance().clone());
        let work = move |connection: &mut PgConnection| -> Work<Endpoint> {
            let endpoint = new.into_endpoint(&allowance, now);
            let endpoint = endpoint.map_err(OrderError::Invalid).or_refuse()?;
            match endpoints::insert(connection, &endpoint)? {
                true => Ok(endpoint),
                false => {
                    let detail = format!("a shop has at most {MAX_ENDPOINTS} webhook endpoints");
                    refuse(OrderError::Invalid(FieldErrors::one("", "too_many", detail)))
                }
            }
        };
        self.shared.db.once(SCHEMA, call, 201, now, work).await
    }

    /// Changes an endpoint. What is being sent at this moment is sent as it was.
    pub(crate) async fn update_endpoint(
        &self,
        id: WebhookEndpointId,
        patch: EndpointPatch,
        condition: IfMatch,
    ) -> Result<Endpoint, OrderError> {
        let (now, allowance) = (self.shared.clock.now(), self.shared.webhooks.allowance().clone());
        let work = move |connection: &mut PgConnection| -> Work<Endpoint> {
            let before = locked(connection, id, &condition)?;
            let after = patch.apply(before, &allowance, now);
            let after = after.map_err(OrderError::Invalid).or_refuse()?;
            endpoints::update(connection, &after)?;
            Ok(after)
        };
        let changed = self.shared.db.transaction(work).await?;
        self.shared.webhooks.wake().wake();
        Ok(changed)
    }

    /// Removes an endpoint, and with it what was on its way there.
    pub(crate) async fn delete_endpoint(&self, id: WebhookEndpointId, condition: IfMatch) -> Result<(), OrderError> {
        let work = move |connection: &mut PgConnection| -> Work<()> {
            locked(connection, id, &condition)?;
            Ok(endpoints::delete(connection, id)?)
        };
        self.shared.db.transaction(work).await
    }

    /// Gives an endpoint another secret. For a day, messages are signed with the one before as well.
    pub(crate) async fn rotate_endpoint_secret(
        &self,
        id: WebhookEndpointId,
        condition: IfMatch,
        call: Option<Call>,
    ) -> Result<Answer<Endpoint>, OrderError> {
        let now = self.shared.clock.now();
        let work = move |connection: &mut PgConnection| -> Work<Endpoint> {
            let before = locked(connection, id, &condition)?;
            let after = Endpoint {
                secret_generation: before.secret_generation + 1,
                previous_secret_until: Some(now + OVERLAP),
                version: before.version + 1,
                updated_at: now,
                ..before
            };
            endpoints::update(connection, &after)?;
            Ok(after)
        };
        self.shared.db.once(SCHEMA, call, 201, now, work).await
    }

    /// Sends an endpoint an event that tells of nothing.
    pub(crate) async fn test_endpoint(
        &self,
        id: WebhookEndpointId,
        call: Option<Call>,
    ) -> Result<Answer<Delivery>, OrderError> {
        let now = self.shared.clock.now();
        let work = move |connection: &mut PgConnection| -> Work<Delivery> {
            let endpoint = locked(connection, id, &IfMatch::default())?;
            if !endpoint.enabled {
                return refuse(OrderError::EndpointDisabled);
            }
            let event = Event {
                id: EventId::generate(),
                r#type: TEST_EVENT.to_owned(),
                subject: id.to_string(),
                time: now,
                data: json!({"endpoint_id": id}),
                sequence: 0,
            };
            deliveries::insert(connection, &event, &[id], message::of_event(&event), now)?;
            let mut newest = deliveries::page(connection, id, None, None, 1)?;
            newest.pop().ok_or(OrderError::NotFound("webhook endpoint")).or_refuse()
        };
        let answer = self.shared.db.once(SCHEMA, call, 202, now, work).await?;
        self.shared.webhooks.wake().wake();
        Ok(answer)
    }
}

fn locked(connection: &mut PgConnection, id: WebhookEndpointId, condition: &IfMatch) -> Work<Endpoint> {
    let found = endpoints::lock(connection, id)?;
    let found = found.ok_or(OrderError::NotFound("webhook endpoint")).or_refuse()?;
    match condition.allows(found.version) {
        true => Ok(found),
        false => refuse(OrderError::VersionMismatch(found.version)),
    }
}
