//! What the user module publishes, as carts hear of it: whose account is gone is forgotten here as well.

use std::time::Duration;

use async_trait::async_trait;
use database::consumer::{Consumer, Digest};
use kernel::Fault;
use kernel::event::Event;
use kernel::job::{Job, Wake};
use user_api::UserDeleted;

use crate::service::Service;

/// How often events are read that nobody has told of: those that failed, or whose process has died over them.
const INTERVAL: Duration = Duration::from_secs(10);

/// The job that reads the events of the user module.
pub(crate) fn job(service: Service, accounts: Consumer) -> Job {
    let news = accounts.clone();
    let work = move || {
        let (service, accounts) = (service.clone(), accounts.clone());
        async move { accounts.round(&Forgetting(service)).await }
    };
    Job::new("cart-accounts", INTERVAL, Wake::default(), work).also_on(move || {
        let news = news.clone();
        async move { news.news(INTERVAL).await }
    })
}

struct Forgetting(Service);

#[async_trait]
impl Digest for Forgetting {
    type Needs = ();

    async fn gather(&self, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }

    async fn digest(&self, event: &Event, (): &()) -> Result<(), Fault> {
        match event.payload::<UserDeleted>() {
            Some(Ok(deleted)) => self.0.forget(deleted.user).await,
            Some(Err(error)) => Err(Fault::internal(error.to_string())),
            None => Ok(()),
        }
    }
}
