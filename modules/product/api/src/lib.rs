//! What siblings may ask of the product module, and what it tells them.

pub mod remote;
mod tax_class;

use async_trait::async_trait;
use kernel::event::Payload;
use kernel::id::{CategoryId, CollectionId, CustomerGroupId, ProductId, ReservationId, RestockId, VariantId};
use kernel::{Currency, Fault, FieldErrors, Locale, Money, Problem};
use serde::{Deserialize, Serialize};

pub use tax_class::{STANDARD_TAX_CLASS, TaxClass, TaxClassError};

/// The first segments of the module's public paths, under `/api/v1` and under `/api/v1/admin`.
pub const PREFIXES: &[&str] = &[
    "products",
    "product-types",
    "categories",
    "collections",
    "prices",
    "price-lists",
    "variants",
    "stock",
    "imports",
    "exports",
    "locations",
    "media",
    "search",
];

/// Those of [`PREFIXES`] whose answers a gateway may keep in its memory. Not those of `media`: a file is large, changes
/// never, and is kept by browsers and by whoever distributes files. Nor of `exports`, which are for staff and change nothing.
pub const CACHED_PREFIXES: &[&str] = &[
    "products",
    "product-types",
    "categories",
    "collections",
    "prices",
    "variants",
    "stock",
    "imports",
    "locations",
];

/// The product module, here or elsewhere.
#[async_trait]
pub trait ProductApi: Send + Sync {
    /// What `variants` cost members of `group`, or everybody, in `currency` right now, and how many there are. Their titles
    /// are told in `locale`, else, and where the shop does not speak that, in the shop's own language. Unknown variants are
    /// left out of the answer. Repeatable.
    async fn quote(
        &self,
        variants: Vec<VariantId>,
        currency: Currency,
        locale: Option<Locale>,
        group: Option<CustomerGroupId>,
    ) -> Result<Vec<Quote>, ProductError>;

    /// Sets stock aside for an order that is being paid: all of `demands` or nothing. Demands for one variant are
    /// summed, and a bundle takes its components. What there is too little of is told in terms of `demands`. Repeatable: the same reservation is made once; after a release it is refused as not found.
    async fn reserve(&self, reservation: ReservationId, demands: Vec<Demand>) -> Result<(), ProductError>;

    /// Turns reservations into sales: the stock leaves. Answers those that are sold, now or before; unknown and released
    /// ones are left out. Repeatable.
    async fn commit_all(&self, reservations: Vec<ReservationId>) -> Result<Vec<ReservationId>, ProductError>;

    /// Turns one reservation into a sale; refused as not found where there is none. Repeatable.
    async fn commit(&self, reservation: ReservationId) -> Result<(), ProductError> {
        match self.commit_all(vec![reservation]).await?.contains(&reservation) {
            true => Ok(()),
            false => Err(ProductError::NotFound("reservation".to_owned())),
        }
    }

    /// Gives back whatever a reservation holds: what is set aside becomes available, what was sold is restocked.
    /// Repeatable; releasing an unknown reservation succeeds, and forbids that it is ever made.
    async fn release(&self, reservation: ReservationId) -> Result<(), ProductError>;

    /// Puts goods of an order that was sold back where they were taken from: those that were returned, or taken off the
    /// order. Once for each `restock`. Refused as invalid where the order has taken fewer, and as not found while it has
    /// taken nothing yet; one that was released has given back everything, and that is that. Repeatable.
    async fn restock(
        &self,
        reservation: ReservationId,
        restock: RestockId,
        demands: Vec<Demand>,
    ) -> Result<(), ProductError>;

    /// The reservations that hold or have taken stock, in the order of their ids, after `after`; for verification.
    /// Repeatable.
    async fn reservations(&self, after: Option<ReservationId>, limit: i64) -> Result<Vec<Reservation>, ProductError>;
}

/// What a variant is and costs right now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The variant.
    pub variant: VariantId,
    /// Its product.
    pub product: ProductId,
    /// Stock keeping unit, where there is one.
    pub sku: Option<String>,
    /// The product's title.
    pub title: String,
    /// The variant's title, e.g. `S / Black`.
    pub variant_title: String,
    /// The product's first image.
    pub image_url: Option<String>,
    /// What one costs from each quantity on: from one, then from larger quantities, each cheaper than the one before. Empty
    /// where it is not sold in the currency asked for.
    pub prices: Vec<QuotedPrice>,
    /// How many can be sold now, those included that may be sold before they are there (backorders and pre-orders).
    pub available: i64,
    /// Whether it is on sale at all: neither deleted nor of a product that is a draft or archived.
    pub on_sale: bool,
    /// What promotions, shipping and taxes go by.
    pub traits: Traits,
}

