//! Comparing the books of providers with ours: daily by a job, and whenever somebody wants to know.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::id::PaymentId;
use kernel::job::Round;
use kernel::{Fault, Page, Problem};

use super::Service;
use crate::domain::books::{Charged, Discrepancy, DiscrepancyKind};
use crate::providers::{BookEntry, Provider, ProviderFailure};
use crate::queries::books;
use crate::queries::discrepancies::{self, Sighting};

/// How often the books are compared.
const EVERY: TimeDelta = TimeDelta::days(1);
/// How far back that goes: disputes and most refunds come within a month.
const WINDOW: TimeDelta = TimeDelta::days(30);
/// Clocks differ, and a charge comes after its payment.
const SLACK: TimeDelta = TimeDelta::hours(1);

/// A place where the books differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Difference {
    pub(crate) reference: String,
    pub(crate) payment: Option<PaymentId>,
    pub(crate) kind: DiscrepancyKind,
    pub(crate) detail: String,
}

/// What has come of a comparison.
#[derive(Default)]
pub(super) struct Comparison {
    pub(super) differences: Vec<Difference>,
    /// The payments that the provider has charges for.
    pub(super) charged: HashSet<PaymentId>,
    /// Those of the references that were asked about whose charges are in order.
    agreed: Vec<String>,
}

/// What a list of discrepancies is narrowed to, and which page of it.
#[derive(Clone, Debug)]
pub(crate) struct ListDiscrepancies {
    /// Only those that are still there, or those that are not.
    pub(crate) open: Option<bool>,
    pub(crate) provider: Option<String>,
    pub(crate) limit: i64,
    pub(crate) cursor: Option<String>,
}

impl Service {
    /// One round of the job: the books of each provider, once a day by one of all processes.
    pub(crate) async fn reconcile(&self) -> Result<Round, Fault> {
        let providers: Vec<Arc<dyn Provider>> = self.shared.providers.all().cloned().collect();
        for provider in providers.into_iter().filter(|provider| !provider.returns_by_hand()) {
            let (name, now, lease) = (provider.name(), self.shared.clock.now(), self.lease() * 20);
            let due = self
                .query(move |connection| discrepancies::take_due(connection, name, now - EVERY, lease))
                .await?;
            if due {
                self.reconcile_with(&*provider, now).await?;
            }
        }
        Ok(Round::Idle)
    }

