//! What the module does by itself: carts expire, closed ones are removed, and the books are checked.

use std::sync::Arc;
use std::time::Duration;

use cart_api::{CartLeft, FrozenCart, PricedLine};
use chrono::{DateTime, TimeDelta, Utc};
use database::consumer::parked;
use database::{Failure, OrRefuse, idempotency, outbox};
use diesel::prelude::*;
use kernel::Fault;
use kernel::event::Event;
use kernel::id::{CartId, GiftCardId, ItemId, OrderId, PromotionId, UserId};
use kernel::job::{Job, Round, Wake};
use kernel::module::Finding;
use serde_json::Value;
use uuid::Uuid;

use super::Service;
use super::checkout::read_snapshot;
use crate::SCHEMA;
use crate::domain::Cart;
use crate::queries::upkeep::{self, Miscount};
use crate::queries::{self, Left};
use crate::store::Leaving;

/// How many carts a job takes at a time: few enough to hold their locks for a moment only.
const BATCH: i64 = 500;
/// How long an expired or merged cart can still be looked at.
const RETENTION: TimeDelta = TimeDelta::days(30);

/// A cart that was left behind longer ago than this, and a while, is no news any more: where the shop was down that long, or
/// has only just begun to tell.
const NEWS: TimeDelta = TimeDelta::days(7);

impl Service {
    /// The job that marks carts whose time is over.
    pub(crate) fn expiry(&self) -> Job {
        let service = self.clone();
        Job::new("cart_expiry", Duration::from_secs(60), Wake::default(), move || {
            let (service, now) = (service.clone(), service.clock.now());
            async move {
                let expired = service
                    .at_store(move |store, connection| store.expire(connection, now, BATCH))
                    .await;
                expired.map(round)
            }
        })
    }

    /// The job that tells of carts that were left behind.
    pub(crate) fn leaving(&self) -> Job {
        let service = self.clone();
        Job::new("cart_leaving", Duration::from_secs(60), Wake::default(), move || {
            let service = service.clone();
            async move { service.tell_of_left_carts().await }
        })
    }

    async fn tell_of_left_carts(&self) -> Result<Round, Fault> {
        let (service, now) = (self.clone(), self.clock.now());
        let before = now - self.left_after;
        let tell = move |connection: &mut PgConnection| {
            let leaving = service.store.leave(connection, before - NEWS, before, now, BATCH)?;
            let events = leaving.news.iter().map(|left| service.event_of(left, now));
            let events = events.collect::<Result<Vec<_>, Fault>>().or_refuse()?;
            outbox::append_all(connection, SCHEMA, &events)?;
            Ok::<_, Failure<Fault>>(leaving)
        };
        let Leaving { noted, told, .. } = self.database.transaction(tell).await?;
        if !told.is_empty() {
            self.at_store(move |store, _| store.note_told(&told)).await?;
        }
        Ok(round(noted))
    }

    fn event_of(&self, left: &Left, now: DateTime<Utc>) -> Result<Event, Fault> {
        let event = CartLeft {
            cart: left.cart,
            user: left.user,
            touched_at: left.touched_at,
            amount_due: left.amount_due,
            share_token: self.token_of(left.cart, left.share_number),
        };
        Event::of(&event, now)
    }

    /// The job that removes carts that nobody can buy any more, with the addresses in them.
    pub(crate) fn removal(&self) -> Job {
        let service = self.clone();
        Job::new("cart_removal", Duration::from_secs(600), Wake::default(), move || {
            let (service, before) = (service.clone(), service.clock.now() - RETENTION);
            async move {
                let removed = service
                    .at_store(move |store, connection| store.remove_closed(connection, before, BATCH))
                    .await;
                removed.map(round)
            }
        })
    }

    /// Forgets whom the carts of `user` are about, whose account is gone: open ones expire, and what can still be looked at
    /// has no addresses any more. Carts that an order holds are part of that order. Repeatable.
    pub(crate) async fn forget(&self, user: UserId) -> Result<(), Fault> {
        let (store, now) = (Arc::clone(&self.store), self.clock.now());
        self.database
            .transaction(move |connection| {
                store.forget(connection, user, now)?;
                // Remembered answers hold whole carts.
                idempotency::forget(connection, SCHEMA, &user.to_string())?;
                Ok::<_, Failure<Fault>>(())
            })
            .await
    }

    /// Everything in the data that contradicts itself.
    pub(crate) async fn verify(&self) -> Result<Vec<Finding>, Fault> {
        let orphans = self.query(queries::orphans).await?;
        let mut findings: Vec<Finding> = orphans
            .into_iter()
            .map(|id| Finding::new("item_has_a_cart", ItemId::from(id), "the cart is gone"))
            .collect();
        let parked = self.query(|connection| parked(connection, SCHEMA)).await?;
        findings.extend(parked.into_iter().map(|event| {
            let detail = format!("{}: {}", event.consumer, event.error);
            Finding::new("events_are_digested", event.id, detail)
        }));
        findings.extend(self.miscounts().await?);
        let mut after: Option<CartId> = None;
        let now = self.clock.now();
        loop {
            let carts = self
                .query(move |connection| queries::taken_by_orders(connection, after, BATCH, now))
                .await?;
            let Some((last, _)) = carts.last() else {
                return Ok(findings);
            };
            after = Some(last.id);
            findings.extend(
                carts
                    .into_iter()
                    .filter_map(|(cart, snapshot)| contradiction(&cart, snapshot)),
            );
        }
    }
}

