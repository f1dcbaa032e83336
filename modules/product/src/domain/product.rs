//! Products as the API shows them. Lists and details have one shape.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::id::{CategoryId, ProductId, ProductTypeId, VariantId};
use kernel::{Currency, Money};
use product_api::{Quote, QuotedPrice, TaxClass};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::attributes::AttributeValue;
use super::bundle::Component;
use super::further_price::WrittenPrice;
use super::image::ShownImage;
use super::listing::ProductOption;
use super::merchandising::Seo;
use super::pairs::Pairs;
use super::translation::Alternate;

/// How far a product is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// On sale and visible to everybody.
    #[default]
    Active,
    /// Not yet on sale.
    Draft,
    /// No longer on sale.
    Archived,
}

impl Status {
    /// Its name, as the database has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draft => "draft",
            Self::Archived => "archived",
        }
    }

    /// The status of a name; the database has no others.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            "draft" => Self::Draft,
            _ => Self::Archived,
        }
    }
}

/// A product.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) handle: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) brand: Option<String>,
    pub(crate) status: Status,
    pub(crate) category: Option<ProductCategory>,
    pub(crate) tags: Vec<String>,
    /// Text, numbers and truth values by name.
    #[schema(value_type = BTreeMap<String, AttributeValue>)]
    pub(crate) attributes: Box<RawValue>,
    #[schema(value_type = Vec<ShownImage>)]
    pub(crate) images: Box<RawValue>,
    #[schema(value_type = Vec<ProductOption>)]
    pub(crate) options: Box<RawValue>,
    pub(crate) variants: Vec<Variant>,
    /// What one costs everybody; `null` where no variant is sold in the currency that was asked for.
    pub(crate) price_range: Option<PriceRange>,
    pub(crate) in_stock: bool,
    pub(crate) seo: Seo,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// Only in lists, where `highlight` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) highlights: Option<Highlights>,
}

/// What of a product a search has found, as HTML: text is escaped, and words of the search are in `<mark>`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Highlights {
    pub(crate) title: String,
    /// The part of the description, about 200 characters, that has most of them; `…` stands where it is cut.
    pub(crate) description: String,
}

/// A product by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProductDetail {
    #[serde(flatten)]
    pub(crate) product: Product,
    /// The same page in the languages of the shop, where it speaks several; else left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alternates: Option<Vec<Alternate>>,
}

/// A product as staff see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdminProduct {
    #[serde(flatten)]
    pub(crate) product: Product,
    /// The edit version: what `If-Match` refers to. Sales do not change it.
    pub(crate) version: i64,
    /// The id in the system that the product was imported from.
    pub(crate) external_id: Option<String>,
    /// What `sort=newest` goes by.
    pub(crate) released_on: NaiveDate,
    pub(crate) product_type_id: Option<ProductTypeId>,
    /// When the product becomes active, if it is a draft then.
    pub(crate) publish_at: Option<DateTime<Utc>>,
    /// When the product becomes archived, if it is active then.
    pub(crate) unpublish_at: Option<DateTime<Utc>>,
    /// How it is taxed.
    pub(crate) tax_class: TaxClass,
}

/// The category of a product.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ProductCategory {
    pub(crate) id: CategoryId,
    pub(crate) handle: String,
    pub(crate) name: String,
    /// Names from the root to the category itself.
    pub(crate) path: Vec<String>,
}

