//! The mails about orders: the first consumer of the module's own events. At least once, with a stable message id by
//! which a mail program recognises a repeat.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use database::consumer::Digest;
use kernel::Fault;
use kernel::event::Event;
use kernel::id::OrderId;
use kernel::settings::Settings;
use lettre::message::{Mailbox, Message};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use order_api::OrderPlaced;
use secrecy::ExposeSecret;

use crate::domain::view::OrderView;
use crate::service::Service;

/// How long a round waits for company: the mails of many orders take as many questions as those of one.
pub(crate) const GATHERING: Duration = Duration::from_millis(50);

/// Sends mails, or files them where no server is configured.
pub(crate) struct Mailer {
    from: Mailbox,
    shop: String,
    way: Way,
}

enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Files(PathBuf),
}

impl Mailer {
    /// The mailer of a shop: SMTP where `mail.smtp_url` says so, else `.eml` files in `mail/` of the data directory.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Fault> {
        let url = settings.mail.smtp_url.expose_secret();
        let way = if url.is_empty() {
            Way::Files(settings.data.dir.join("mail"))
        } else {
            let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
            Way::Smtp(
                transport
                    .map_err(|error| Fault::internal(format!("mail.smtp_url: {error}")))?
                    .build(),
            )
        };
        let address = settings.mail.from.as_str().parse();
        let address = address.map_err(|error| Fault::internal(format!("mail.from: {error}")))?;
        let shop = settings.shop.name.clone();
        Ok(Self {
            from: Mailbox::new(Some(shop.clone()), address),
            shop,
            way,
        })
    }

    async fn send(&self, event: &Event, to: &str, subject: String, text: String) -> Result<(), Fault> {
        let to: Mailbox = to
            .parse()
            .map_err(|_| Fault::internal("the order's address is no mailbox"))?;
        let message = Message::builder()
            .message_id(Some(format!("<{}@bodega>", event.id)))
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .body(text)
            .map_err(|error| Fault::internal(format!("mail: {error}")))?;
        match &self.way {
            Way::Smtp(transport) => {
                transport
                    .send(message)
                    .await
                    .map(drop)
                    .map_err(|error| match error.is_permanent() {
                        // Another try would be refused again: the event is parked after a few.
                        true => Fault::internal(format!("mail: {error}")),
                        false => Fault::unavailable(format!("mail: {error}")),
                    })
            }
            Way::Files(directory) => {
                let (directory, name) = (directory.clone(), format!("{}.eml", event.id));
                let write = move || file(&directory, &name, &message.formatted());
                let written = tokio::task::spawn_blocking(write)
                    .await
                    .map_err(|error| Fault::internal(error.to_string()))?;
                written.map_err(|error| Fault::unavailable(format!("mail: {error}")))
            }
        }
    }
}

/// Written under another name first, so that whoever looks finds whole mails only; repeated, it is the same file.
fn file(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let unfinished = directory.join(format!("{name}.unfinished"));
    match std::fs::write(&unfinished, content) {
        // The first mail makes the directory.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(directory)?;
            std::fs::write(&unfinished, content)?;
        }
        written => written?,
    }
    std::fs::rename(unfinished, directory.join(name))
}

/// Sends what events call for.
pub(crate) struct Mails {
    pub(crate) service: Service,
    pub(crate) mailer: Mailer,
}

#[async_trait]
impl Digest for Mails {
    /// The orders that the events are about.
    type Needs = HashMap<OrderId, OrderView>;

    async fn gather(&self, events: &[Event]) -> Result<Self::Needs, Fault> {
        // One that cannot be read is not missed here; digesting it says what is wrong.
        let placed = events.iter().filter_map(|event| event.payload::<OrderPlaced>()?.ok());
        let orders = self
            .service
            .find_all(placed.map(|placed| placed.order).collect())
            .await?;
        Ok(orders.into_iter().map(|order| (order.id, order)).collect())
    }

    async fn digest(&self, event: &Event, orders: &Self::Needs) -> Result<(), Fault> {
        let Some(placed) = event.payload::<OrderPlaced>() else {
            return Ok(());
        };
        let placed = placed.map_err(|error| Fault::internal(format!("event {}: {error}", event.id)))?;
        let missing = || Fault::internal(format!("event {}: there is no order {}", event.id, placed.order));
        let order = orders.get(&placed.order).ok_or_else(missing)?;
        let (subject, text) = confirmation(&self.mailer.shop, order);
        self.mailer.send(event, &order.email, subject, text).await
    }
}

/// Subject and text of the confirmation. What buyers typed goes into the text only, and is plain text there.
fn confirmation(shop: &str, order: &OrderView) -> (String, String) {
    let mut text = format!("Thank you for your order {} at {shop}.\n\n", order.number);
    for line in &order.lines {
        let variant = if line.variant_title.is_empty() {
            String::new()
        } else {
            format!(" ({})", line.variant_title)
        };
        text.push_str(&format!(
            "{} x {}{variant}: {}\n",
            line.quantity, line.title, line.total
        ));
    }
    let totals = &order.totals;
    for (name, amount) in [
        ("Discount", totals.discount),
        ("Shipping", totals.shipping),
        ("Tax", totals.tax),
    ] {
        if amount.amount != 0 {
            text.push_str(&format!("\n{name}: {amount}"));
        }
    }
    text.push_str(&format!("\nTotal: {}\n", totals.total));
    if totals.tax_included.amount != 0 {
        text.push_str(&format!("Tax in it: {}\n", totals.tax_included));
    }
    if let Some(address) = &order.shipping_address {
        let lines = [
            address.name.as_str(),
            &address.line1,
            address.line2.as_deref().unwrap_or_default(),
        ];
        text.push_str("\nWe send it to:\n");
        for line in lines.into_iter().filter(|line| !line.is_empty()) {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str(&format!(
            "{} {}\n{}\n",
            address.postal_code,
            address.city,
            address.country.code()
        ));
    }
    (format!("Your order {}", order.number), text)
}