impl Service {
    /// What is kept of promotions and gift cards and is not what orders say.
    async fn miscounts(&self) -> Result<Vec<Finding>, Fault> {
        type Question = fn(&mut PgConnection) -> QueryResult<Vec<Miscount>>;
        type Naming = fn(&String) -> String;
        const QUESTIONS: [(&str, Question, Naming); 7] = [
            (
                "balance_is_the_sum_of_entries",
                upkeep::wrong_balances,
                named::<GiftCardId>,
            ),
            (
                "uses_of_promotion_are_counted",
                upkeep::wrong_uses_of_promotions,
                named::<PromotionId>,
            ),
            ("spent_budget_is_counted", upkeep::wrong_budgets, named::<PromotionId>),
            ("uses_of_code_are_counted", upkeep::wrong_uses_of_codes, String::clone),
            (
                "uses_of_customers_are_counted",
                upkeep::wrong_uses_of_customers,
                named::<PromotionId>,
            ),
            (
                "promotion_is_used_with_a_cart",
                upkeep::uses_without_cart,
                named::<OrderId>,
            ),
            (
                "gift_card_is_spent_with_a_cart",
                upkeep::spending_without_cart,
                named::<OrderId>,
            ),
        ];
        let mut findings = Vec::new();
        for (rule, question, name) in QUESTIONS {
            let found = self.query(question).await?;
            findings.extend(found.into_iter().map(|miscount| {
                let detail = format!("kept {}, counted {}", miscount.kept, miscount.counted);
                Finding::new(rule, name(&miscount.subject), detail)
            }));
        }
        Ok(findings)
    }
}

/// An id of the database as the API tells it.
#[expect(clippy::ptr_arg, reason = "it stands beside `String::clone`")]
fn named<I: From<Uuid> + ToString>(id: &String) -> String {
    Uuid::parse_str(id).map_or_else(|_| id.clone(), |id| I::from(id).to_string())
}

fn round(done: usize) -> Round {
    match i64::try_from(done) {
        Ok(done) if done < BATCH => Round::Idle,
        _ => Round::More,
    }
}

/// What is wrong with a cart that an order holds, if anything is.
fn contradiction(cart: &Cart, snapshot: Option<Value>) -> Option<Finding> {
    if cart.status.order().is_none() {
        return Some(Finding::new("taken_cart_has_an_order", cart.id, cart.status.name()));
    }
    let Some(snapshot) = snapshot else {
        return Some(Finding::new("taken_cart_has_a_snapshot", cart.id, "there is none"));
    };
    let detail = match read_snapshot(snapshot) {
        Ok(frozen) => disagreement(cart, &frozen)?,
        Err(error) => error.to_string(),
    };
    Some(Finding::new("snapshot_equals_cart", cart.id, detail))
}

fn disagreement(cart: &Cart, frozen: &FrozenCart) -> Option<String> {
    if (frozen.cart, frozen.user, frozen.currency) != (cart.id, cart.user, cart.currency) {
        return Some("the snapshot is of another cart".to_owned());
    }
    let bought = frozen
        .lines
        .iter()
        .map(|line| (line.item, line.variant, line.quantity, line.unit_price));
    if !bought.eq(cart
        .items
        .iter()
        .map(|item| (item.id, item.variant, item.quantity, item.unit_price)))
    {
        return Some("the lines differ".to_owned());
    }
    let shown = &cart.priced;
    if (&shown.totals, &shown.pricing) != (&frozen.totals, &frozen.pricing) {
        return Some("the prices differ".to_owned());
    }
    unbalanced(frozen)
}

/// Which of its sums does not come out, if one does not.
fn unbalanced(frozen: &FrozenCart) -> Option<String> {
    let (lines, totals) = (&frozen.lines, &frozen.totals);
    let sum = |amount: fn(&PricedLine) -> i64| lines.iter().map(amount).sum::<i64>();
    let goods = sum(|line| line.unit_price.amount * line.quantity);
    let left = sum(|line| line.total.amount);
    let given: i64 = frozen.pricing.promotions.iter().map(|given| given.amount.amount).sum();
    let shipping = frozen
        .pricing
        .shipping_method
        .as_ref()
        .map_or(0, |method| method.price.amount);
    let tax = sum(|line| line.tax.amount) + frozen.pricing.shipping_tax.map_or(0, |tax| tax.amount);
    let paid: i64 = frozen
        .pricing
        .gift_cards
        .iter()
        .map(|payment| payment.amount.amount)
        .sum();
    let sums = [
        ("subtotal", goods, totals.subtotal.amount),
        ("discount", goods - left, totals.discount.amount),
        (
            "promotions",
            totals.discount.amount + shipping - totals.shipping.amount,
            given,
        ),
        ("tax", tax, totals.tax.amount + totals.tax_included.amount),
        ("gift cards", paid, totals.gift_cards.amount),
    ];
    let mut wrong = sums.into_iter().filter(|(_, expected, found)| expected != found);
    wrong
        .next()
        .map(|(what, expected, found)| format!("{what}: expected {expected}, found {found}"))
}