/// What can be bought.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Variant {
    pub(crate) id: VariantId,
    pub(crate) sku: Option<String>,
    pub(crate) barcode: Option<String>,
    pub(crate) title: String,
    /// A value for each option of the product.
    #[schema(value_type = BTreeMap<String, String>)]
    pub(crate) options: Pairs<String>,
    /// What one costs everybody; `null` where it is not sold in the currency that was asked for. For staff: as it is
    /// written, whatever lists make of it.
    pub(crate) price: Option<Money>,
    /// The former or recommended price.
    pub(crate) compare_at_price: Option<Money>,
    /// Where the price is told to be reduced: the lowest price of the 30 days before the reduction began. Left out where
    /// nothing is reduced, or there was no price before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lowest_price_30_days: Option<Money>,
    /// What one costs from larger quantities on, each step cheaper than the one before; left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) price_tiers: Vec<PriceTier>,
    /// For staff: the prices in further currencies and from larger quantities on, as they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prices: Option<Vec<WrittenPrice>>,
    /// For staff: what one costs everybody now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current_price: Option<Money>,
    /// Whether it can be bought now.
    pub(crate) in_stock: bool,
    /// How many of those that are there can be bought now.
    pub(crate) available: i64,
    /// `true` where it can be bought though none is there; else left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub(crate) backorder: bool,
    /// Where it is sold before it is there; else left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preorder: Option<OpenPreorder>,
    /// What it consists of, where it is a bundle; else left out. A bundle is there as often as its components are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) components: Option<Vec<Component>>,
    /// What one weighs, 0 where nobody has said so. A bundle's is its own, whatever its components weigh.
    #[schema(minimum = 0, maximum = 10_000_000)]
    pub(crate) weight_grams: i64,
    /// For staff: whether it has to be shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requires_shipping: Option<bool>,
}

/// What one costs from a quantity on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PriceTier {
    #[schema(minimum = 1, maximum = 999)]
    pub(crate) min_quantity: i64,
    pub(crate) price: Money,
}

/// What the variants of a product cost a customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnPrices {
    pub(crate) currency: Currency,
    pub(crate) data: Vec<OwnPrice>,
}

/// What a variant costs a customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnPrice {
    pub(crate) variant_id: VariantId,
    /// What one costs; `null` where it is not sold in the currency.
    pub(crate) price: Option<Money>,
    /// What one costs from larger quantities on, each step cheaper than the one before.
    pub(crate) price_tiers: Vec<PriceTier>,
}

/// How products are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The day on which they are shown: pre-orders end.
    pub(crate) today: NaiveDate,
    pub(crate) prices: ShownPrices,
}

/// Which prices are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShownPrices {
    /// What everybody pays: in this further currency, or in the product's own.
    Public(Option<Currency>),
    /// As they are written, for staff.
    Written,
}

impl From<Quote> for OwnPrice {
    fn from(quote: Quote) -> Self {
        let tier = |price: &QuotedPrice| PriceTier {
            min_quantity: price.min_quantity,
            price: price.unit_price,
        };
        Self {
            variant_id: quote.variant,
            price: quote.unit_price(1),
            price_tiers: quote
                .prices
                .iter()
                .filter(|price| price.min_quantity > 1)
                .map(tier)
                .collect(),
        }
    }
}

impl View {
    /// What everybody is shown, in a further currency or in the products' own.
    pub(crate) fn public(today: NaiveDate, currency: Option<Currency>) -> Self {
        let prices = ShownPrices::Public(currency);
        Self { today, prices }
    }

    /// What staff are shown.
    pub(crate) fn staff(today: NaiveDate) -> Self {
        let prices = ShownPrices::Written;
        Self { today, prices }
    }
}

/// What a customer is told of a variant that is sold before it is there.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct OpenPreorder {
    /// The day from which it ships.
    pub(crate) ships_on: NaiveDate,
}

/// A variant as staff see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdminVariant {
    #[serde(flatten)]
    pub(crate) variant: Variant,
    pub(crate) product_id: ProductId,
    /// The edit version of the product: a variant is edited as a part of it.
    pub(crate) version: i64,
}

/// The lowest and the highest price.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PriceRange {
    pub(crate) min: Money,
    pub(crate) max: Money,
}

/// What is suggested while somebody types.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Suggestions {
    /// Ready-made searches.
    pub(crate) queries: Vec<String>,
    pub(crate) products: Vec<SuggestedProduct>,
    pub(crate) categories: Vec<ProductCategory>,
}

/// A suggested product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuggestedProduct {
    pub(crate) id: ProductId,
    pub(crate) handle: String,
    pub(crate) title: String,
    pub(crate) image_url: Option<String>,
    pub(crate) price_range: Option<PriceRange>,
}
