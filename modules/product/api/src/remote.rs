//! The product module over the wire: both ends of each call.

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use async_trait::async_trait;
use kernel::id::{CustomerGroupId, ReservationId, RestockId, VariantId};
use kernel::remote::{Remote, Repeat, answer};
use kernel::{Currency, Locale};

use crate::{Demand, ProductApi, ProductError, Quote, Reservation};

const MODULE: &str = "product";

/// The product module in other processes.
#[derive(Clone)]
pub struct RemoteProduct(Remote);

impl RemoteProduct {
    /// The module that `remote` calls.
    pub fn new(remote: Remote) -> Self {
        Self(remote)
    }
}

#[async_trait]
impl ProductApi for RemoteProduct {
    async fn quote(
        &self,
        variants: Vec<VariantId>,
        currency: Currency,
        locale: Option<Locale>,
        group: Option<CustomerGroupId>,
    ) -> Result<Vec<Quote>, ProductError> {
        self.0
            .call("quote", &(variants, currency, locale, group), Repeat::Yes)
            .await
    }

    async fn reserve(&self, reservation: ReservationId, demands: Vec<Demand>) -> Result<(), ProductError> {
        self.0.call("reserve", &(reservation, demands), Repeat::Yes).await
    }

    async fn commit_all(&self, reservations: Vec<ReservationId>) -> Result<Vec<ReservationId>, ProductError> {
        self.0.call("commit-all", &reservations, Repeat::Yes).await
    }

    async fn release(&self, reservation: ReservationId) -> Result<(), ProductError> {
        self.0.call("release", &reservation, Repeat::Yes).await
    }

    async fn restock(
        &self,
        reservation: ReservationId,
        restock: RestockId,
        demands: Vec<Demand>,
    ) -> Result<(), ProductError> {
        self.0
            .call("restock", &(reservation, restock, demands), Repeat::Yes)
            .await
    }

    async fn reservations(&self, after: Option<ReservationId>, limit: i64) -> Result<Vec<Reservation>, ProductError> {
        self.0.call("reservations", &(after, limit), Repeat::Yes).await
    }
}

/// Mounts the module for siblings in other processes.
pub fn serve(config: &mut ServiceConfig, module: &Arc<dyn ProductApi>) {
    answer(
        config,
        MODULE,
        "quote",
        module,
        |this, (variants, currency, locale, group)| async move { this.quote(variants, currency, locale, group).await },
    );
    answer(
        config,
        MODULE,
        "reserve",
        module,
        |this, (reservation, demands)| async move { this.reserve(reservation, demands).await },
    );
    answer(config, MODULE, "commit-all", module, |this, reservations| async move {
        this.commit_all(reservations).await
    });
    answer(config, MODULE, "release", module, |this, reservation| async move {
        this.release(reservation).await
    });
    answer(
        config,
        MODULE,
        "restock",
        module,
        |this, (reservation, restock, demands)| async move { this.restock(reservation, restock, demands).await },
    );
    answer(
        config,
        MODULE,
        "reservations",
        module,
        |this, (after, limit)| async move { this.reservations(after, limit).await },
    );
}
