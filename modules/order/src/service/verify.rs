//! Proof that the books are in order: within the module, and against stock, carts and payment providers. Rows that are
//! being worked on are left out; they are looked at when their work is done.

use std::collections::HashSet;

use database::Failure;
use kernel::Fault;
use kernel::id::{CartId, OrderId, PaymentId, ReservationId};
use kernel::module::Finding;
use product_api::ReservationState;

use super::Service;
use crate::domain::payment::PaymentStatus;
use crate::domain::{Status, WholeOrder, totals_error};
use crate::providers::ProviderFailure;
use crate::queries::books;

const PAGE: i64 = 500;

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
        let held = self.check_reservations(&mut findings).await?;
        self.check_orders(&held, &mut findings).await?;
        self.check_carts(&mut findings).await?;
        self.check_providers(&mut findings).await?;
        Ok(findings)
    }

    async fn check_orders(&self, held: &HashSet<ReservationId>, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        let mut after: Option<OrderId> = None;
        loop {
            let page = self
                .shared
                .db
                .run(move |connection| Ok::<_, Failure<Fault>>(books::orders_after(connection, after, PAGE)?))
                .await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.order.id);
            for whole in page {
                check_order(&whole, held, findings);
            }
        }
    }

    /// Every reservation belongs to an order that still needs it. Answers all reservations there are.
    async fn check_reservations(&self, findings: &mut Vec<Finding>) -> Result<HashSet<ReservationId>, Fault> {
        let mut held = HashSet::new();
        let mut after = None;
        loop {
            let page = self.shared.product.reservations(after, PAGE).await.map_err(fault)?;
            let Some(last) = page.last() else { return Ok(held) };
            after = Some(last.id);
            let ids: Vec<ReservationId> = page.iter().map(|reservation| reservation.id).collect();
            held.extend(ids.iter().copied());
            let orders = self
                .shared
                .db
                .run(move |connection| Ok::<_, Failure<Fault>>(books::by_reservations(connection, &ids)?))
                .await?;
            for reservation in page {
                let order = orders.iter().find(|order| order.reservation == reservation.id);
                let sound = order.is_some_and(|order| {
                    order.effects_pending
                        || match order.status {
                            Some(Status::Placing | Status::PendingPayment) => {
                                reservation.state == ReservationState::Reserved
                            }
                            Some(Status::Placed | Status::Completed) => {
                                reservation.state == ReservationState::Committed
                            }
                            Some(Status::Cancelled) | None => false,
                        }
                });
                if !sound {
                    let status = order.and_then(|order| order.status).map_or("no order", Status::name);
                    let detail = format!("{:?} stock for an order that is: {status}", reservation.state);
                    findings.push(Finding::new("reservation_has_live_order", reservation.id, detail));
                }
            }
        }
    }

    /// Every cart that an order holds belongs to that order, and the other way round.
    async fn check_carts(&self, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        let mut after: Option<CartId> = None;
        loop {
            let page = self.shared.cart.claimed(after, PAGE).await.map_err(fault)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.cart);
            let ids: Vec<OrderId> = page.iter().map(|claimed| claimed.order).collect();
            let orders = self
                .shared
                .db
                .run(move |connection| Ok::<_, Failure<Fault>>(books::by_ids(connection, &ids)?))
                .await?;
            for claimed in page {
                let order = orders.iter().find(|order| order.order == claimed.order);
                let sound = order.is_some_and(|order| {
                    let state_fits = match order.status {
                        Some(Status::Placing | Status::PendingPayment) => !claimed.completed,
                        Some(_) => claimed.completed,
                        None => false,
                    };
                    order.cart == claimed.cart && (order.effects_pending || state_fits)
                });
                if !sound {
                    let status = order.and_then(|order| order.status).map_or("no order", Status::name);
                    let state = if claimed.completed { "completed" } else { "locked" };
                    findings.push(Finding::new(
                        "claimed_cart_has_order",
                        claimed.cart,
                        format!("{state} by an order that is: {status}"),
                    ));
                }
            }
        }
    }

    /// Every charge in a provider's books is in ours, with the same money taken and given back.
    async fn check_providers(&self, findings: &mut Vec<Finding>) -> Result<(), Fault> {
        for provider in self.shared.providers.all() {
            let mut after: Option<PaymentId> = None;
            loop {
                let page = provider
                    .books(after, PAGE)
                    .await
                    .map_err(|failure: ProviderFailure| Fault::unavailable(failure.to_string()))?;
                let Some(last) = page.last() else { break };
                after = Some(last.payment);
                let ids: Vec<PaymentId> = page.iter().map(|entry| entry.payment).collect();
                let ours = self
                    .shared
                    .db
                    .run(move |connection| Ok::<_, Failure<Fault>>(books::payments_by_id(connection, &ids)?))
                    .await?;
                for entry in page {
                    let payment = ours.iter().find(|payment| payment.id == entry.payment);
                    let agreed = match payment {
                        Some(payment) if payment.status.is_unresolved() => true,
                        Some(payment) => {
                            payment.captured == entry.captured.amount && payment.refunded == entry.refunded
                        }
                        None => entry.captured.amount == 0,
                    };
                    if !agreed {
                        let ours = payment.map_or("nothing".to_owned(), |payment| {
                            format!("{} taken, {} given back", payment.captured, payment.refunded)
                        });
                        let detail = format!(
                            "{}: {} taken, {} given back; we: {ours}",
                            provider.name(),
                            entry.captured,
                            entry.refunded
                        );
                        findings.push(Finding::new("provider_agrees", entry.payment, detail));
                    }
                }
            }
        }
        Ok(())
    }
}

fn check_order(whole: &WholeOrder, held: &HashSet<ReservationId>, findings: &mut Vec<Finding>) {
    let order = &whole.order;
    let mut report = |rule, detail: String| findings.push(Finding::new(rule, order.id, detail));
    let Some(content) = &order.content else {
        return;
    };
    if let Some(error) = totals_error(&content.totals, &whole.lines) {
        report("order_totals_sum", error);
    }
    if order.effects_pending {
        return;
    }
    let promised: i64 = whole
        .payments
        .iter()
        .filter(|payment| payment.status.is_success())
        .map(|payment| payment.amount.amount - payment.refunded)
        .sum();
    let due = content.totals.amount_due.amount;
    let staff_gave_it_back = whole
        .payments
        .iter()
        .any(|payment| payment.refunded > 0 || payment.status == PaymentStatus::Voided);
    match order.status {
        Status::Placed | Status::Completed if promised != due && !staff_gave_it_back => {
            report("placed_order_is_paid", format!("{promised} paid or promised of {due}"));
        }
        Status::Cancelled if promised != 0 => {
            report("cancelled_order_holds_no_money", format!("{promised} is still held"))
        }
        Status::PendingPayment if promised != 0 => report(
            "paid_order_is_placed",
            format!("{promised} is held, and the order still waits"),
        ),
        _ => (),
    }
    let needs_stock = matches!(
        order.status,
        Status::PendingPayment | Status::Placed | Status::Completed
    );
    if needs_stock && !held.contains(&order.reservation) {
        report(
            "live_order_has_reservation",
            format!("no stock is set aside or sold under {}", order.reservation),
        );
    }
}

fn fault(error: impl std::fmt::Display) -> Fault {
    Fault::unavailable(error.to_string())
}
