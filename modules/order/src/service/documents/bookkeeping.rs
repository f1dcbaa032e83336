//! What happens to orders, as the books see it: they are billed when the shop says so, and what is cancelled or refunded of
//! an order that was billed is credited. Each at least once and for a key of its own, so that it is done once.

use async_trait::async_trait;
use database::consumer::Digest;
use kernel::Fault;
use kernel::event::{Event, Payload};
use kernel::id::OrderId;
use kernel::settings::IssueInvoices;
use order_api::{OrderCancelled, OrderCaptured, OrderEdited, OrderFulfilled, OrderPlaced, OrderRefunded};

use super::{CreditContent, Service};
use crate::domain::Actor;
use crate::domain::documents::Credit;
use crate::domain::fulfilment::FulfilmentStatus;
use crate::domain::view::OrderView;

/// For which an order is billed by itself, once in its life.
const BILLED_BY_ITSELF: &str = "itself";

/// Issues what events call for.
pub(crate) struct Bookkeeper {
    pub(crate) service: Service,
}

#[async_trait]
impl Digest for Bookkeeper {
    type Needs = ();

    async fn gather(&self, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }

    async fn digest(&self, event: &Event, (): &()) -> Result<(), Fault> {
        if let Some(cancelled) = read::<OrderCancelled>(event)? {
            return self.credit(cancelled.order, Credit::Rest, "cancelled".to_owned()).await;
        }
        if let Some(edited) = read::<OrderEdited>(event)? {
            self.bill_anew(edited.order, format!("edit:{}", edited.edit)).await?;
        }
        if let Some(refunded) = read::<OrderRefunded>(event)? {
            // The rest is money that the order did not need, or that of an order that is over, which was credited whole.
            if refunded.granted.amount == 0 {
                return Ok(());
            }
            let key = format!("refund:{}", refunded.refund);
            return self.credit(refunded.order, Credit::UpTo(refunded.granted), key).await;
        }
        // Something that was still missing may be missing no more.
        let changed = read::<OrderEdited>(event)?.map(|edited| edited.order);
        match self.service.shared.office.settings.issue {
            IssueInvoices::Manual => Ok(()),
            IssueInvoices::Placed => match read::<OrderPlaced>(event)? {
                Some(placed) => self.bill(placed.order).await,
                None => Ok(()),
            },
            IssueInvoices::Captured => {
                let paid = match read::<OrderPlaced>(event)? {
                    Some(placed) => Some(placed.order),
                    None => read::<OrderCaptured>(event)?.map(|captured| captured.order),
                };
                self.bill_where(paid.or(changed), is_paid).await
            }
            IssueInvoices::Fulfilled => {
                let left_the_house = read::<OrderFulfilled>(event)?.map(|fulfilled| fulfilled.order);
                self.bill_where(left_the_house.or(changed), |order| {
                    matches!(
                        order.fulfilment_status,
                        FulfilmentStatus::Fulfilled | FulfilmentStatus::Returned
                    )
                })
                .await
            }
        }
    }
}

impl Bookkeeper {
    async fn bill(&self, order: OrderId) -> Result<(), Fault> {
        self.service
            .invoice_for(order, BILLED_BY_ITSELF.to_owned())
            .await
            .map(drop)
    }

    async fn bill_where(&self, order: Option<OrderId>, is_due: fn(&OrderView) -> bool) -> Result<(), Fault> {
        let Some(order) = order else { return Ok(()) };
        let found = self.service.find_all(vec![order]).await?;
        match found.first().is_some_and(is_due) {
            true => self.bill(order).await,
            false => Ok(()),
        }
    }

    /// An order that was billed has changed: what the bill said is taken back, and what is right now is billed.
    async fn bill_anew(&self, order: OrderId, key: String) -> Result<(), Fault> {
        let content = CreditContent {
            credit: Credit::Rest,
            reason: None,
            actor: Actor::System,
        };
        match self.service.credit_note_for(order, content, key.clone()).await? {
            Some(_) => self.service.invoice_for(order, key).await.map(drop),
            None => Ok(()),
        }
    }

    async fn credit(&self, order: OrderId, credit: Credit, key: String) -> Result<(), Fault> {
        let content = CreditContent {
            credit,
            reason: None,
            actor: Actor::System,
        };
        self.service.credit_note_for(order, content, key).await.map(drop)
    }
}

/// Whether all that is due was taken, also where some of it was given back since.
fn is_paid(order: &OrderView) -> bool {
    let captured: i64 = order.payments.iter().map(|payment| payment.captured.amount).sum();
    captured >= order.totals.amount_due.amount
}

fn read<P: Payload>(event: &Event) -> Result<Option<P>, Fault> {
    let read = event.payload::<P>().transpose();
    read.map_err(|error| Fault::internal(format!("event {}: {error}", event.id)))
}
