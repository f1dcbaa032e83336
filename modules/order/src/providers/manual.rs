//! Bank transfer and cash on delivery: the promise is the order itself, and staff say when the money has come.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::Money;
use uuid::Uuid;

use super::{Attempt, BookPage, Charge, Outcome, OutcomeState, Provider, ProviderFailure};

/// Money that people move by hand.
pub(crate) struct Manual;

#[async_trait]
impl Provider for Manual {
    fn name(&self) -> &'static str {
        "manual"
    }

    fn decides_at_once(&self) -> Option<Outcome> {
        Some(Outcome {
            state: OutcomeState::Authorized,
            amount: None,
            captured: None,
            reference: None,
        })
    }

    fn returns_by_hand(&self) -> bool {
        true
    }

    fn captures_in_parts(&self) -> bool {
        true
    }

    fn check_method(&self, method: Option<&str>) -> Result<(), String> {
        match method {
            None => Ok(()),
            Some(_) => Err("the provider manual takes no method".to_owned()),
        }
    }

    async fn confirm(&self, charge: &Charge, _: Option<&str>) -> Result<Outcome, ProviderFailure> {
        Ok(Outcome {
            state: OutcomeState::Authorized,
            amount: Some(charge.amount),
            captured: None,
            reference: None,
        })
    }

    async fn look_up(&self, _: &Attempt) -> Result<Option<Outcome>, ProviderFailure> {
        Ok(self.decides_at_once())
    }

    async fn capture(&self, _: Uuid, _: &Attempt, _: Money) -> Result<(), ProviderFailure> {
        Ok(())
    }

    async fn void(&self, _: Uuid, _: &Attempt, _: Money) -> Result<(), ProviderFailure> {
        Ok(())
    }

    async fn refund(&self, _: Uuid, _: &Attempt, _: Money) -> Result<(), ProviderFailure> {
        Ok(())
    }

    async fn books(&self, _: Option<DateTime<Utc>>, _: Option<String>) -> Result<BookPage, ProviderFailure> {
        Ok(BookPage::default())
    }
}