/// What promotions, shipping and taxes go by, of a variant and of its product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// The product's category and all above it, from the root on; empty where it has none.
    pub categories: Vec<CategoryId>,
    /// The collections that the product is in, of every kind, published or not, in the order of their ids.
    pub collections: Vec<CollectionId>,
    /// The product's tags.
    pub tags: Vec<String>,
    /// The product's tax class.
    pub tax_class: TaxClass,
    /// What one weighs, 0 where nobody has said so. A bundle's is its own, and no sum.
    pub weight_grams: i64,
    /// Whether it has to be shipped at all.
    pub requires_shipping: bool,
}

impl Default for Traits {
    /// Those of a product of which nobody has said anything.
    fn default() -> Self {
        Self {
            categories: Vec::new(),
            collections: Vec::new(),
            tags: Vec::new(),
            tax_class: TaxClass::default(),
            weight_grams: 0,
            requires_shipping: true,
        }
    }
}

/// What one costs from a quantity on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedPrice {
    /// From how many on.
    pub min_quantity: i64,
    /// What one then costs.
    pub unit_price: Money,
}

impl Quote {
    /// What one costs where `quantity` are bought; `None` where it is not sold in the currency asked for.
    pub fn unit_price(&self, quantity: i64) -> Option<Money> {
        let held = self.prices.iter().filter(|price| price.min_quantity <= quantity);
        held.max_by_key(|price| price.min_quantity)
            .map(|price| price.unit_price)
    }
}

/// How many of a variant an order needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// The variant.
    pub variant: VariantId,
    /// How many, at least 1.
    pub quantity: i64,
}

/// A variant of which there is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Shortage {
    /// The variant.
    pub variant_id: VariantId,
    /// How many were asked for.
    pub requested: i64,
    /// How many there are.
    pub available: i64,
}

/// A line of a count whose stock is no longer what it was when the counting began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StaleCount {
    /// The variant.
    pub variant_id: VariantId,
    /// How many there were to be.
    pub expected_on_hand: i64,
    /// How many there are.
    pub on_hand: i64,
}

/// What an order holds of the stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its id, chosen by the order.
    pub id: ReservationId,
    /// How far it is.
    pub state: ReservationState,
}

/// How far a reservation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// Stock is set aside.
    Reserved,
    /// Stock has left.
    Committed,
}

/// Why the product module refuses or fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ProductError {
    /// Unknown, or not for the caller to see.
    #[error("no such {0}")]
    NotFound(String),
    /// Fields are wrong.
    #[error("{0}")]
    Invalid(FieldErrors),
    /// Query parameters are wrong.
    #[error("{0}")]
    InvalidQuery(FieldErrors),
    /// There is not enough stock.
    #[error("not enough stock")]
    InsufficientStock(Vec<Shortage>),
    /// Stock was sold or moved since somebody began to count it.
    #[error("the stock has changed since it was counted")]
    StockChanged(Vec<StaleCount>),
    /// Another object has the handle, SKU or external id.
    #[error("another {0} has this value")]
    Taken(String),
    /// The object is still needed by others, e.g. a category with products.
    #[error("still in use: {0}")]
    InUse(String),
    /// The variant cannot become a bundle, because it has or had stock of its own; how far.
    #[error("a bundle has no stock of its own, but the variant {0}")]
    HasStock(String),
    /// What is to be stopped has ended by itself.
    #[error("the {0} has ended")]
    Ended(String),
    /// What is asked for is still being made.
    #[error("the {0} is not finished")]
    Unfinished(String),
    /// The resource has changed since the client read it; its present version.
    #[error("the resource is at version {0}")]
    VersionMismatch(i64),
    /// A technical failure.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Something that lists or details show of a product has changed: created, edited, deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProductChanged {
    /// The product.
    pub product: ProductId,
}

impl Payload for ProductChanged {
    const TYPE: &'static str = "product.changed";

    fn subject(&self) -> String {
        self.product.to_string()
    }
}

/// What can be bought of a product may have changed: a variant of it is sold out now or no longer, or there is another
/// number of it that a bundle needs. Visitors are told by no cache: sales are too many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AvailabilityChanged {
    /// The product.
    pub product: ProductId,
}

impl Payload for AvailabilityChanged {
    const TYPE: &'static str = "product.availability_changed";

    fn subject(&self) -> String {
        self.product.to_string()
    }
}

/// A category has changed: created, edited, deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CategoryChanged {
    /// The category.
    pub category: CategoryId,
}

impl Payload for CategoryChanged {
    const TYPE: &'static str = "category.changed";

    fn subject(&self) -> String {
        self.category.to_string()
    }
}

/// A collection has changed: created, edited, deleted, or filled with other products by the calendar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CollectionChanged {
    /// The collection.
    pub collection: CollectionId,
}

impl Payload for CollectionChanged {
    const TYPE: &'static str = "collection.changed";

    fn subject(&self) -> String {
        self.collection.to_string()
    }
}

