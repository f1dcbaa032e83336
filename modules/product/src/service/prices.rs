//! Many prices in one request and one transaction. What one of them does wrong leaves it out.

use std::collections::{HashMap, HashSet};

use database::Failure;
use diesel::PgConnection;
use kernel::http::{Answer, Call};
use kernel::id::{ProductId, UserId};
use kernel::{Currency, FieldErrors, Problem};
use product_api::ProductError;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Service, editing};
use crate::domain::SCHEMA;
use crate::domain::bulk::{BulkPrices, BulkPricesOutcome, PriceChange, PriceOutcome, check_count};
use crate::domain::draft::check_currency;
use crate::domain::listing::ListedVariant;
use crate::domain::plan::{Change, Stored};
use crate::queries::writing::Stamp;
use crate::queries::{arranged, categories, products};

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// Changes prices: all that can be, in one transaction. Each product's version is raised once.
    pub(crate) async fn bulk_prices(
        &self,
        bulk: BulkPrices,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<BulkPricesOutcome>, ProductError> {
        check_count("/prices", bulk.prices.len()).map_err(ProductError::Invalid)?;
        let (stamp, currency) = (self.stamp(actor), self.currency);
        let now = stamp.now;
        let work = move |connection: &mut PgConnection| {
            let results = carry_out(connection, &bulk.prices, currency, &stamp)?;
            Ok(BulkPricesOutcome { results })
        };
        let answer = self.db.once(SCHEMA, call, 200, now, work).await?;
        if let Answer::Fresh(outcome) = &answer {
            let products = outcome.results.iter().filter_map(|result| result.product_id);
            self.show(products.map(|id| id.uuid()).collect()).await;
        }
        Ok(answer)
    }
}

/// The variants of the products in question, as they are to be.
struct Shelf {
    before: HashMap<Uuid, Stored>,
    after: HashMap<Uuid, Stored>,
    /// Which product and which of its variants an id is.
    places: HashMap<Uuid, (Uuid, usize)>,
    seen: HashSet<Uuid>,
    currency: Currency,
}

fn carry_out(
    connection: &mut PgConnection,
    raw: &[Box<RawValue>],
    currency: Currency,
    stamp: &Stamp,
) -> Work<Vec<PriceOutcome>> {
    let prices: Vec<Result<PriceChange, Problem>> = raw.iter().map(|raw| PriceChange::parse(raw)).collect();
    categories::hold_tree(connection)?;
    let variants = prices.iter().flatten().map(|price| price.variant_id.uuid()).collect();
    let owners = arranged::products_of(connection, variants)?;
    let mut shelf = Shelf::of(products::lock(connection, owners)?, currency);
    let mut outcomes = Vec::with_capacity(prices.len());
    for price in prices {
        outcomes.push(match price {
            Err(problem) => PriceOutcome::refused(None, &problem),
            Ok(price) => {
                let variant = price.variant_id;
                match shelf.set(price) {
                    Err(error) => PriceOutcome::refused(Some(variant), &error.into()),
                    Ok(product) => PriceOutcome {
                        status: 200,
                        variant_id: Some(variant),
                        product_id: Some(product),
                        version: None,
                        problem: None,
                    },
                }
            }
        });
    }
    let plan = editing::write(connection, shelf.changes(), stamp)?;
    let edited: HashSet<Uuid> = plan.update_products.iter().map(|(id, _)| *id).collect();
    for outcome in &mut outcomes {
        let before = outcome.product_id.and_then(|id| shelf.before.get(&id.uuid()));
        outcome.version = before.map(|before| before.version + i64::from(edited.contains(&before.id)));
    }
    Ok(outcomes)
}

impl Shelf {
    fn of(stored: Vec<Stored>, currency: Currency) -> Self {
        let mut places = HashMap::new();
        for product in &stored {
            let ids = product.listing.variants.iter().map(|variant| variant.id).enumerate();
            places.extend(ids.filter_map(|(index, id)| Some((id?, (product.id, index)))));
        }
        let before: HashMap<Uuid, Stored> = stored.into_iter().map(|stored| (stored.id, stored)).collect();
        Self {
            after: before.clone(),
            before,
            places,
            seen: HashSet::new(),
            currency,
        }
    }

    /// Sets the price of a variant; answers which product it is of.
    fn set(&mut self, price: PriceChange) -> Result<ProductId, ProductError> {
        let id = price.variant_id.uuid();
        let missing = || ProductError::NotFound("variant".to_owned());
        let (product, index) = *self.places.get(&id).ok_or_else(missing)?;
        let variant = self
            .after
            .get_mut(&product)
            .and_then(|stored| stored.listing.variants.get_mut(index));
        let variant = variant.ok_or_else(missing)?;
        if !self.seen.insert(id) {
            let detail = "an earlier price is about this variant";
            return Err(ProductError::Invalid(FieldErrors::one(
                "/variant_id",
                "duplicate",
                detail,
            )));
        }
        let changed = priced(variant, price, self.currency).map_err(ProductError::Invalid)?;
        *variant = changed;
        Ok(product.into())
    }

    fn changes(&mut self) -> Vec<Change> {
        let after = std::mem::take(&mut self.after).into_values();
        let change = |after: Stored| Change {
            before: self.before.get(&after.id).cloned(),
            after: after.listing,
        };
        after.map(change).collect()
    }
}

/// A variant with another price.
fn priced(variant: &ListedVariant, change: PriceChange, currency: Currency) -> Result<ListedVariant, FieldErrors> {
    let mut changed = variant.clone();
    let before = variant
        .compare_at_price
        .map(|amount| kernel::Money::new(amount, currency));
    let compare_at_price = change.compare_at_price.apply(before);
    let mut errors = FieldErrors::new();
    check_currency(&mut errors, "/price", Some(change.price), currency);
    check_currency(&mut errors, "/compare_at_price", compare_at_price, currency);
    changed.price = change.price.amount;
    changed.compare_at_price = compare_at_price.map(|price| price.amount);
    changed.check_amounts(&mut errors, "");
    errors.into_result()?;
    Ok(changed)
}
