//! Products as the API shows them. Lists and details have one shape.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::Money;
use kernel::id::{CategoryId, ProductId, ProductTypeId, VariantId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::attributes::AttributeValue;
use super::image::ShownImage;
use super::listing::ProductOption;
use super::merchandising::Seo;
use super::pairs::Pairs;

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
    /// `null` where there are no variants.
    pub(crate) price_range: Option<PriceRange>,
    pub(crate) in_stock: bool,
    pub(crate) seo: Seo,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
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
    pub(crate) price: Money,
    /// The former or recommended price.
    pub(crate) compare_at_price: Option<Money>,
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
