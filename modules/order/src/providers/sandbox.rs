//! The sandbox: a payment service of our own for development and tests. It behaves as a separate party would: it keeps
//! its own books in its own transactions, knows idempotency keys, can be slow, can fail, and can be asked.

mod books;
mod events;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use database::{Db, Failure, Schema};
use diesel::prelude::*;
use diesel_migrations::embed_migrations;
use kernel::id::PaymentId;
use kernel::{Clock, Fault, Money, settings};
use serde_json::json;
use uuid::Uuid;

use super::{
    Attempt, BookPage, Charge, EventRefusal, Outcome, OutcomeState, Provider, ProviderEvent, ProviderFailure, signature,
};
use books::{ChargeRow, ChargeState, NewCharge};
pub(crate) use events::Teller;

/// The schema of the sandbox's books.
pub(crate) const SCHEMA: Schema = Schema {
    name: "sandbox",
    migrations: embed_migrations!("../../migrations/sandbox"),
};

/// How long `tok_slow` takes: longer than a buyer likes, shorter than the usual deadline.
const SLOW: Duration = Duration::from_secs(3);

/// The tokens that the sandbox understands, and what each does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Ok,
    Declined,
    InsufficientFunds,
    RequiresAction,
    AuthorizeOnly,
    TimeoutAfterCharge,
    Slow,
    Error,
}

impl Method {
    const ALL: [(&'static str, Self); 8] = [
        ("tok_ok", Self::Ok),
        ("tok_declined", Self::Declined),
        ("tok_insufficient_funds", Self::InsufficientFunds),
        ("tok_requires_action", Self::RequiresAction),
        ("tok_authorize_only", Self::AuthorizeOnly),
        ("tok_timeout_after_charge", Self::TimeoutAfterCharge),
        ("tok_slow", Self::Slow),
        ("tok_error", Self::Error),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, method)| method)
    }

    /// What the books say once the charge is made.
    fn state(self) -> (ChargeState, Option<&'static str>) {
        match self {
            Self::Ok | Self::TimeoutAfterCharge | Self::Slow | Self::Error => (ChargeState::Captured, None),
            Self::Declined => (ChargeState::Declined, Some("card_declined")),
            Self::InsufficientFunds => (ChargeState::Declined, Some("insufficient_funds")),
            Self::RequiresAction => (ChargeState::RequiresAction, None),
            Self::AuthorizeOnly => (ChargeState::Authorized, None),
        }
    }
}

/// The sandbox, seen by a shop.
#[derive(Clone)]
pub(crate) struct Sandbox {
    db: Db,
    clock: Clock,
    teller: Teller,
}

impl Sandbox {
    /// The sandbox with its books in `db`.
    pub(crate) fn new(db: Db, clock: Clock, settings: &settings::Sandbox) -> Result<Self, Fault> {
        let teller = Teller::new(settings, db.clone(), clock.clone())?;
        Ok(Self { db, clock, teller })
    }

    /// Who tells shops what has happened.
    pub(crate) fn teller(&self) -> &Teller {
        &self.teller
    }

    /// Changes the books in a transaction of their own; where they have changed, that will be told.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let outcome = self
            .db
            .transaction(move |connection| Ok::<_, Failure<Fault>>(work(connection)?))
            .await;
        self.teller.wake();
        outcome
    }

    /// The buyer's answer to a `tok_requires_action` challenge, by the reference in its address. Answers which payment it
    /// is about, and whether it waited for this answer; `None` for an unknown reference.
    pub(crate) async fn authenticate(
        &self,
        reference: String,
        approve: bool,
    ) -> Result<Option<(PaymentId, bool)>, Fault> {
        let (teller, now) = (self.teller.clone(), self.clock.now());
        self.change(move |connection| {
            let answered = books::authenticate(connection, &reference, approve)?;
            if let Some((payment, true)) = answered {
                teller.note(
                    connection,
                    payment,
                    if approve { "charge.captured" } else { "charge.declined" },
                    now,
                )?;
            }
            Ok(answered)
        })
        .await
    }

    async fn book(&self, charge: &Charge, method: Method) -> Result<Outcome, ProviderFailure> {
        let (state, reason) = method.state();
        let now = self.clock.now();
        let new = NewCharge::new(charge, state, reason, now);
        let return_url = charge.return_url.clone();
        let (teller, payment) = (self.teller.clone(), charge.payment);
        let row = self
            .change(move |connection| {
                let (row, fresh) = books::charge(connection, &new)?;
                if fresh {
                    teller.note(connection, payment, row.state.event(), now)?;
                }
                Ok(row)
            })
            .await;
        row.map(|row| outcome(&row, return_url.as_deref())).map_err(unknown)
    }
}

