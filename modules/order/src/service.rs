//! The use cases of orders. Placing an order is a saga of steps that each commit by themselves; whatever stops half-way
//! is taken up again by the client's repeat or by the module's jobs.

mod cancel;
mod documents;
mod drafts;
mod edit;
mod effects;
mod export;
mod fulfil;
mod inbox;
mod live;
mod notes;
mod operate;
mod pay;
mod place;
mod read;
mod reconcile;
mod recover;
mod reply;
mod returns;
mod settle;
mod verify;
pub(crate) mod webhooks;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cart_api::CartApi;
use database::{Db, Failure, Together};
use diesel::prelude::*;
use kernel::http::context::Trace;
use kernel::job::Wake;
use kernel::keys::SecretKey;
use kernel::module::Context;
use kernel::page::Cursors;
use kernel::{Clock, Currency, Fault, Locale};
use product_api::ProductApi;

use crate::error::OrderError;
use crate::providers::sandbox::Teller;
use crate::providers::{Providers, Sandbox};
use crate::queries::effects::Effects;
use crate::queries::numbers::Numbering;
use crate::queries::placing::{self, Begin, TakeOver};

use documents::Office;

pub(crate) use documents::{Bookkeeper, CreditContent, ListDocuments};
pub(crate) use drafts::OrderDraft;
pub(crate) use edit::{Addition, EditRequest};
pub(crate) use export::ExportPart;
pub(crate) use fulfil::{NewFulfilment, Tracking};
pub(crate) use inbox::ListEvents;
pub(crate) use operate::MoneyRequest;
pub(crate) use pay::PaymentChoice;
pub(crate) use place::PlaceOrder;
pub(crate) use read::ListOrders;
pub(crate) use reconcile::ListDiscrepancies;
pub(crate) use reply::Reply;
pub(crate) use returns::{NewReturn, Received};
pub(crate) use webhooks::ListDeliveries;

use live::Watched;
use webhooks::Webhooks;

/// The order module's use cases. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    shared: Arc<Shared>,
}

struct Shared {
    db: Db,
    /// Orders that are begun, and take over their carts, at the same moment.
    begins: Together<Begin, Option<String>>,
    take_overs: Together<TakeOver, Option<String>>,
    clock: Clock,
    secret: SecretKey,
    cursors: Cursors,
    settings: kernel::settings::Order,
    /// The shop's own currency and language.
    currency: Currency,
    locale: Locale,
    office: Office,
    cart: Arc<dyn CartApi>,
    product: Arc<dyn ProductApi>,
    providers: Providers,
    sandbox: Sandbox,
    effects: Wake,
    inbox: Wake,
    /// The orders that this process has placed just now, and the job that tells stock and cart of them.
    placed: Mutex<Vec<Effects>>,
    follow_up: Wake,
    mails: Wake,
    webhooks: Webhooks,
    /// The orders that somebody watches through this process.
    watched: Arc<Watched>,
}

impl Service {
    /// The use cases over `db`, with their siblings.
    ///
    /// # Errors
    ///
    /// Where a font for documents cannot be used.
    pub(crate) fn new(
        context: &Context,
        db: Db,
        cart: Arc<dyn CartApi>,
        product: Arc<dyn ProductApi>,
    ) -> Result<Self, Fault> {
        let settings = context.settings.order.clone();
        let payments = &context.settings.payments;
        let sandbox = Sandbox::new(db.clone(), context.clock.clone(), &payments.sandbox)?;
        let providers = Providers::new(payments, settings.provider_timeout, sandbox.clone())?;
        let numbering = Numbering::of(&settings);
        let at_beginning = numbering.clone();
        Ok(Self {
            shared: Arc::new(Shared {
                office: Office::new(&context.settings)?,
                begins: Together::new(db.clone(), move |connection, begins: &[Begin]| {
                    placing::begin(connection, begins, &at_beginning)
                }),
                take_overs: Together::new(db.clone(), move |connection, wanted: &[TakeOver]| {
                    placing::take_over(connection, wanted, &numbering)
                }),
                db,
                clock: context.clock.clone(),
                secret: context.keys.secret.clone(),
                cursors: Cursors::new(context.keys.secret.clone()),
                settings,
                currency: context.settings.shop.currency,
                locale: context.settings.shop.locale.clone(),
                cart,
                product,
                providers,
                sandbox,
                effects: Wake::default(),
                inbox: Wake::default(),
                placed: Mutex::default(),
                follow_up: Wake::default(),
                mails: Wake::default(),
                webhooks: Webhooks::new(&context.settings)?,
                watched: Arc::default(),
            }),
        })
    }

    /// Wakes the job that tells stock and cart how orders ended.
    pub(crate) fn effects_wake(&self) -> Wake {
        self.shared.effects.clone()
    }

    /// Wakes the job that works on providers' events.
    pub(crate) fn inbox_wake(&self) -> Wake {
        self.shared.inbox.clone()
    }

    /// The part of the sandbox that tells shops what has happened.
    pub(crate) fn sandbox_teller(&self) -> &Teller {
        self.shared.sandbox.teller()
    }

    /// Wakes the job that does so for the orders that were placed here just now.
    pub(crate) fn follow_up_wake(&self) -> Wake {
        self.shared.follow_up.clone()
    }

    /// Wakes the job that sends the mails.
    pub(crate) fn mails_wake(&self) -> Wake {
        self.shared.mails.clone()
    }

    /// Wakes the job that sends webhooks.
    pub(crate) fn webhooks_wake(&self) -> Wake {
        self.shared.webhooks.wake()
    }

    /// Wakes the job that tells those who watch orders.
    pub(crate) fn watched_wake(&self) -> Wake {
        self.shared.watched.wake()
    }

    /// The names of the providers that buyers may choose.
    pub(crate) fn payment_providers(&self) -> &[&'static str] {
        self.shared.providers.offered()
    }

    fn numbering(&self) -> Numbering {
        Numbering::of(&self.shared.settings)
    }

    fn lease(&self) -> Duration {
        self.shared.settings.lease
    }

    /// Runs queries outside a transaction, where no rule can refuse.
    async fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Fault> {
        self.shared
            .db
            .run(move |connection| Ok::<_, Failure<Fault>>(work(connection)?))
            .await
    }

    /// Carries work out to its end even if the client goes away meanwhile: a request's future is dropped with its
    /// connection, a task is not. The client's deadline does not hold for it either: a saga that was cut short would have
    /// to be undone, and the buyer who comes back with the same key would find nothing.
    async fn detached<T, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, OrderError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, OrderError>> + Send + 'static,
    {
        let task = tokio::spawn(Trace::carried(work(self.clone())));
        let ended = task.await;
        self.shared.watched.wake().wake();
        self.shared.webhooks.events().wake();
        ended.unwrap_or_else(|error| Err(Fault::internal(format!("an order's task: {error}")).into()))
    }
}
