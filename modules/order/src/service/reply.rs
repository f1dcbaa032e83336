//! Answers of operations that are carried out once, fresh or remembered.

use std::future::Future;

use database::idempotency::{self, Claim};
use database::{Failure, refuse};
use kernel::http::Call;
use kernel::http::idempotency::{Stored, in_progress, key_reused};
use kernel::id::{OrderId, PaymentId};
use kernel::{Fault, Problem};
use serde_json::Value;
use uuid::Uuid;

use super::Service;
use crate::domain::payment::PaymentStatus;
use crate::domain::view::{Audience, hide_client_secrets, show_client_secrets};
use crate::domain::{Status, WholeOrder};
use crate::error::OrderError;
use crate::queries::SCHEMA;
use crate::queries::placing::Answer;
use crate::queries::reading;

/// What a buyer or staff is told.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// The order, under this status.
    Order(u16, Shown),
    /// What an earlier request with the same key was told.
    Stored(Stored),
    /// A refusal that is remembered like a result.
    Refused(Problem),
}

/// An order as it is answered and remembered, in the words that both use.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) id: OrderId,
    pub(crate) version: i64,
    /// The order as a JSON object.
    pub(crate) json: String,
}

impl Reply {
    /// The order under the status that its payment `payment` calls for: 201 placed, 202 the buyer or the provider has the
    /// next word, 402 declined.
    pub(super) fn after_payment(whole: WholeOrder, payment: Option<PaymentId>) -> Result<Self, OrderError> {
        let id = whole.order.id;
        let status = whole.order.status;
        let attempt = whole.payments.iter().find(|candidate| Some(candidate.id) == payment);
        let failed = attempt.filter(|attempt| attempt.status == PaymentStatus::Failed);
        let declined = failed.map(|attempt| attempt.failure.clone().unwrap_or_else(|| "declined".to_owned()));
        match (status, declined) {
            (Status::Placed | Status::Completed, _) => Self::order(201, whole, Audience::Holder),
            (Status::PendingPayment, Some(reason)) => {
                Ok(Self::Refused(OrderError::Declined { order: id, reason }.into()))
            }
            (Status::PendingPayment, None) => Self::order(202, whole, Audience::Holder),
            (Status::Placing | Status::Cancelled, _) => {
                let refusal = Problem::from(OrderError::WrongState { action: "paid", status });
                Ok(Self::Refused(refusal.with("order_id", id)))
            }
        }
    }

    /// The order under `status`, as `audience` sees it.
    pub(super) fn order(status: u16, whole: WholeOrder, audience: Audience) -> Result<Self, OrderError> {
        let view = whole.view(audience).ok_or(OrderError::NotFound("order"))?;
        let json =
            serde_json::to_string(&view).map_err(|error| Fault::internal(format!("order {}: {error}", view.id)))?;
        let (id, version) = (view.id, view.version);
        Ok(Self::Order(status, Shown { id, version, json }))
    }

    /// What is stored for a repeat; never a secret.
    pub(super) fn to_stored(&self) -> Stored {
        match self {
            Self::Order(status, order) => {
                let mut body = serde_json::from_str(&order.json).unwrap_or(Value::Null);
                hide_client_secrets(&mut body);
                Stored { status: *status, body }
            }
            Self::Stored(stored) => stored.clone(),
            Self::Refused(problem) => Stored {
                status: problem.status().as_u16(),
                body: Value::Object(problem.to_json()),
            },
        }
    }

    /// The order that the reply is about, for the secret that a guest gets with it.
    pub(crate) fn order_id(&self) -> Option<OrderId> {
        let stored;
        let body = match self {
            Self::Order(_, order) => return Some(order.id),
            Self::Stored(found) => &found.body,
            Self::Refused(problem) => {
                stored = Value::Object(problem.to_json());
                &stored
            }
        };
        let id = body.get("order_id").or_else(|| body.get("id"))?;
        id.as_str()?.parse().ok()
    }
}

