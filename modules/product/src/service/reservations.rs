//! What siblings may ask: quotes, and stock set aside, sold and given back.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use database::{Failure, refuse};
use diesel::PgConnection;
use kernel::id::{CustomerGroupId, ReservationId, RestockId, VariantId};
use kernel::{Currency, Fault, FieldErrors, Locale};
use product_api::{Demand, ProductApi, ProductError, Quote, Reservation};
use uuid::Uuid;

use super::Service;
use crate::domain::allocation::{Demands, Part};
use crate::domain::restock::give_back;
use crate::domain::stock::sum;
use crate::queries::quotes::Enquiry;
use crate::queries::reserving::{self, Wanted};
use crate::queries::{self, reservations, restocking};

/// How often a step is tried again that met another of the same reservation half-way.
const TRIES: usize = 5;

#[async_trait]
impl ProductApi for Service {
    async fn quote(
        &self,
        variants: Vec<VariantId>,
        currency: Currency,
        locale: Option<Locale>,
        group: Option<CustomerGroupId>,
    ) -> Result<Vec<Quote>, ProductError> {
        let spoken = locale.filter(|locale| self.locales.check(locale).is_ok());
        let enquiry = Enquiry {
            variants: variants.into_iter().map(VariantId::uuid).collect(),
            currency,
            is_further: currency != self.currencies.main(),
            group: group.map(CustomerGroupId::uuid),
            fallbacks: spoken.map(|locale| self.locales.fallbacks(&locale)).unwrap_or_default(),
            now: self.clock.now(),
        };
        let mut quotes = self.quotes.run(enquiry).await?;
        if !self.currencies.has(currency) {
            // A cart may be in a currency that the shop has given up since: what variants cost in it is kept, but not asked.
            quotes.iter_mut().for_each(|quote| quote.prices.clear());
        }
        Ok(quotes)
    }

    async fn reserve(&self, reservation: ReservationId, demands: Vec<Demand>) -> Result<(), ProductError> {
        let demands = sum(&demands).map_err(ProductError::Invalid)?;
        let wanted = Wanted {
            id: reservation.uuid(),
            demands,
            now: self.clock.now(),
        };
        if self.reserve_with_others(&wanted).await? {
            return Ok(());
        }
        // There is too little for all that asked at the same moment, or this is a repeat: looked at by itself. Most that
        // get here are too late, and hold nothing up.
        let asked = wanted.clone();
        let open = self.db.run(move |connection| what_is_open(connection, &asked)).await?;
        match open {
            None => Ok(()),
            Some(parts) => {
                let variants = parts.iter().map(|part| part.variant).collect();
                self.db
                    .transaction(move |connection| reserve(connection, &wanted, variants))
                    .await
            }
        }
    }

    async fn commit_all(&self, reservations: Vec<ReservationId>) -> Result<Vec<ReservationId>, ProductError> {
        let ids = reservations.into_iter().map(ReservationId::uuid).collect();
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| Ok(reservations::commit(connection, ids, now)?);
        self.db.run(work).await
    }

    async fn release(&self, reservation: ReservationId) -> Result<(), ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            for _ in 0..TRIES {
                if reservations::release(connection, reservation.uuid(), now)? {
                    return Ok(());
                }
            }
            refuse(ProductError::Fault(Fault::unavailable("the reservation is being made")))
        };
        self.db.run(work).await
    }

    async fn restock(
        &self,
        reservation: ReservationId,
        restock: RestockId,
        demands: Vec<Demand>,
    ) -> Result<(), ProductError> {
        let demands = sum(&demands).map_err(ProductError::Invalid)?;
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            put_back(connection, reservation.uuid(), restock.uuid(), &demands, now)
        };
        self.db.transaction(work).await
    }

    async fn reservations(&self, after: Option<ReservationId>, limit: i64) -> Result<Vec<Reservation>, ProductError> {
        let after = after.map_or(Uuid::nil(), ReservationId::uuid);
        self.db
            .run(move |connection| Ok(reservations::live(connection, after, limit.clamp(1, 1000))?))
            .await
    }
}

