//! Proof that the books are in order: within the module, and against stock, carts and payment providers. Work in
//! progress is excused for as long as such work may take, and no longer.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::Fault;
use kernel::id::{CartId, OrderId, PaymentId, ReservationId};
use kernel::module::Finding;
use product_api::ReservationState;
use uuid::Uuid;

use super::Service;
use crate::domain::books::DiscrepancyKind;
use crate::domain::payment::Payment;
use crate::domain::{Order, Status, WholeOrder, totals_error};
use crate::queries::books::{self, Holding};
use crate::queries::{documents, stock};

const PAGE: i64 = 500;
/// How long an order may be worked on before that is an error in itself.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// What others hold for orders: ids only, sixteen bytes each.
#[derive(Default)]
struct Held {
    reservations: HashSet<ReservationId>,
    carts: HashSet<CartId>,
    charges: HashSet<PaymentId>,
}

impl Service {
    /// Everything that is wrong. The shop goes on meanwhile, and modules are read one after the other; what a second
    /// look does not confirm was work in progress.
    pub(crate) async fn verify(&self) -> Result<Vec<Finding>, Fault> {
        let first = self.look().await?;
        if first.is_empty() {
            return Ok(first);
        }
        let second = self.look().await?;
        Ok(second.into_iter().filter(|finding| first.contains(finding)).collect())
    }

    async fn look(&self) -> Result<Vec<Finding>, Fault> {
        let mut findings = Vec::new();
        let mut held = Held::default();
        self.check_reservations(&mut held, &mut findings).await?;
        self.check_carts(&mut held, &mut findings).await?;
        self.check_providers(&mut held, &mut findings).await?;
        self.check_orders(&held, &mut findings).await?;
        self.check_documents(&mut findings).await?;
        let parked = self
            .query(|connection| database::consumer::parked(connection, crate::queries::SCHEMA))
            .await?;
        let parked = parked.into_iter().map(|event| {
            Finding::new(
                "events_are_digested",
                event.id,
                format!("{}: {}", event.consumer, event.error),
            )
        });
        findings.extend(parked);
        Ok(findings)
    }

    /// Numbers of documents have no gaps, and invoices know what their credit notes say.
    async fn check_documents(&self, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        let (gaps, wrong) = self
            .query(|connection| {
                let gaps = documents::series_with_gaps(connection)?;
                Ok((gaps, documents::invoices_credited_otherwise(connection)?))
            })
            .await?;
        let gap = |series: String| {
            Finding::new(
                "documents_have_no_gaps",
                series,
                "its numbers are not those that were given",
            )
        };
        findings.extend(gaps.into_iter().map(gap));
        let credited = |id| {
            Finding::new(
                "credit_notes_agree",
                id,
                "what was credited of it is not what its credit notes say",
            )
        };
        findings.extend(wrong.into_iter().map(credited));
        Ok(())
    }

    async fn check_orders(&self, held: &Held, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        let now = self.shared.clock.now();
        let mut after: Option<OrderId> = None;
        loop {
            let page = self
                .query(move |connection| books::orders_after(connection, after, PAGE))
                .await?;
            let (page, pending) = page;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.order.id);
            for whole in page {
                let kept_books = |payment: &Payment| {
                    self.shared
                        .providers
                        .known(&payment.provider)
                        .is_some_and(|provider| !provider.returns_by_hand())
                };
                let lost = whole
                    .payments
                    .iter()
                    .filter(|payment| payment.captured > 0 && kept_books(payment));
                for payment in lost.filter(|payment| !held.charges.contains(&payment.id)) {
                    findings.push(Finding::new(
                        "provider_agrees",
                        payment.id,
                        "the provider has never heard of it",
                    ));
                }
                let found = check_order(&whole, pending.contains(&whole.order.id), held, now);
                findings.extend(
                    found
                        .into_iter()
                        .map(|(rule, detail)| Finding::new(rule, whole.order.id, detail)),
                );
            }
        }
    }

    /// Every reservation belongs to an order that still needs it.
    async fn check_reservations(&self, held: &mut Held, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let page = self
                .shared
                .product
                .reservations(after, PAGE)
                .await
                .map_err(unreachable)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            let ids: Vec<ReservationId> = page.iter().map(|reservation| reservation.id).collect();
            held.reservations.extend(ids.iter().copied());
            let ids: Vec<Uuid> = ids.into_iter().map(ReservationId::uuid).collect();
            let (owners, orders) = self
                .query(move |connection| {
                    let owners = stock::owners(connection, &ids)?;
                    let own = ids.into_iter().map(OrderId::from);
                    let all: Vec<OrderId> = own.chain(owners.iter().map(|(_, order, _)| *order)).collect();
                    Ok((owners, books::by_ids(connection, &all)?))
                })
                .await?;
            for reservation in page {
                // What was set aside beside what an order was placed with, or the order's own.
                let owner = owners.iter().find(|(id, ..)| *id == reservation.id);
                let owned_by = owner.map_or_else(|| reservation.id.uuid().into(), |(_, order, _)| *order);
                let order = orders.iter().find(|order| order.order == owned_by);
                if owner.is_some_and(|(.., state)| state == "asked") {
                    continue;
                }
                let fits = |status| match status {
                    Status::Placing | Status::PendingPayment => reservation.state == ReservationState::Reserved,
                    Status::Placed | Status::Completed => reservation.state == ReservationState::Committed,
                    Status::Cancelled => false,
                };
                if !is_sound(order, fits) {
                    let detail = format!(
                        "{:?} stock for an order that is: {}",
                        reservation.state,
                        status_of(order)
                    );
                    findings.push(Finding::new("reservation_has_live_order", reservation.id, detail));
                }
            }
        }
    }

    /// Every cart that an order holds belongs to that order.
    async fn check_carts(&self, held: &mut Held, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        let mut after: Option<CartId> = None;
        loop {
            let page = self.shared.cart.claimed(after, PAGE).await.map_err(unreachable)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.cart);
            held.carts.extend(page.iter().map(|claimed| claimed.cart));
            let ids: Vec<OrderId> = page.iter().map(|claimed| claimed.order).collect();
            let orders = self.query(move |connection| books::by_ids(connection, &ids)).await?;
            for claimed in page {
                let order = orders
                    .iter()
                    .find(|order| order.order == claimed.order && order.cart == Some(claimed.cart));
                let fits = |status| match status {
                    Status::Placing | Status::PendingPayment => !claimed.completed,
                    Status::Placed | Status::Completed => claimed.completed,
                    Status::Cancelled => false,
                };
                if !is_sound(order, fits) {
                    let state = if claimed.completed { "completed" } else { "locked" };
                    let detail = format!("{state} by an order that is: {}", status_of(order));
                    findings.push(Finding::new("claimed_cart_has_order", claimed.cart, detail));
                }
            }
        }
    }

    /// Every charge in a provider's books is in ours, with the same money taken and given back.
    async fn check_providers(&self, held: &mut Held, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        for provider in self
            .shared
            .providers
            .all()
            .filter(|provider| !provider.returns_by_hand())
        {
            let compared = self.compare_books(&**provider, None, &HashSet::new()).await?;
            held.charges.extend(compared.charged);
            // A charge that is missing is found with its order.
            let differences = compared.differences.into_iter();
            let differences = differences.filter(|difference| difference.kind != DiscrepancyKind::MissingCharge);
            findings.extend(differences.map(|difference| {
                let subject = difference
                    .payment
                    .map_or(difference.reference, |payment| payment.to_string());
                Finding::new("provider_agrees", subject, difference.detail)
            }));
        }
        Ok(())
    }
}