/// What merchants say of the search has changed: lists may find other products, or the same ones in another order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SearchSettingsChanged {
    /// Counts the changes.
    pub revision: i64,
}

impl Payload for SearchSettingsChanged {
    const TYPE: &'static str = "search.settings_changed";

    fn subject(&self) -> String {
        self.revision.to_string()
    }
}

/// What is left of a variant, in all locations that serve orders together, has come down to the variant's threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLow {
    /// The variant.
    pub variant: VariantId,
    /// Its product.
    pub product: ProductId,
    /// How many are left.
    pub available: i64,
}

/// Nothing is left of a variant. It may still be sold where backorders are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockOut {
    /// The variant.
    pub variant: VariantId,
    /// Its product.
    pub product: ProductId,
    /// How many are left: 0, or fewer where some are sold already that are not there.
    pub available: i64,
}

/// There is something of a variant again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockBack {
    /// The variant.
    pub variant: VariantId,
    /// Its product.
    pub product: ProductId,
    /// How many there are.
    pub available: i64,
}

impl Payload for StockLow {
    const TYPE: &'static str = "stock.low";

    fn subject(&self) -> String {
        self.variant.to_string()
    }
}

impl Payload for StockOut {
    const TYPE: &'static str = "stock.out";

    fn subject(&self) -> String {
        self.variant.to_string()
    }
}

impl Payload for StockBack {
    const TYPE: &'static str = "stock.back";

    fn subject(&self) -> String {
        self.variant.to_string()
    }
}

impl From<ProductError> for Problem {
    fn from(error: ProductError) -> Self {
        let detail = error.to_string();
        match error {
            ProductError::NotFound(what) => Self::not_found(&what),
            ProductError::Invalid(errors) => Self::invalid(errors),
            ProductError::InvalidQuery(errors) => Self::invalid_query(errors),
            ProductError::InsufficientStock(lines) => Self::conflict("insufficient_stock", detail).with("lines", lines),
            ProductError::StockChanged(lines) => Self::conflict("stock_changed", detail).with("lines", lines),
            ProductError::Taken(_) => Self::conflict("already_taken", detail),
            ProductError::InUse(_) => Self::conflict("in_use", detail),
            ProductError::HasStock(_) => Self::conflict("has_stock", detail),
            ProductError::Ended(_) => Self::conflict("already_ended", detail),
            ProductError::Unfinished(_) => Self::conflict("not_finished", detail),
            ProductError::VersionMismatch(version) => kernel::http::precondition::precondition_failed(version),
            ProductError::Fault(fault) => fault.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind. The compiler misses a kind that is new in `next`.
    fn errors() -> Vec<ProductError> {
        let mut errors = vec![ProductError::NotFound("reservation".to_owned())];
        while let Some(error) = errors.last().and_then(next) {
            errors.push(error);
        }
        errors
    }

    fn next(error: &ProductError) -> Option<ProductError> {
        Some(match error {
            ProductError::NotFound(_) => ProductError::Invalid(FieldErrors::one("/a/0", "too_long", "is \"too\" long")),
            ProductError::Invalid(_) => ProductError::InvalidQuery(FieldErrors::one("limit", "out_of_range", "")),
            ProductError::InvalidQuery(_) => ProductError::InsufficientStock(vec![Shortage {
                variant_id: VariantId::generate(),
                requested: 3,
                available: 0,
            }]),
            ProductError::InsufficientStock(_) => ProductError::StockChanged(vec![StaleCount {
                variant_id: VariantId::generate(),
                expected_on_hand: 3,
                on_hand: 2,
            }]),
            ProductError::StockChanged(_) => ProductError::Taken("handle".to_owned()),
            ProductError::Taken(_) => ProductError::InUse("has products".to_owned()),
            ProductError::InUse(_) => ProductError::HasStock("has been sold".to_owned()),
            ProductError::HasStock(_) => ProductError::Ended("import".to_owned()),
            ProductError::Ended(_) => ProductError::Unfinished("export".to_owned()),
            ProductError::Unfinished(_) => ProductError::VersionMismatch(2),
            ProductError::VersionMismatch(_) => Fault::unavailable("down").into(),
            ProductError::Fault(Fault::Unavailable { .. }) => Fault::timeout("slow").into(),
            ProductError::Fault(Fault::Timeout { .. }) => Fault::internal("a bug").into(),
            ProductError::Fault(Fault::Internal { .. }) => return None,
        })
    }

    #[test]
    fn every_error_crosses_the_wire_whole() {
        for error in errors() {
            let sent: Result<(), ProductError> = Err(error);
            let text = serde_json::to_string(&sent).unwrap();
            let received: Result<(), ProductError> = serde_json::from_str(&text).unwrap();
            assert_eq!(received, sent, "{text}");
        }
    }
}
