//! The inbox of payment providers' events. One that comes is stored before its sender hears that it has arrived, and worked
//! on afterwards: it is a reason to ask the provider how a charge stands, and nothing that it says itself is believed.
//! Late, early, repeated and reordered events are therefore all the same.

use chrono::{DateTime, TimeDelta, Utc};
use database::{Failure, refuse};
use diesel::prelude::*;
use futures_util::future::join_all;
use kernel::http::{Answer, Call};
use kernel::id::{EventId, PaymentId};
use kernel::job::Round;
use kernel::{Fault, Page, Problem};

use super::Service;
use crate::domain::Actor;
use crate::domain::inbox::{EventState, pause_of_failure, pause_of_search};
use crate::domain::view::EventView;
use crate::error::OrderError;
use crate::providers::{EventRefusal, Meaning, ProviderEvent};
use crate::queries::inbox::{self, Due, EventFilter, Incoming};
use crate::queries::{self, SCHEMA, payments};

/// How many events one round takes.
const BATCH: i64 = 20;
/// How long events are kept.
const RETENTION: TimeDelta = TimeDelta::days(90);
/// How many events one round removes.
const PRUNED: usize = 1000;

/// What has come of an event.
enum Done {
    /// What follows from it is done.
    Processed(PaymentId, Meaning),
    /// Nothing follows from it.
    Ignored,
    /// Nobody knows the charge.
    Unknown,
}

/// A page of events.
#[derive(Clone, Debug)]
pub(crate) struct ListEvents {
    pub(crate) filter: EventFilter,
    pub(crate) limit: i64,
    pub(crate) cursor: Option<String>,
}

