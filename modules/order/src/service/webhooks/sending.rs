//! Sending deliveries, in each process side by side, to each endpoint a few at a time: one that is slow delays no other.

use std::time::Duration;

use database::Failure;
use diesel::PgConnection;
use kernel::Fault;
use kernel::job::Round;
use kernel::keys::random_bytes;

use super::super::Service;
use super::client::{Answered, Signed, TIMEOUT};
use crate::domain::webhooks::Endpoint;
use crate::domain::webhooks::schedule::{Verdict, asked_pause, gives_up, next_delay};
use crate::domain::webhooks::signature::{self, EndpointSecret};
use crate::queries::webhooks::endpoints;
use crate::queries::webhooks::sending::{self, Due, Fate};

/// How many requests a process sends to one endpoint at a time.
const AT_A_TIME: i64 = 4;
/// How long a process has a delivery for itself: longer than sending it can take.
const LEASE: Duration = Duration::from_secs(TIMEOUT.as_secs() + 5);

impl Service {
    /// One round of the sending job: takes what is due and has it sent by tasks of its own, which the round does not wait for.
    /// Each wakes the job when it is done. One that ends with its process leaves a lease, and is sent again after that.
    pub(crate) async fn send_webhooks(&self) -> Result<Round, Fault> {
        let (now, busy) = (self.shared.clock.now(), self.shared.webhooks.busy());
        let taken = self
            .query(move |connection| sending::take(connection, busy, AT_A_TIME, LEASE, now))
            .await?;
        for due in taken {
            let seat = self.shared.webhooks.seat(due.endpoint.uuid());
            let service = self.clone();
            tokio::spawn(async move {
                let delivery = due.id;
                if let Err(fault) = service.send(due).await {
                    tracing::warn!(%delivery, %fault, "what came of a webhook is not written down; it will be sent again");
                }
                drop(seat);
            });
        }
        Ok(Round::Idle)
    }

    async fn send(&self, due: Due) -> Result<(), Fault> {
        let at = self.shared.clock.now();
        let secret = |generation| EndpointSecret::of(&self.shared.secret, due.endpoint, generation);
        let mut secrets = vec![secret(due.secret_generation)];
        if due.previous_secret_until.is_some_and(|until| at < until) {
            secrets.push(secret(due.secret_generation - 1));
        }
        let id = due.event.to_string();
        let message = Signed {
            signature: signature::header(&secrets, &id, at.timestamp(), &due.body),
            id,
            at,
            body: &due.body,
        };
        let answered = self.shared.webhooks.client.post(&due.url, &message).await;
        self.account_for(due, answered).await
    }

    /// Writes down what came of it, for the delivery and for its endpoint.
    async fn account_for(&self, due: Due, answered: Answered) -> Result<(), Fault> {
        let now = self.shared.clock.now();
        let Answered { outcome, retry_after } = answered;
        let verdict = Verdict::of(outcome.status);
        let label = match verdict {
            Verdict::Taken => "delivered",
            Verdict::Refused | Verdict::Gone => "failed",
        };
        metrics::counter!("order_webhook_attempts_total", "outcome" => label).increment(1);
        let asked = retry_after.and_then(|text| asked_pause(&text, now));
        let random = random_bytes(1).first().copied().unwrap_or_default();
        let fate = match verdict {
            Verdict::Taken => Fate::Delivered,
            Verdict::Refused | Verdict::Gone => match next_delay(due.failures + 1, asked, random) {
                Some(delay) => Fate::Due(now + delay),
                None => Fate::Failed,
            },
        };
        let endpoint = due.endpoint;
        let work = move |connection: &mut PgConnection| {
            if !sending::record(connection, &due, &outcome, fate, now)? {
                return Ok(None);
            }
            match verdict {
                Verdict::Taken => endpoints::has_succeeded(connection, due.endpoint).map(|()| None),
                Verdict::Refused | Verdict::Gone => has_failed(connection, &due, verdict, now),
            }
            .map_err(Failure::<Fault>::from)
        };
        if let Some(disabled) = self.shared.db.transaction(work).await? {
            let reason = disabled.disabled_reason.map_or("", |reason| reason.name());
            tracing::warn!(%endpoint, reason, "a webhook endpoint was disabled; staff can enable it again");
            metrics::counter!("order_webhook_endpoints_disabled_total", "reason" => reason).increment(1);
        }
        Ok(())
    }
}

/// Something has failed at an endpoint: the endpoint, where it is disabled for that. One that has got another address
/// meanwhile is not to blame.
fn has_failed(
    connection: &mut PgConnection,
    due: &Due,
    verdict: Verdict,
    now: chrono::DateTime<chrono::Utc>,
) -> diesel::QueryResult<Option<Endpoint>> {
    let Some(before) = endpoints::lock(connection, due.endpoint)? else {
        return Ok(None);
    };
    if !before.enabled || before.url != due.url {
        return Ok(None);
    }
    let since = before.failing_since.unwrap_or(now);
    let Some(reason) = gives_up(verdict, since, now) else {
        if before.failing_since.is_none() {
            let failing = Endpoint {
                failing_since: Some(since),
                ..before
            };
            endpoints::update(connection, &failing)?;
        }
        return Ok(None);
    };
    let disabled = Endpoint {
        enabled: false,
        disabled_reason: Some(reason),
        disabled_at: Some(now),
        failing_since: Some(since),
        version: before.version + 1,
        updated_at: now,
        ..before
    };
    endpoints::update(connection, &disabled)?;
    Ok(Some(disabled))
}