#[async_trait]
impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn check_method(&self, method: Option<&str>) -> Result<(), String> {
        match method.and_then(Method::named) {
            Some(_) => Ok(()),
            None => Err(format!(
                "the sandbox takes one of {}",
                Method::ALL.map(|(name, _)| name).join(", ")
            )),
        }
    }

    async fn confirm(&self, charge: &Charge, _: Option<&str>) -> Result<Outcome, ProviderFailure> {
        let method = charge.method.as_deref().and_then(Method::named);
        let method = method.ok_or_else(|| ProviderFailure::Refused("unknown method".to_owned()))?;
        match method {
            Method::Error => Err(ProviderFailure::Unknown("500 internal error".to_owned())),
            Method::TimeoutAfterCharge => {
                self.book(charge, method).await?;
                std::future::pending().await
            }
            Method::Slow => {
                // A separate party goes on with its work when the shop has stopped waiting.
                let (sandbox, charge) = (self.clone(), charge.clone());
                let work = tokio::spawn(async move {
                    tokio::time::sleep(SLOW).await;
                    sandbox.book(&charge, method).await
                });
                work.await
                    .unwrap_or_else(|error| Err(ProviderFailure::Unknown(error.to_string())))
            }
            _ => self.book(charge, method).await,
        }
    }

    async fn look_up(&self, attempt: &Attempt) -> Result<Option<Outcome>, ProviderFailure> {
        let payment = attempt.payment;
        let row = self
            .db
            .run(move |connection| Ok(books::find(connection, payment)?))
            .await;
        row.map(|row| row.map(|row| outcome(&row, None))).map_err(unknown)
    }

    async fn capture(&self, _: Uuid, attempt: &Attempt, amount: Money) -> Result<(), ProviderFailure> {
        let (teller, payment, now) = (self.teller.clone(), attempt.payment, self.clock.now());
        let done = self
            .change(move |connection| {
                let done = books::capture(connection, payment, amount)?;
                if done {
                    teller.note(connection, payment, "charge.captured", now)?;
                }
                Ok(done)
            })
            .await;
        refused_unless(done, "the charge is not authorised")
    }

    async fn void(&self, _: Uuid, attempt: &Attempt, amount: Money) -> Result<(), ProviderFailure> {
        let (teller, payment, now) = (self.teller.clone(), attempt.payment, self.clock.now());
        let done = self
            .change(move |connection| {
                let done = books::void(connection, payment, amount, now)?;
                if done {
                    teller.note(connection, payment, "charge.voided", now)?;
                }
                Ok(done)
            })
            .await;
        refused_unless(done, "the charge is captured")
    }

    async fn refund(&self, operation: Uuid, attempt: &Attempt, amount: Money) -> Result<(), ProviderFailure> {
        let (teller, payment, now) = (self.teller.clone(), attempt.payment, self.clock.now());
        let done = self
            .change(move |connection| {
                let done = books::refund(connection, operation, payment, amount, now)?;
                if done {
                    teller.note(connection, payment, "charge.refunded", now)?;
                }
                Ok(done)
            })
            .await;
        refused_unless(done, "less than that was captured")
    }

    fn signature_header(&self) -> Option<&'static str> {
        Some(events::HEADER)
    }

    fn verify_event(&self, header: Option<&str>, body: &[u8], now: DateTime<Utc>) -> Result<(), EventRefusal> {
        signature::verify(header, body, self.teller.secret(), now)
    }

    fn read_event(&self, body: &[u8]) -> Result<ProviderEvent, EventRefusal> {
        events::read(body)
    }

    async fn books(&self, since: Option<DateTime<Utc>>, after: Option<String>) -> Result<BookPage, ProviderFailure> {
        let after = after.map_or(Ok(Uuid::nil()), |after| after.parse());
        let after = after.map_err(|_| ProviderFailure::Refused("no place in the books".to_owned()))?;
        self.db
            .run(move |connection| Ok(books::list(connection, since, after)?))
            .await
            .map_err(unknown)
    }
}

fn outcome(row: &ChargeRow, return_url: Option<&str>) -> Outcome {
    let state = match row.state {
        ChargeState::Authorized => OutcomeState::Authorized,
        ChargeState::Captured => OutcomeState::Captured,
        ChargeState::Voided => OutcomeState::Voided,
        ChargeState::Declined => {
            OutcomeState::Declined(row.reason.clone().unwrap_or_else(|| "card_declined".to_owned()))
        }
        ChargeState::RequiresAction => OutcomeState::RequiresAction(json!({
            "type": "redirect",
            "url": format!("/api/v1/sandbox/authentications/{}", row.reference),
            "return_url": return_url,
        })),
    };
    Outcome {
        state,
        amount: Some(row.amount),
        captured: Some(row.captured).filter(|_| row.state == ChargeState::Captured),
        reference: Some(row.reference.clone()),
    }
}

fn unknown(fault: Fault) -> ProviderFailure {
    ProviderFailure::Unknown(fault.to_string())
}

fn refused_unless(done: Result<bool, Fault>, reason: &str) -> Result<(), ProviderFailure> {
    match done {
        Ok(true) => Ok(()),
        Ok(false) => Err(ProviderFailure::Refused(reason.to_owned())),
        Err(fault) => Err(unknown(fault)),
    }
}
