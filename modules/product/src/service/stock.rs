//! What staff do to the stock.

use database::{OrRefuse, refuse};
use diesel::PgConnection;
use kernel::FieldErrors;
use kernel::http::{Answer, Call};
use kernel::id::{UserId, VariantId};
use product_api::{ProductError, Shortage};

use super::Service;
use super::editing::publish;
use crate::domain::SCHEMA;
use crate::domain::stock::{MAX_STOCK, NewAdjustment, StockLevel};
use crate::queries::stock;

impl Service {
    /// The stock of a variant.
    pub(crate) async fn stock(&self, variant: VariantId) -> Result<StockLevel, ProductError> {
        let missing = || ProductError::NotFound("variant".to_owned());
        let work = move |connection: &mut PgConnection| {
            stock::level(connection, variant.uuid())?
                .ok_or_else(missing)
                .or_refuse()
        };
        self.db.run(work).await
    }

    /// Corrects the stock of a variant. What is promised to orders cannot be taken away.
    pub(crate) async fn adjust_stock(
        &self,
        new: NewAdjustment,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<StockLevel>, ProductError> {
        new.check().map_err(ProductError::Invalid)?;
        let stamp = self.stamp(actor);
        let now = stamp.now;
        let work = move |connection: &mut PgConnection| {
            let id = new.variant_id.uuid();
            let adjusted = stock::adjust(connection, id, new.delta, &new.reason, &stamp)?;
            let level = stock::level(connection, id)?;
            let level = level
                .ok_or_else(|| ProductError::NotFound("variant".to_owned()))
                .or_refuse()?;
            if !adjusted && new.delta > 0 {
                let detail = format!("there may be at most {MAX_STOCK}");
                return refuse(ProductError::Invalid(FieldErrors::one(
                    "/delta",
                    "out_of_range",
                    detail,
                )));
            }
            if !adjusted {
                return refuse(ProductError::InsufficientStock(vec![Shortage {
                    variant_id: new.variant_id,
                    requested: new.delta.saturating_neg(),
                    available: level.available,
                }]));
            }
            publish(connection, &[level.product_id.uuid()], now)?;
            Ok(level)
        };
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        self.availability.outdate();
        Ok(answer)
    }
}