impl Service {
    /// The header in which a provider signs its events; `None` where there is no such provider, or it sends none.
    pub(crate) fn signature_header(&self, provider: &str) -> Option<&'static str> {
        self.shared.providers.known(provider)?.signature_header()
    }

    /// Takes an event: what is not signed as it should be leaves no trace but a count.
    pub(crate) async fn receive(
        &self,
        provider: &str,
        signature: Option<&str>,
        body: Vec<u8>,
    ) -> Result<(), OrderError> {
        let found = self
            .shared
            .providers
            .known(provider)
            .ok_or(OrderError::NotFound("payment provider"))?;
        let (name, now) = (found.name(), self.shared.clock.now());
        let verified = found
            .verify_event(signature, &body, now)
            .and_then(|()| found.read_event(&body));
        let event = match verified {
            Ok(event) => event,
            Err(refusal) => {
                count_received(name, refused_as(refusal));
                return Err(OrderError::EventRefused(refusal));
            }
        };
        let incoming = Incoming {
            provider: name,
            event_id: event.id,
            kind: event.kind,
            body,
            reference: event.reference,
            received_at: now,
        };
        let is_new = self
            .query(move |connection| inbox::store(connection, &incoming))
            .await?;
        count_received(name, if is_new { "received" } else { "duplicate" });
        if is_new {
            self.shared.inbox.wake();
        }
        Ok(())
    }

    /// One round of the job: works on what is there.
    pub(crate) async fn work_on_events(&self) -> Result<Round, Fault> {
        let lease = self.lease();
        let due = self
            .query(move |connection| inbox::take(connection, BATCH, lease))
            .await?;
        let full = i64::try_from(due.len()).is_ok_and(|count| count == BATCH);
        for outcome in join_all(due.iter().map(|event| self.work_on(event))).await {
            outcome?;
        }
        Ok(if full { Round::More } else { Round::Idle })
    }

    async fn work_on(&self, due: &Due) -> Result<(), Fault> {
        let Some(provider) = self.shared.providers.known(&due.provider) else {
            return self.fail(due, "the provider is not known here").await;
        };
        let event = match provider.read_event(&due.body) {
            Ok(event) => event,
            Err(refusal) => return self.fail(due, &refusal.to_string()).await,
        };
        match self.follow(&due.provider, &event).await {
            Ok(Done::Processed(payment, meaning)) => self.end_processed(due, payment, meaning).await,
            Ok(Done::Ignored) => self.end(due, EventState::Ignored, None, None).await,
            Ok(Done::Unknown) => match pause_of_search(due.attempts) {
                Some(pause) => {
                    let id = due.id;
                    let reason = "no payment is known by this name yet";
                    self.query(move |connection| inbox::postpone(connection, id, EventState::Parked, pause, reason))
                        .await
                }
                None => {
                    tracing::error!(event = %due.id, provider = due.provider, "an event is about a charge that nobody knows");
                    self.end(
                        due,
                        EventState::Unmatched,
                        None,
                        Some("no payment is known by this name".to_owned()),
                    )
                    .await
                }
            },
            Err(error) => {
                tracing::warn!(event = %due.id, provider = due.provider, %error, "an event could not be worked on and will be again");
                self.fail(due, &error.to_string()).await
            }
        }
    }

    /// Asks the provider how the charge stands that an event is about, and about whatever is on its way for it.
    async fn follow(&self, provider: &str, event: &ProviderEvent) -> Result<Done, OrderError> {
        if event.meaning == Meaning::Nothing {
            return Ok(Done::Ignored);
        }
        let Some(payment) = self.payment_of(provider, event).await? else {
            return Ok(Done::Unknown);
        };
        self.resolve(payment).await?;
        let pending = self
            .query(move |connection| payments::operation_on_its_way(connection, payment))
            .await?;
        if let Some(operation) = pending {
            match self.repeat(operation).await {
                // The provider says no: that is an end of it, too.
                Ok(()) | Err(OrderError::ProviderRefused(_)) => self.shared.effects.wake(),
                Err(error) => return Err(error),
            }
        }
        Ok(Done::Processed(payment, event.meaning))
    }

    /// Our payment, by the provider's name for it, or by ours where the provider has repeated it; never one of another
    /// provider, and never one that is known by another name.
    async fn payment_of(&self, provider: &str, event: &ProviderEvent) -> Result<Option<PaymentId>, Fault> {
        let (provider, event) = (provider.to_owned(), event.clone());
        self.query(move |connection| {
            if let Some(reference) = &event.reference
                && let Some(payment) = payments::named(connection, &provider, reference)?
            {
                return Ok(Some(payment));
            }
            let Some(payment) = event.payment else { return Ok(None) };
            let attempt = payments::attempt(connection, payment)?;
            let fits = attempt.is_some_and(|attempt| attempt.provider == provider && attempt.reference.is_none());
            Ok(fits.then_some(payment))
        })
        .await
    }

    async fn end_processed(&self, due: &Due, payment: PaymentId, meaning: Meaning) -> Result<(), Fault> {
        let (id, now) = (due.id, self.shared.clock.now());
        let ended = self
            .shared
            .db
            .transaction(move |connection| {
                Ok::<_, Failure<Fault>>(end_and_record(connection, id, payment, meaning, now)?)
            })
            .await?;
        if ended {
            count_worked_on(&due.provider, EventState::Processed);
            if let Some(kind) = timeline_kind(meaning) {
                tracing::warn!(%payment, provider = due.provider, kind, "something has happened to the money of an order");
                metrics::counter!("shop_payment_disputes_total", "provider" => due.provider.clone(), "kind" => kind)
                    .increment(1);
            }
        }
        Ok(())
    }

    async fn end(
        &self,
        due: &Due,
        state: EventState,
        payment: Option<PaymentId>,
        failure: Option<String>,
    ) -> Result<(), Fault> {
        let (id, now) = (due.id, self.shared.clock.now());
        let ended = self
            .query(move |connection| inbox::end(connection, id, state, payment, failure.as_deref(), now))
            .await?;
        if ended {
            count_worked_on(&due.provider, state);
        }
        Ok(())
    }

    /// Lets an event rest that could not be worked on, or gives it up.
    async fn fail(&self, due: &Due, reason: &str) -> Result<(), Fault> {
        match pause_of_failure(due.attempts) {
            Some(pause) => {
                let (id, reason) = (due.id, reason.to_owned());
                self.query(move |connection| inbox::postpone(connection, id, EventState::Received, pause, &reason))
                    .await
            }
            None => {
                tracing::error!(event = %due.id, provider = due.provider, reason, "an event was given up");
                self.end(due, EventState::Failed, None, Some(reason.to_owned())).await
            }
        }
    }

    /// Removes events that came long ago.
    pub(crate) async fn prune_events(&self) -> Result<Round, Fault> {
        let before = self.shared.clock.now() - RETENTION;
        let limit = i64::try_from(PRUNED).unwrap_or(i64::MAX);
        let removed = self
            .query(move |connection| inbox::prune(connection, before, limit))
            .await?;
        Ok(if removed == PRUNED { Round::More } else { Round::Idle })
    }

    /// A page of events, newest first.
    pub(crate) async fn list_events(&self, list: ListEvents) -> Result<Page<EventView>, Problem> {
        let ListEvents { filter, limit, cursor } = list;
        let name = format!("payment-events {filter:?}");
        let cursors = &self.shared.cursors;
        let before = cursor.map(|cursor| cursors.open::<EventId>(&name, &cursor)).transpose();
        let before = before.map_err(Problem::invalid_query)?;
        let events = self
            .query(move |connection| inbox::list(connection, &filter, before, limit + 1))
            .await?;
        let views = events.into_iter().map(|event| EventView::of(event, None)).collect();
        Ok(Page::from_surplus(views, limit, |event: &EventView| {
            cursors.seal(&name, &event.id)
        }))
    }

    /// An event with its body.
    pub(crate) async fn find_event(&self, event: EventId) -> Result<EventView, OrderError> {
        let found = self.query(move |connection| inbox::find(connection, event)).await?;
        let (event, body) = found.ok_or(OrderError::NotFound("payment event"))?;
        Ok(EventView::of(event, Some(&body)))
    }

    /// Has an event worked on once more, as if it had just come.
    pub(crate) async fn replay_event(
        &self,
        event: EventId,
        call: Option<Call>,
    ) -> Result<Answer<EventView>, OrderError> {
        let answer = self
            .shared
            .db
            .once(SCHEMA, call, 202, self.shared.clock.now(), move |connection| {
                if inbox::find(connection, event)?.is_none() {
                    return refuse(OrderError::NotFound("payment event"));
                }
                if !inbox::replay(connection, event)? {
                    return refuse(OrderError::EventInProgress);
                }
                match inbox::find(connection, event)? {
                    Some((event, _)) => Ok(EventView::of(event, None)),
                    None => refuse(OrderError::NotFound("payment event")),
                }
            })
            .await?;
        self.shared.inbox.wake();
        Ok(answer)
    }
}

