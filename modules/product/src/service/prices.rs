//! Many prices in one request and one transaction. What one of them does wrong leaves it out.

use std::collections::{HashMap, HashSet};

use database::Failure;
use diesel::PgConnection;
use kernel::http::{Answer, Call};
use kernel::id::{ProductId, UserId};
use kernel::{Currencies, Currency, FieldErrors, Money, Problem};
use product_api::ProductError;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Service, editing};
use crate::domain::SCHEMA;
use crate::domain::bulk::{BulkPrices, BulkPricesOutcome, PriceChange, PriceOutcome, check_count};
use crate::domain::further_price::{self, FurtherPrice, WrittenPrice};
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
        let (stamp, currencies) = (self.stamp(actor), self.currencies.clone());
        let now = stamp.now;
        let work = move |connection: &mut PgConnection| {
            let results = carry_out(connection, &bulk.prices, &currencies, &stamp)?;
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
    seen: HashSet<(Uuid, Currency, i64)>,
    currencies: Currencies,
}

fn carry_out(
    connection: &mut PgConnection,
    raw: &[Box<RawValue>],
    currencies: &Currencies,
    stamp: &Stamp,
) -> Work<Vec<PriceOutcome>> {
    let prices: Vec<Result<PriceChange, Problem>> = raw.iter().map(|raw| PriceChange::parse(raw)).collect();
    categories::hold_tree(connection)?;
    let variants = prices.iter().flatten().map(|price| price.variant_id.uuid()).collect();
    let owners = arranged::products_of(connection, variants)?;
    let mut shelf = Shelf::of(products::lock(connection, owners)?, currencies.clone());
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
    fn of(stored: Vec<Stored>, currencies: Currencies) -> Self {
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
            currencies,
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
        if !self.seen.insert((id, price.price.currency, price.min_quantity)) {
            let detail = "an earlier price is about this variant, currency and quantity";
            return Err(ProductError::Invalid(FieldErrors::one(
                "/variant_id",
                "duplicate",
                detail,
            )));
        }
        let changed = priced(variant, &price, &self.currencies).map_err(ProductError::Invalid)?;
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

/// A variant with another price: its own, or a further one.
fn priced(
    variant: &ListedVariant,
    change: &PriceChange,
    currencies: &Currencies,
) -> Result<ListedVariant, FieldErrors> {
    let (currency, mut changed) = (change.price.currency, variant.clone());
    let is_own = currency == currencies.main() && change.min_quantity == 1;
    let mut further = changed.prices.take().unwrap_or_default();
    let is_same = |price: &FurtherPrice| price.currency == currency && price.min_quantity == change.min_quantity;
    let place = further.iter().position(is_same);
    let before = match place.and_then(|place| further.get(place)) {
        _ if is_own => variant.compare_at_price,
        other => other.and_then(|price| price.compare_at),
    };
    let written = WrittenPrice {
        min_quantity: change.min_quantity,
        price: change.price,
        compare_at_price: change
            .compare_at_price
            .clone()
            .apply(before.map(|amount| Money::new(amount, currency))),
    };
    let mut errors = FieldErrors::new();
    written.check(currencies, &mut errors, "");
    match place {
        _ if is_own => {
            changed.price = written.price.amount;
            changed.compare_at_price = written.compare_at_price.map(|price| price.amount);
        }
        Some(place) => further
            .splice(place..=place, [FurtherPrice::from(&written)])
            .for_each(drop),
        None => further.push(FurtherPrice::from(&written)),
    }
    further_price::check(&further, currencies.main(), &mut errors, "/min_quantity");
    changed.prices = Some(further_price::in_order(further));
    errors.into_result()?;
    Ok(changed)
}
