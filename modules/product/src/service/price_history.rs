//! What variants have cost.

use chrono::{DateTime, Utc};
use database::{Failure, OrRefuse};
use diesel::PgConnection;
use kernel::Currency;
use kernel::id::VariantId;
use kernel::page::Page;
use product_api::ProductError;

use super::Service;
use crate::domain::price_history::PastPrice;
use crate::queries::{price_history, products};

impl Service {
    /// What one of a variant has cost everybody in a currency, newest first.
    pub(crate) async fn list_price_history(
        &self,
        id: VariantId,
        currency: Option<Currency>,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<PastPrice>, ProductError> {
        let currency = self.shown_in(currency)?.unwrap_or(self.currencies.main());
        let list = format!("variants/{id}/price-history/{currency}");
        // Of the present price, which has no end, the cursor says `null`.
        let after: Option<Option<DateTime<Utc>>> = self.opened(&list, cursor)?;
        let work = move |connection: &mut PgConnection| {
            products::product_of(connection, id.uuid())?
                .ok_or_else(|| ProductError::NotFound("variant".to_owned()))
                .or_refuse()?;
            let mut rows = match after {
                None => price_history::present(connection, id.uuid(), currency)?,
                Some(_) => Vec::new(),
            };
            rows.extend(price_history::page(
                connection,
                id.uuid(),
                currency,
                after.flatten(),
                limit + 1,
            )?);
            Ok::<_, Failure<ProductError>>(rows)
        };
        let rows = self.db.run(work).await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(&list, &last.ends_at)
        }))
    }
}
