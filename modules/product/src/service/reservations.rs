//! What siblings may ask: quotes, and stock set aside, sold and given back.

use async_trait::async_trait;
use database::{Failure, refuse};
use diesel::PgConnection;
use kernel::id::{ReservationId, VariantId};
use kernel::{Currency, Fault};
use product_api::{Demand, ProductApi, ProductError, Quote, Reservation};
use uuid::Uuid;

use super::Service;
use crate::domain::stock::sum;
use crate::queries::reservations::{self, Reserved, Wanted};

/// How often a step is tried again that met another of the same reservation half-way.
const TRIES: usize = 5;

#[async_trait]
impl ProductApi for Service {
    async fn quote(&self, variants: Vec<VariantId>, currency: Currency) -> Result<Vec<Quote>, ProductError> {
        let ids = variants.into_iter().map(VariantId::uuid).collect();
        Ok(self.quotes.run((ids, currency)).await?)
    }

    async fn reserve(&self, reservation: ReservationId, demands: Vec<Demand>) -> Result<(), ProductError> {
        let demands = sum(&demands).map_err(ProductError::Invalid)?;
        let wanted = Wanted {
            id: reservation.uuid(),
            demands,
            now: self.clock.now(),
        };
        if self.reservations.run(wanted.clone()).await? {
            return Ok(());
        }
        // There is too little for all that asked at the same moment, or this is a repeat: looked at by itself.
        self.db.run(move |connection| reserve(connection, &wanted)).await
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

    async fn reservations(&self, after: Option<ReservationId>, limit: i64) -> Result<Vec<Reservation>, ProductError> {
        let after = after.map_or(Uuid::nil(), ReservationId::uuid);
        self.db
            .run(move |connection| Ok(reservations::live(connection, after, limit.clamp(1, 1000))?))
            .await
    }
}

fn reserve(connection: &mut PgConnection, wanted: &Wanted) -> Result<(), Failure<ProductError>> {
    for _ in 0..TRIES {
        let shortages = match reservations::reserve(connection, wanted)? {
            Reserved::Made => return Ok(()),
            Reserved::Refused(shortages) => shortages,
        };
        // Whether this is a repeat counts more than what is left by now: the first time may have taken the last ones.
        match reservations::state(connection, wanted.id)?.as_deref() {
            Some("reserved" | "committed") => return Ok(()),
            Some(_) => return refuse(ProductError::NotFound("reservation".to_owned())),
            None if !shortages.is_empty() => return refuse(ProductError::InsufficientStock(shortages)),
            None => (),
        }
    }
    refuse(ProductError::Fault(Fault::unavailable("the reservation is being made")))
}