/// Ends an event and writes into the order's timeline what it says of the money, once.
fn end_and_record(
    connection: &mut PgConnection,
    event: EventId,
    payment: PaymentId,
    meaning: Meaning,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    if !inbox::end(connection, event, EventState::Processed, Some(payment), None, now)? {
        return Ok(false);
    }
    let order = payments::order_of(connection, payment)?;
    if let (Some(order), Some(kind)) = (order, timeline_kind(meaning)) {
        queries::touch(connection, order, now)?;
        queries::record(connection, order, kind, Actor::System, now)?;
    }
    Ok(true)
}

fn timeline_kind(meaning: Meaning) -> Option<&'static str> {
    match meaning {
        Meaning::Changed | Meaning::Nothing => None,
        Meaning::Disputed => Some("payment_disputed"),
        Meaning::DisputeWon => Some("payment_dispute_won"),
        Meaning::DisputeLost => Some("payment_dispute_lost"),
        Meaning::RefundFailed => Some("payment_refund_failed"),
    }
}

fn refused_as(refusal: EventRefusal) -> &'static str {
    match refusal {
        EventRefusal::Signature => "bad_signature",
        EventRefusal::Stale => "stale",
        EventRefusal::Mode => "other_mode",
        EventRefusal::Unreadable => "unreadable",
    }
}

fn count_received(provider: &'static str, outcome: &'static str) {
    metrics::counter!("shop_payment_webhooks_total", "provider" => provider, "outcome" => outcome).increment(1);
}

fn count_worked_on(provider: &str, state: EventState) {
    metrics::counter!("shop_payment_events_total", "provider" => provider.to_owned(), "state" => state.name())
        .increment(1);
}