    async fn reconcile_with(&self, provider: &dyn Provider, now: DateTime<Utc>) -> Result<(), Fault> {
        let (name, since) = (provider.name(), now - WINDOW);
        let known = self
            .query(move |connection| discrepancies::open_references(connection, name))
            .await?;
        let mut found = self.compare_books(provider, Some(since), &known).await?;
        if !found.differences.is_empty() {
            // What a look at the charge settles is no discrepancy: late money is returned by the order's effects.
            let payments: HashSet<PaymentId> = found.differences.iter().filter_map(|one| one.payment).collect();
            for payment in payments {
                if let Err(fault) = self.resolve(payment).await {
                    tracing::warn!(%payment, %fault, "what became of a payment is not known; it counts as it stands in the books");
                }
            }
            let first = found.differences;
            found = self.compare_books(provider, Some(since), &known).await?;
            found.differences.retain(|difference| first.contains(difference));
        }
        for difference in &found.differences {
            tracing::error!(
                provider = name,
                reference = difference.reference,
                kind = difference.kind.name(),
                "the provider's books and ours differ"
            );
        }
        let Comparison {
            differences, agreed, ..
        } = found;
        let sightings = differences.into_iter().map(|difference| Sighting {
            reference: difference.reference,
            kind: difference.kind,
            payment: difference.payment,
            detail: difference.detail,
        });
        let sightings: Vec<Sighting> = sightings.collect();
        let open = self
            .query(move |connection| {
                discrepancies::see(connection, name, &sightings, now)?;
                discrepancies::resolve(connection, name, &agreed, now)?;
                discrepancies::finish(connection, name, now)?;
                discrepancies::count_open(connection, name)
            })
            .await?;
        // Gauges are floating-point numbers; a count of rows is exact in them.
        metrics::gauge!("shop_payment_discrepancies", "provider" => name).set(u32::try_from(open).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Every charge in a provider's books is in ours, with the same money taken and given back, and the other way round.
    /// Since `since`, or since ever. `asked` are references of which it is told when they are in order.
    pub(super) async fn compare_books(
        &self,
        provider: &dyn Provider,
        since: Option<DateTime<Utc>>,
        asked: &HashSet<String>,
    ) -> Result<Comparison, Fault> {
        let name = provider.name();
        let started = self.shared.clock.now();
        let mut comparison = Comparison::default();
        let mut after: Option<String> = None;
        loop {
            let page = self
                .shared
                .providers
                .within_deadline(provider.books(since, after.clone()))
                .await;
            let page = page.map_err(unreachable)?;
            self.compare_page(name, page.entries, asked, &mut comparison).await?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let from = since.map(|since| since + SLACK);
        let taken = self
            .query(move |connection| books::taken_between(connection, name, from, started - SLACK))
            .await?;
        let missing = taken
            .into_iter()
            .filter(|(payment, _)| !comparison.charged.contains(payment));
        let missing: Vec<Difference> = missing
            .map(|(payment, reference)| Difference {
                reference: reference.unwrap_or_else(|| payment.to_string()),
                payment: Some(payment),
                kind: DiscrepancyKind::MissingCharge,
                detail: "the provider has never heard of it".to_owned(),
            })
            .collect();
        comparison.differences.extend(missing);
        Ok(comparison)
    }

    async fn compare_page(
        &self,
        provider: &'static str,
        entries: Vec<BookEntry>,
        asked: &HashSet<String>,
        comparison: &mut Comparison,
    ) -> Result<(), Fault> {
        let ids: Vec<PaymentId> = entries.iter().filter_map(|entry| entry.payment).collect();
        let references: Vec<String> = entries.iter().map(|entry| entry.reference.clone()).collect();
        let (ours, busy) = self
            .query(move |connection| {
                let ours = books::payments_charged(connection, provider, &ids, &references)?;
                let ids: Vec<PaymentId> = ours.iter().map(|(payment, _)| payment.id).collect();
                let busy = books::with_operations_on_their_way(connection, &ids)?;
                Ok((ours, busy))
            })
            .await?;
        for entry in entries {
            let is_its = |reference: &Option<String>| reference.as_ref().is_none_or(|known| *known == entry.reference);
            let ours = ours.iter().find(|(payment, reference)| {
                let told = entry.payment == Some(payment.id) && is_its(reference);
                told || reference.as_ref() == Some(&entry.reference)
            });
            let payment = ours.map(|(payment, _)| payment);
            comparison.charged.extend(payment.map(|payment| payment.id));
            // What is on its way changes what was taken and given back, and never what was charged.
            if payment.is_some_and(|payment| busy.contains(&payment.id) && payment.amount == entry.amount) {
                continue;
            }
            let charged = Charged {
                amount: entry.amount,
                captured: entry.captured,
                refunded: entry.refunded,
            };
            let Some(kind) = charged.differs_from(payment) else {
                comparison
                    .agreed
                    .extend(Some(entry.reference).filter(|reference| asked.contains(reference)));
                continue;
            };
            let ours = payment.map_or("nothing".to_owned(), |payment| {
                format!(
                    "{}, {} taken, {} given back",
                    payment.status.name(),
                    payment.captured,
                    payment.refunded
                )
            });
            let theirs = format!(
                "{}, {} taken, {} given back",
                entry.amount, entry.captured, entry.refunded
            );
            comparison.differences.push(Difference {
                reference: entry.reference,
                payment: payment.map(|payment| payment.id),
                kind,
                detail: format!("{provider}: {theirs}; we: {ours}"),
            });
        }
        Ok(())
    }

    /// A page of what was found, newest first.
    pub(crate) async fn list_discrepancies(&self, list: ListDiscrepancies) -> Result<Page<Discrepancy>, Problem> {
        let ListDiscrepancies {
            open,
            provider,
            limit,
            cursor,
        } = list;
        let name = format!("payment-discrepancies {open:?} {provider:?}");
        let cursors = &self.shared.cursors;
        let before = cursor.map(|cursor| cursors.open(&name, &cursor)).transpose();
        let before = before.map_err(Problem::invalid_query)?;
        let rows = self
            .query(move |connection| discrepancies::list(connection, open, provider.as_deref(), before, limit + 1))
            .await?;
        Ok(Page::from_surplus(rows, limit, |row: &Discrepancy| {
            cursors.seal(&name, &row.id)
        }))
    }
}

fn unreachable(failure: ProviderFailure) -> Fault {
    Fault::unavailable(failure.to_string())
}
