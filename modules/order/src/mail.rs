//! The mails about orders: a consumer of the module's own events. At least once, with a stable message id by which a mail
//! program recognises a repeat.
//!
//! A new mail is a row of [`OCCASIONS`], and a template of that name in each of the built-in languages.

mod built_in;
mod facts;
mod mailer;
mod templates;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use database::consumer::Digest;
use kernel::event::{Event, Payload};
use kernel::id::{DocumentId, FulfilmentId, OrderId};
use kernel::settings::Settings;
use kernel::{Fault, Money};
use order_api::{
    DocumentIssued, OrderCancelled, OrderDelivered, OrderFulfilled, OrderPaymentRequested, OrderPlaced, OrderRefunded,
    OrderReturned,
};
use serde::Deserialize;
use serde_json::Value;

use self::facts::samples::samples;
use self::facts::{About, Facts};

use self::mailer::{AttachedFile, Letter, Mailer};
use self::templates::Templates;
use crate::domain::documents::Document;
use crate::domain::view::OrderView;
use crate::service::Service;

/// How long a round waits for company: the mails of many orders take as many questions as those of one.
pub(crate) const GATHERING: Duration = Duration::from_millis(50);

/// An event that a buyer is told of by mail.
struct Occasion {
    /// The event's type.
    event: &'static str,
    /// The template's name.
    template: &'static str,
    /// What the mail is about.
    read: fn(&Value) -> serde_json::Result<Notice>,
}

const OCCASIONS: [Occasion; 8] = [
    Occasion {
        event: OrderPlaced::TYPE,
        template: "order_placed",
        read: |data| OrderPlaced::deserialize(data).map(|placed| Notice::about(placed.order)),
    },
    Occasion {
        event: OrderCancelled::TYPE,
        template: "order_cancelled",
        read: |data| OrderCancelled::deserialize(data).map(|cancelled| Notice::about_placed(cancelled.order)),
    },
    Occasion {
        event: OrderRefunded::TYPE,
        template: "order_refunded",
        read: |data| {
            OrderRefunded::deserialize(data).map(|refunded| Notice {
                refunded: Some(refunded.amount),
                ..Notice::about(refunded.order)
            })
        },
    },
    Occasion {
        event: OrderFulfilled::TYPE,
        template: "order_shipped",
        read: |data| {
            OrderFulfilled::deserialize(data).map(|fulfilled| Notice {
                fulfilment: Some(fulfilled.fulfilment),
                ..Notice::about(fulfilled.order)
            })
        },
    },
    Occasion {
        event: OrderDelivered::TYPE,
        template: "order_delivered",
        read: |data| {
            OrderDelivered::deserialize(data).map(|delivered| Notice {
                fulfilment: Some(delivered.fulfilment),
                ..Notice::about(delivered.order)
            })
        },
    },
    Occasion {
        event: OrderReturned::TYPE,
        template: "order_returned",
        read: |data| OrderReturned::deserialize(data).map(|returned| Notice::about(returned.order)),
    },
    Occasion {
        event: OrderPaymentRequested::TYPE,
        template: "payment_requested",
        read: |data| {
            OrderPaymentRequested::deserialize(data).map(|requested| Notice {
                requested: Some(requested.amount),
                ..Notice::about(requested.order)
            })
        },
    },
    Occasion {
        event: DocumentIssued::TYPE,
        template: "document_issued",
        read: |data| {
            DocumentIssued::deserialize(data).map(|issued| Notice {
                document: Some(issued.document),
                ..Notice::about(issued.order)
            })
        },
    },
];

/// What a mail is about: ids and amounts, whose details are read when it is written.
#[derive(Clone, Debug)]
struct Notice {
    order: OrderId,
    /// Nothing is sent about an order that was never placed: its buyer has heard of it from us alone.
    only_placed: bool,
    refunded: Option<Money>,
    requested: Option<Money>,
    fulfilment: Option<FulfilmentId>,
    document: Option<DocumentId>,
}

impl Notice {
    fn about(order: OrderId) -> Self {
        Self {
            order,
            only_placed: false,
            refunded: None,
            requested: None,
            fulfilment: None,
            document: None,
        }
    }

