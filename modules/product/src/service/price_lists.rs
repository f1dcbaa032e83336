//! Price lists. Prices that are written on one are offered at once; what editing or deleting one means for them is carried
//! over by a job (see `repricing`).

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use database::{Failure, OrRefuse};
use diesel::PgConnection;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::{PriceListId, ProductId, VariantId};
use kernel::page::Page;
use kernel::{FieldErrors, Problem};
use product_api::ProductError;
use uuid::Uuid;

use super::repricing::carry_over;
use super::{Service, allow};
use crate::domain::SCHEMA;
use crate::domain::bulk::check_count;
use crate::domain::price_list::{
    ListPrice, ListPriceChange, ListPriceOutcome, ListPrices, ListPricesOutcome, NewPriceList, PriceList,
    PriceListPatch, Steps,
};
use crate::queries::{categories, price_lists, products, repricing};

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// A page of price lists.
    pub(crate) async fn list_price_lists(
        &self,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<PriceList>, ProductError> {
        const LIST: &str = "price-lists";
        let after: Uuid = self.opened(LIST, cursor)?.unwrap_or_default();
        let rows = self
            .db
            .run(move |connection| Ok::<_, Failure<ProductError>>(price_lists::page(connection, after, limit + 1)?))
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(LIST, &last.id.uuid())
        }))
    }

    /// A price list by its id.
    pub(crate) async fn find_price_list(&self, id: PriceListId) -> Result<PriceList, ProductError> {
        self.db
            .run(move |connection| {
                price_lists::find(connection, id.uuid())?
                    .ok_or_else(missing)
                    .or_refuse()
            })
            .await
    }

    /// Adds a price list without prices.
    pub(crate) async fn create_price_list(
        &self,
        new: NewPriceList,
        call: Option<Call>,
    ) -> Result<Answer<PriceList>, ProductError> {
        let (now, currencies) = (self.clock.now(), self.currencies.clone());
        let work = move |connection: &mut PgConnection| {
            let list = new
                .into_list(&currencies, now)
                .map_err(ProductError::Invalid)
                .or_refuse()?;
            price_lists::insert(connection, &list)?;
            Ok(list)
        };
        self.db.once(SCHEMA, call, 201, now, work).await
    }

    /// Changes a price list. The job carries over what that means for its prices.
    pub(crate) async fn update_price_list(
        &self,
        id: PriceListId,
        patch: PriceListPatch,
        condition: IfMatch,
    ) -> Result<PriceList, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            let before = lock(connection, id, &condition)?;
            let after = patch
                .apply(before.clone(), now)
                .map_err(ProductError::Invalid)
                .or_refuse()?;
            price_lists::update(connection, &after)?;
            if after.offers_otherwise_than(&before) {
                repricing::begin(connection, after.id, now)?;
            }
            Ok(after)
        };
        let list = self.db.transaction(work).await?;
        self.relisted.wake();
        Ok(list)
    }

    /// Takes a price list away. The job takes its prices out of what is offered.
    pub(crate) async fn delete_price_list(&self, id: PriceListId, condition: IfMatch) -> Result<(), ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            lock(connection, id, &condition)?;
            Ok(price_lists::delete(connection, id.uuid(), now)?)
        };
        self.db.transaction(work).await?;
        self.relisted.wake();
        Ok(())
    }

    /// A page of the prices on a list.
    pub(crate) async fn list_list_prices(
        &self,
        id: PriceListId,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<ListPrice>, ProductError> {
        let name = format!("price-lists/{id}");
        let after: (Uuid, i64) = self.opened(&name, cursor)?.unwrap_or_default();
        let work = move |connection: &mut PgConnection| {
            let list = price_lists::find(connection, id.uuid())?
                .ok_or_else(missing)
                .or_refuse()?;
            let rows = price_lists::prices(connection, id, list.currency, after, limit + 1)?;
            Ok::<_, Failure<ProductError>>(rows)
        };
        let rows = self.db.run(work).await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(&name, &(last.variant_id.uuid(), last.min_quantity))
        }))
    }

    /// Puts prices on a list and takes others off it: all that can be, in one transaction, with what follows for what is
    /// offered.
    pub(crate) async fn write_list_prices(
        &self,
        id: PriceListId,
        prices: ListPrices,
        condition: IfMatch,
        call: Option<Call>,
    ) -> Result<Answer<ListPricesOutcome>, ProductError> {
        check_count("/prices", prices.prices.len()).map_err(ProductError::Invalid)?;
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            categories::hold_tree(connection)?;
            let list = price_lists::hold(connection, id.uuid())?
                .ok_or_else(missing)
                .or_refuse()?;
            allow(&condition, list.version)?;
            let results = write_prices(connection, &list, &prices, now)?;
            Ok(ListPricesOutcome { results })
        };
        let answer = self.db.once(SCHEMA, call, 200, now, work).await?;
        if let Answer::Fresh(outcome) = &answer {
            let products = outcome.results.iter().filter_map(|result| result.product_id);
            self.show(products.map(ProductId::uuid).collect()).await;
        }
        Ok(answer)
    }
}