impl Service {
    /// Reserves together with the orders of the same moment. Where several locations serve orders, which is known from the
    /// last time, what they have is read first.
    async fn reserve_with_others(&self, wanted: &Wanted) -> Result<bool, Fault> {
        if !self.are_several.load(Ordering::Relaxed) {
            let attempt = self.reservations.run(wanted.clone()).await?;
            self.are_several.store(attempt.are_several, Ordering::Relaxed);
            if attempt.is_made || !attempt.are_several {
                return Ok(attempt.is_made);
            }
        }
        let attempt = self.allocations.run(wanted.clone()).await?;
        self.are_several.store(attempt.are_several, Ordering::Relaxed);
        Ok(attempt.is_made)
    }
}

/// The parts that an order could take now; `None` where it has them already.
fn what_is_open(connection: &mut PgConnection, wanted: &Wanted) -> Result<Option<Vec<Part>>, Failure<ProductError>> {
    // Whether this is a repeat counts more than what is left by now: the first time may have taken the last ones.
    match reservations::state(connection, wanted.id)?.as_deref() {
        Some("reserved" | "committed") => return Ok(None),
        Some(_) => return refuse(ProductError::NotFound("reservation".to_owned())),
        None => (),
    }
    let variants = wanted.demands.keys().copied().collect();
    match reserving::levels(connection, variants, wanted.now)?.allocate(&wanted.demands) {
        Ok(parts) => Ok(Some(parts)),
        Err(shortages) => refuse(ProductError::InsufficientStock(shortages)),
    }
}

/// Puts `demands` back, once for each restock.
fn put_back(
    connection: &mut PgConnection,
    reservation: Uuid,
    restock: Uuid,
    demands: &Demands,
    now: DateTime<Utc>,
) -> Result<(), Failure<ProductError>> {
    let variants = restocking::variants(connection, reservation)?;
    queries::stock::hold(connection, variants.clone())?;
    match restocking::hold(connection, reservation)?.as_deref() {
        Some("committed") => (),
        Some("released") => return Ok(()),
        _ => return refuse(ProductError::NotFound("sale".to_owned())),
    }
    if !restocking::note(connection, restock, reservation, now)? {
        return Ok(());
    }
    let sold = restocking::sold(connection, reservation)?;
    // A bundle was sold as its components: as it consists of them today.
    let bundles = demands.keys().filter(|variant| !variants.contains(variant)).copied();
    let components = restocking::components(connection, bundles.collect())?;
    let mut parts = Demands::new();
    for (variant, quantity) in demands {
        let of_bundle = components.iter().filter(|(bundle, ..)| bundle == variant);
        let out = |component: &Uuid| {
            let taken = sold.iter().filter(|line| line.variant == *component);
            let taken: i64 = taken.map(|line| line.quantity - line.returned).sum();
            taken - parts.get(component).copied().unwrap_or_default()
        };
        let of_bundle: Vec<(Uuid, i64)> = of_bundle
            .map(|(_, component, each)| (*component, (each * quantity).min(out(component))))
            .collect();
        let wanted = match of_bundle.is_empty() {
            true => vec![(*variant, *quantity)],
            false => of_bundle,
        };
        for (variant, quantity) in wanted.into_iter().filter(|(_, quantity)| *quantity > 0) {
            *parts.entry(variant).or_default() += quantity;
        }
    }
    match give_back(&sold, &parts) {
        Ok(parts) => Ok(restocking::put_back(connection, restock, reservation, &parts, now)?),
        Err(variant) => {
            let detail = format!("fewer of {} were sold", VariantId::from(variant));
            refuse(ProductError::Invalid(FieldErrors::one("/demands", "too_many", detail)))
        }
    }
}

/// Reserves while nobody else has the stock of `variants`, which are what the order takes.
fn reserve(connection: &mut PgConnection, wanted: &Wanted, variants: Vec<Uuid>) -> Result<(), Failure<ProductError>> {
    queries::stock::hold(connection, variants)?;
    for _ in 0..TRIES {
        let Some(parts) = what_is_open(connection, wanted)? else {
            return Ok(());
        };
        if reserving::reserve(connection, wanted, &parts)? {
            return Ok(());
        }
    }
    refuse(ProductError::Fault(Fault::unavailable("the reservation is being made")))
}