    fn about_placed(order: OrderId) -> Self {
        Self {
            only_placed: true,
            ..Self::about(order)
        }
    }

    /// What `event` is about, and the template of the mail about it; `None` where no mail is.
    fn of(event: &Event) -> Option<(&'static str, serde_json::Result<Self>)> {
        let occasion = OCCASIONS.iter().find(|occasion| occasion.event == event.r#type)?;
        Some((occasion.template, (occasion.read)(&event.data)))
    }
}

/// Sends what events call for.
pub(crate) struct Mails {
    service: Service,
    mailer: Mailer,
    templates: Templates,
    shop: String,
    payment_link: String,
}

impl Mails {
    /// The mails of a shop. Templates of its own that cannot be used are told of in the log.
    ///
    /// # Errors
    ///
    /// Where the settings name no sender or no server.
    pub(crate) fn new(settings: &Settings, service: Service) -> Result<Self, Fault> {
        let (templates, broken) = Templates::new(&settings.mail.templates, &settings.shop.locale, &samples());
        for broken in broken {
            tracing::error!(
                template = broken.name,
                reason = broken.reason,
                "a template of mails cannot be used; the built-in one stays"
            );
        }
        Ok(Self {
            service,
            mailer: Mailer::new(settings)?,
            templates,
            shop: settings.shop.name.clone(),
            payment_link: settings.mail.payment_link.clone(),
        })
    }

    /// The mail about `order`, and what goes with it.
    async fn letter(&self, template: &str, notice: &Notice, order: &OrderView) -> Result<Letter, Fault> {
        let document = match notice.document {
            Some(id) => Some(self.document(id).await?),
            None => None,
        };
        let link = self.payment_link_of(order);
        let about = About {
            notice,
            document: document.as_ref(),
            payment_link: link.as_deref(),
        };
        let locale = self.templates.locale_for(template, &order.locale);
        let facts = Facts::of(&self.shop, order, about, &locale);
        let written = self.templates.render(template, &facts);
        let written = written.map_err(|error| Fault::internal(format!("mail: {error}")))?;
        let attachment = match document {
            Some(document) => Some(AttachedFile {
                name: document.file_name(),
                content: self.service.pdf(document).await?,
            }),
            None => None,
        };
        Ok(Letter {
            to: order.email.clone(),
            subject: written.subject,
            text: written.text,
            html: written.html,
            attachment,
        })
    }

    async fn document(&self, id: DocumentId) -> Result<Document, Fault> {
        let found = self.service.document(id).await;
        found.map_err(|error| Fault::internal(format!("document {id}: {error}")))
    }

    /// Where the order is paid, by whoever gets the mail.
    fn payment_link_of(&self, order: &OrderView) -> Option<String> {
        let link = self
            .payment_link
            .replace("{order}", &order.id.to_string())
            .replace("{secret}", &self.service.secret_of(order.id));
        (!link.is_empty()).then_some(link)
    }
}

#[async_trait]
impl Digest for Mails {
    /// The orders that the events are about.
    type Needs = HashMap<OrderId, OrderView>;

    async fn gather(&self, events: &[Event]) -> Result<Self::Needs, Fault> {
        // One that cannot be read is not missed here; digesting it says what is wrong.
        let notices = events.iter().filter_map(|event| Notice::of(event)?.1.ok());
        let mut ids: Vec<OrderId> = notices.map(|notice| notice.order).collect();
        ids.sort_unstable();
        ids.dedup();
        let orders = self.service.find_all(ids).await?;
        Ok(orders.into_iter().map(|order| (order.id, order)).collect())
    }

    async fn digest(&self, event: &Event, orders: &Self::Needs) -> Result<(), Fault> {
        let Some((template, notice)) = Notice::of(event) else {
            return Ok(());
        };
        let notice = notice.map_err(|error| Fault::internal(format!("event {}: {error}", event.id)))?;
        let missing = || Fault::internal(format!("event {}: there is no order {}", event.id, notice.order));
        let order = orders.get(&notice.order).ok_or_else(missing)?;
        if notice.only_placed && order.placed_at.is_none() {
            return Ok(());
        }
        let letter = self.letter(template, &notice, order).await?;
        self.mailer.send(event, letter).await
    }
}