fn write_prices(
    connection: &mut PgConnection,
    list: &PriceList,
    prices: &ListPrices,
    now: DateTime<Utc>,
) -> Work<Vec<ListPriceOutcome>> {
    let parsed: Vec<Result<ListPriceChange, Problem>> = prices
        .prices
        .iter()
        .map(|raw| ListPriceChange::parse(raw, list.currency))
        .collect();
    let named = parsed.iter().flatten().map(|change| change.variant_id.uuid());
    let known = price_lists::owners(connection, named.collect())?;
    // Held before they are written, so that whoever edits a product meanwhile sees the prices, or is seen; and before the
    // steps are counted, so that of two who add some the second counts those of the first.
    products::hold(connection, known.values().copied().collect())?;
    let mut steps = price_lists::steps(connection, list.id, known.keys().copied().collect())?;
    let mut seen = HashSet::new();
    let mut accepted = Vec::with_capacity(parsed.len());
    let mut outcomes = Vec::with_capacity(parsed.len());
    for change in &parsed {
        outcomes.push(match change {
            Err(problem) => ListPriceOutcome::refused(None, problem),
            Ok(change) => match admit(change, &known, &mut seen, &mut steps) {
                Err(error) => ListPriceOutcome::refused(Some(change), &error.into()),
                Ok(product) => {
                    accepted.push(change);
                    ListPriceOutcome::done(change, product)
                }
            },
        });
    }
    price_lists::write(connection, list.id, &accepted)?;
    let mut variants: Vec<Uuid> = accepted.iter().map(|change| change.variant_id.uuid()).collect();
    variants.dedup();
    carry_over(connection, variants, now)?;
    Ok(outcomes)
}

/// The product of a change that can be carried out.
fn admit(
    change: &ListPriceChange,
    known: &HashMap<Uuid, Uuid>,
    seen: &mut HashSet<(VariantId, i64)>,
    steps: &mut Steps,
) -> Result<ProductId, ProductError> {
    if !seen.insert((change.variant_id, change.min_quantity)) {
        let detail = "an earlier price is about this variant and quantity";
        let errors = FieldErrors::one("/variant_id", "duplicate", detail);
        return Err(ProductError::Invalid(errors));
    }
    let missing = || ProductError::NotFound("variant".to_owned());
    let product = known.get(&change.variant_id.uuid()).ok_or_else(missing)?;
    steps.change(change).map_err(ProductError::Invalid)?;
    Ok((*product).into())
}

fn lock(connection: &mut PgConnection, id: PriceListId, condition: &IfMatch) -> Work<PriceList> {
    let stored = price_lists::lock(connection, id.uuid())?
        .ok_or_else(missing)
        .or_refuse()?;
    allow(condition, stored.version)?;
    Ok(stored)
}

fn missing() -> ProductError {
    ProductError::NotFound("price list".to_owned())
}