/// Whether something may be held for `order`, given what its status calls for.
fn is_sound(order: Option<&Holding>, fits: impl FnOnce(Status) -> bool) -> bool {
    order.is_some_and(|order| order.effects_pending || order.status.is_some_and(fits))
}

fn status_of(order: Option<&Holding>) -> &'static str {
    order.and_then(|order| order.status).map_or("no order", Status::name)
}

/// What is wrong with one order: rule and detail.
fn check_order(
    whole: &WholeOrder,
    effects_pending: bool,
    held: &Held,
    now: DateTime<Utc>,
) -> Vec<(&'static str, String)> {
    let order = &whole.order;
    let mut wrong = Vec::new();
    let overdue = now - order.updated_at > PATIENCE;
    if overdue && (effects_pending || order.status == Status::Placing) {
        wrong.push((
            "orders_are_finished",
            format!("{}, worked on since {}", order.status.name(), order.updated_at),
        ));
    }
    let Some(content) = &order.content else { return wrong };
    if let Some(error) = totals_error(content, &whole.lines) {
        wrong.push(("order_totals_sum", error));
    }
    let lost = whole
        .payments
        .iter()
        .filter(|payment| payment.status.is_unresolved() && now - payment.created_at > PATIENCE * 6);
    wrong.extend(lost.map(|payment| {
        (
            "payments_are_resolved",
            format!("{} is {}", payment.id, payment.status.name()),
        )
    }));
    if !effects_pending {
        wrong.extend(check_money(whole));
        wrong.extend(check_claims(order, held));
    }
    wrong
}

fn check_money(whole: &WholeOrder) -> Option<(&'static str, String)> {
    let held: i64 = whole.payments.iter().map(Payment::held).sum();
    let taken: i64 = whole
        .payments
        .iter()
        .map(|payment| payment.captured - payment.refunded)
        .sum();
    let worth = whole.order.worth();
    // Less is held where staff have let a promise go, or have changed the order since.
    let is_explained = whole
        .timeline
        .iter()
        .any(|entry| matches!(entry.kind.as_str(), "payment_voided" | "payment_captured" | "edited"));
    match whole.order.status {
        Status::Placed | Status::Completed if taken > worth => Some((
            "placed_order_is_paid",
            format!("{taken} taken for an order that is worth {worth}"),
        )),
        Status::Placed | Status::Completed if held < worth && !is_explained => {
            Some(("placed_order_is_paid", format!("{held} paid or promised of {worth}")))
        }
        Status::Cancelled if held != 0 => Some(("cancelled_order_holds_no_money", format!("{held} is still held"))),
        Status::PendingPayment if held >= worth && worth > 0 => Some((
            "paid_order_is_placed",
            format!("{held} is held, and the order still waits"),
        )),
        _ => None,
    }
}

fn check_claims(order: &Order, held: &Held) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    if !matches!(
        order.status,
        Status::PendingPayment | Status::Placed | Status::Completed
    ) {
        return wrong;
    }
    if !held.reservations.contains(&order.reservation()) {
        wrong.push((
            "live_order_has_reservation",
            format!("no stock is set aside or sold under {}", order.reservation()),
        ));
    }
    // Carts of bygone orders may be removed some day; those of orders that are being paid may not.
    if let Some(cart) = order.cart.filter(|_| order.status == Status::PendingPayment)
        && !held.carts.contains(&cart)
    {
        wrong.push(("live_order_has_cart", format!("nothing locks {cart}")));
    }
    wrong
}

fn unreachable(error: impl std::fmt::Display) -> Fault {
    Fault::unavailable(error.to_string())
}
