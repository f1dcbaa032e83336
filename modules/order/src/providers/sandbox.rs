//! The sandbox: a payment service of our own for development and tests. It behaves as a separate party would: it keeps
//! its own books in its own transactions, knows idempotency keys, can be slow, can fail, and can be asked.

mod books;

use std::time::Duration;

use async_trait::async_trait;
use database::{Db, Schema};
use diesel_migrations::embed_migrations;
use kernel::id::PaymentId;
use kernel::{Clock, Fault, Money};
use serde_json::json;
use uuid::Uuid;

use super::{BookEntry, Charge, Outcome, OutcomeState, Provider, ProviderFailure};
use books::{ChargeRow, ChargeState, NewCharge};

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
}

impl Sandbox {
    /// The sandbox with its books in `db`.
    pub(crate) fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// The buyer's answer to a `tok_requires_action` challenge, by the reference in its address. Answers which payment it
    /// is about, and whether it waited for this answer; `None` for an unknown reference.
    pub(crate) async fn authenticate(
        &self,
        reference: String,
        approve: bool,
    ) -> Result<Option<(PaymentId, bool)>, Fault> {
        self.db
            .run(move |connection| Ok(books::authenticate(connection, &reference, approve)?))
            .await
    }

    async fn book(&self, charge: &Charge, method: Method) -> Result<Outcome, ProviderFailure> {
        let (state, reason) = method.state();
        let new = NewCharge::new(charge, state, reason, self.clock.now());
        let return_url = charge.return_url.clone();
        let row = self
            .db
            .transaction(move |connection| Ok(books::charge(connection, &new)?))
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

    async fn charge(&self, charge: &Charge) -> Result<Outcome, ProviderFailure> {
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

    async fn look_up(&self, payment: PaymentId) -> Result<Option<Outcome>, ProviderFailure> {
        let row = self
            .db
            .run(move |connection| Ok(books::find(connection, payment)?))
            .await;
        row.map(|row| row.map(|row| outcome(&row, None))).map_err(unknown)
    }

    async fn capture(&self, _: Uuid, payment: PaymentId, amount: Money) -> Result<(), ProviderFailure> {
        let done = self
            .db
            .run(move |connection| Ok(books::capture(connection, payment, amount)?))
            .await;
        refused_unless(done, "the charge is not authorised")
    }

    async fn void(&self, _: Uuid, payment: PaymentId, amount: Money) -> Result<(), ProviderFailure> {
        let now = self.clock.now();
        let done = self
            .db
            .run(move |connection| Ok(books::void(connection, payment, amount, now)?))
            .await;
        refused_unless(done, "the charge is captured")
    }

    async fn refund(&self, operation: Uuid, payment: PaymentId, amount: Money) -> Result<(), ProviderFailure> {
        let now = self.clock.now();
        let done = self
            .db
            .transaction(move |connection| Ok(books::refund(connection, operation, payment, amount, now)?))
            .await;
        refused_unless(done, "less than that was captured")
    }

    async fn books(&self, after: Option<PaymentId>, limit: i64) -> Result<Vec<BookEntry>, ProviderFailure> {
        self.db
            .run(move |connection| Ok(books::list(connection, after, limit)?))
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