impl Answer {
    /// The answer about an order that is placed, as it is stored in the statement that places it.
    pub(super) fn of(whole: WholeOrder) -> Result<Self, Fault> {
        let view = whole
            .view(Audience::Buyer)
            .ok_or_else(|| Fault::internal("an order without totals was placed"))?;
        let body =
            serde_json::to_string(&view).map_err(|error| Fault::internal(format!("order {}: {error}", view.id)))?;
        Ok(Self { status: 201, body })
    }

    /// The same for the one who waits for it.
    pub(super) fn into_reply(self, id: OrderId, version: i64) -> Reply {
        let shown = Shown {
            id,
            version,
            json: self.body,
        };
        Reply::Order(self.status, shown)
    }
}

impl Service {
    /// Carries `work` out under an idempotency key. `work` gets the id of what it makes: a new one, or, where an earlier
    /// claimant has died, that one's, so that it finds what was done already and goes on.
    pub(super) async fn under_key<F, R>(&self, call: Option<Call>, work: F) -> Result<Reply, OrderError>
    where
        F: FnOnce(Uuid) -> R,
        R: Future<Output = Result<Reply, OrderError>>,
    {
        let Some(call) = call else {
            return work(Uuid::now_v7()).await;
        };
        let (lease, now, claimed) = (self.lease(), self.shared.clock.now(), call.clone());
        let fresh = Uuid::now_v7();
        let claim = self
            .shared
            .db
            .transaction(move |connection| {
                Ok::<_, Failure<Fault>>(idempotency::claim(
                    connection,
                    SCHEMA,
                    &claimed,
                    Some(fresh),
                    lease,
                    now,
                )?)
            })
            .await?;
        let subject = match claim {
            Claim::Fresh => fresh,
            Claim::Abandoned(subject) => subject.unwrap_or(fresh),
            Claim::Done(stored) => return self.told_again(stored).await,
            Claim::InProgress => return Ok(Reply::Refused(in_progress())),
            Claim::KeyReused => return Ok(Reply::Refused(key_reused())),
        };
        let outcome = work(subject).await;
        self.remember(call, &outcome).await?;
        outcome
    }

    /// A remembered answer, with what its buyer needs to go on and was not stored with it.
    pub(super) async fn told_again(&self, mut stored: Stored) -> Result<Reply, OrderError> {
        let order = stored.body["id"].as_str().and_then(|id| id.parse::<OrderId>().ok());
        if let (202, Some(order)) = (stored.status, order) {
            let payments = self
                .query(move |connection| reading::payments_of(connection, order))
                .await?;
            show_client_secrets(&mut stored.body, &payments);
        }
        Ok(Reply::Stored(stored))
    }

    /// Stores an outcome that is kept. Any other ends the claim's lease: the next request with the key goes on.
    pub(super) async fn remember(&self, call: Call, outcome: &Result<Reply, OrderError>) -> Result<(), Fault> {
        let passing = matches!(outcome, Err(OrderError::PaymentInProgress | OrderError::Fault(_)));
        let stored = match outcome {
            Ok(reply) => reply.to_stored(),
            Err(error) => Reply::Refused(error.clone().into()).to_stored(),
        };
        self.query(
            move |connection| match !passing && idempotency::is_kept(stored.status) {
                true => idempotency::complete(connection, SCHEMA, &call, &stored),
                false => idempotency::release(connection, SCHEMA, &call),
            },
        )
        .await
    }
}

/// Reads the claim of a call that somebody has made before; `Fresh` never: then the key was given back just now.
pub(super) fn read_claim(
    connection: &mut diesel::PgConnection,
    call: &Call,
    lease: std::time::Duration,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Claim, Failure<OrderError>> {
    match idempotency::claim(connection, SCHEMA, call, None, lease, now)? {
        Claim::Fresh => refuse(Fault::unavailable("the idempotency key was given back just now").into()),
        claim => Ok(claim),
    }
}
