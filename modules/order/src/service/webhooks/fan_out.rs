//! From events to deliveries: one for each endpoint that wants to hear, however often an event is read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use database::Db;
use database::consumer::{Consumer, Digest};
use kernel::event::{Event, Feed};
use kernel::id::{OrderId, WebhookEndpointId};
use kernel::job::{Job, Wake};
use kernel::{Clock, Fault};

use super::super::Service;
use crate::domain::view::OrderView;
use crate::domain::webhooks::{Endpoint, EventType, message};
use crate::queries::SCHEMA;
use crate::queries::webhooks::{deliveries, endpoints};

/// How often the module's own events are read that nobody has told of.
const OWN_INTERVAL: Duration = Duration::from_secs(2);
/// How often those of siblings are read that nobody has told of.
const SIBLING_INTERVAL: Duration = Duration::from_secs(10);

/// What the siblings publish.
#[derive(Clone)]
pub struct SiblingFeeds {
    /// What cart does.
    pub cart: Arc<dyn Feed>,
    /// What product does.
    pub product: Arc<dyn Feed>,
}

/// The jobs that read events.
pub(crate) fn jobs(service: &Service, db: &Db, own: Arc<dyn Feed>, siblings: SiblingFeeds, clock: &Clock) -> Vec<Job> {
    let own = Consumer::new("order-webhooks", db.clone(), SCHEMA, own, clock.clone());
    let sibling = |name, feed| Consumer::of_sibling(name, db.clone(), SCHEMA, feed, clock.clone());
    vec![
        reading(
            "order-webhooks",
            OWN_INTERVAL,
            service.shared.webhooks.events(),
            service,
            own,
        ),
        follow("cart-webhooks", service, sibling("cart/webhooks", siblings.cart)),
        follow(
            "product-webhooks",
            service,
            sibling("product/webhooks", siblings.product),
        ),
    ]
}

fn reading(name: &'static str, interval: Duration, wake: Wake, service: &Service, consumer: Consumer) -> Job {
    let service = service.clone();
    Job::new(name, interval, wake, move || {
        let (fan_out, consumer) = (FanOut(service.clone()), consumer.clone());
        async move { consumer.round(&fan_out).await }
    })
}

/// The same, which also begins when the sibling has news.
fn follow(name: &'static str, service: &Service, consumer: Consumer) -> Job {
    let news = consumer.clone();
    reading(name, SIBLING_INTERVAL, Wake::default(), service, consumer).also_on(move || {
        let news = news.clone();
        async move { news.news(SIBLING_INTERVAL).await }
    })
}

/// Writes down what has to be delivered.
struct FanOut(Service);

/// What some events need.
#[derive(Default)]
struct Needs {
    endpoints: Vec<Endpoint>,
    /// The orders that they are about, as they are now.
    orders: HashMap<OrderId, OrderView>,
}

impl Needs {
    fn listeners(&self, event: &Event) -> Vec<WebhookEndpointId> {
        let Some(kind) = EventType::named(&event.r#type) else {
            return Vec::new();
        };
        let wanting = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(kind, event.time));
        wanting.map(|endpoint| endpoint.id).collect()
    }
}

/// The order that an event is about, where it is about one.
fn order_of(event: &Event) -> Option<OrderId> {
    let kind = EventType::named(&event.r#type)?;
    kind.is_about_order().then(|| event.subject.parse().ok())?
}

#[async_trait]
impl Digest for FanOut {
    type Needs = Needs;

    async fn gather(&self, events: &[Event]) -> Result<Needs, Fault> {
        let mut needs = Needs {
            endpoints: self.0.query(endpoints::all).await?,
            orders: HashMap::new(),
        };
        let heard = events.iter().filter(|event| !needs.listeners(event).is_empty());
        let orders: Vec<OrderId> = heard.filter_map(order_of).collect();
        if !orders.is_empty() {
            let found = self.0.find_all(orders).await?;
            needs.orders = found.into_iter().map(|order| (order.id, order)).collect();
        }
        Ok(needs)
    }

    async fn digest(&self, event: &Event, needs: &Needs) -> Result<(), Fault> {
        let listeners = needs.listeners(event);
        if listeners.is_empty() {
            return Ok(());
        }
        let body = match order_of(event) {
            Some(order) => {
                let missing = || Fault::internal(format!("event {}: there is no order {order}", event.id));
                message::about_order(event, needs.orders.get(&order).ok_or_else(missing)?)
            }
            None => message::of_event(event),
        };
        let (now, event) = (self.0.shared.clock.now(), event.clone());
        self.0
            .query(move |connection| deliveries::insert(connection, &event, &listeners, body, now))
            .await?;
        self.0.shared.webhooks.wake().wake();
        Ok(())
    }
}
