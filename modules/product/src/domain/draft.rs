//! What staff send: new products and variants, and changes of them as merge patches.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::id::{CategoryId, ProductTypeId};
use kernel::money::MoneyPatch;
use kernel::patch::present;
use kernel::{Currencies, Currency, FieldErrors, Money, Patch, Text};
use product_api::TaxClass;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};
use uuid::Uuid;

use super::attributes::{AttributeValue, Attributes};
use super::code::Code;
use super::further_price::{WrittenPrice, further};
use super::handle::Handle;
use super::image::Image;
use super::listing::{Choices, Description, ListedVariant, Listing, Name, ProductOption, Tag, Title};
use super::merchandising::{Merchandising, NewSeo, SeoPatch, stored};
use super::pairs::Pairs;
use super::product::Status;

/// A category named by its id or its handle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CategoryReference {
    Id(Uuid),
    Handle(String),
}

impl CategoryReference {
    /// Whatever is no id is taken for a handle.
    pub(crate) fn parse(text: &str) -> Self {
        text.parse::<CategoryId>()
            .map_or_else(|_| Self::Handle(text.to_owned()), |id| Self::Id(id.uuid()))
    }
}

impl<'de> Deserialize<'de> for CategoryReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&Text::<1, 120>::deserialize(deserializer)?))
    }
}

impl utoipa::PartialSchema for CategoryReference {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("a category's id or handle"))
            .into()
    }
}

impl ToSchema for CategoryReference {}

/// A new product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProduct {
    #[schema(value_type = String)]
    pub(crate) title: Title,
    /// Made from the title where it is not given.
    #[serde(default)]
    pub(crate) handle: Option<Handle>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) description: Option<Description>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) brand: Option<Name>,
    #[serde(default)]
    pub(crate) status: Status,
    #[serde(default, alias = "category")]
    pub(crate) category_id: Option<CategoryReference>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub(crate) tags: Vec<Tag>,
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, AttributeValue>)]
    pub(crate) attributes: Attributes,
    #[serde(default)]
    pub(crate) images: Vec<Image>,
    /// Taken from the variants where they are not given.
    #[serde(default)]
    pub(crate) options: Vec<ProductOption>,
    #[serde(default)]
    pub(crate) variants: Vec<NewVariant>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) external_id: Option<Code>,
    /// Today where it is not given.
    #[serde(default)]
    pub(crate) released_on: Option<NaiveDate>,
    /// Its attributes then have to satisfy the type.
    #[serde(default)]
    pub(crate) product_type_id: Option<ProductTypeId>,
    #[serde(default)]
    pub(crate) seo: Option<NewSeo>,
    /// When the product becomes active, if it is a draft then.
    #[serde(default)]
    pub(crate) publish_at: Option<DateTime<Utc>>,
    /// When the product becomes archived, if it is active then; after `publish_at`.
    #[serde(default)]
    pub(crate) unpublish_at: Option<DateTime<Utc>>,
    /// How it is taxed: `standard` where it is not given.
    #[serde(default)]
    pub(crate) tax_class: Option<TaxClass>,
}

/// A new variant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVariant {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) sku: Option<Code>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) barcode: Option<Code>,
    /// Made from the option values where it is not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) title: Option<Title>,
    /// A value for each option of the product.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub(crate) options: Choices,
    pub(crate) price: Money,
    #[serde(default)]
    pub(crate) compare_at_price: Option<Money>,
    /// In further currencies of the shop, and from larger quantities on; at most 100.
    #[serde(default)]
    pub(crate) prices: Vec<WrittenPrice>,
    /// How many there are to begin with.
    #[serde(default)]
    pub(crate) stock: i64,
    /// What one weighs: 0 where it is not given.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10_000_000)]
    pub(crate) weight_grams: i64,
    /// Whether it has to be shipped: `true` where it is not given.
    #[serde(default = "yes")]
    #[schema(required = false)]
    pub(crate) requires_shipping: bool,
}

/// Changes of a product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) title: Option<Title>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) handle: Option<Handle>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) description: Patch<Description>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) brand: Patch<Name>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) status: Option<Status>,
    #[serde(default, alias = "category")]
    #[schema(value_type = Option<CategoryReference>)]
    pub(crate) category_id: Patch<CategoryReference>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub(crate) tags: Patch<Vec<Tag>>,
    /// Merged: a name with `null` is removed, other names stay.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, AttributeValue>>)]
    pub(crate) attributes: Patch<Pairs<Option<AttributeValue>>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Image>>)]
    pub(crate) images: Patch<Vec<Image>>,
    /// Must still fit the variants.
    #[serde(default, deserialize_with = "present")]
    pub(crate) options: Option<Vec<ProductOption>>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) external_id: Patch<Code>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) released_on: Option<NaiveDate>,
    #[serde(default)]
    #[schema(value_type = Option<ProductTypeId>)]
    pub(crate) product_type_id: Patch<ProductTypeId>,
    /// Merged; `null` clears both fields.
    #[serde(default)]
    #[schema(value_type = Option<SeoPatch>)]
    pub(crate) seo: Patch<SeoPatch>,
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub(crate) publish_at: Patch<DateTime<Utc>>,
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub(crate) unpublish_at: Patch<DateTime<Utc>>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) tax_class: Option<TaxClass>,
}

/// Changes of a variant. Stock is changed by adjustments, which leave a trace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VariantPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) sku: Patch<Code>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) barcode: Patch<Code>,
    /// `null`: made from the option values.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) title: Patch<Title>,
    /// Merged.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub(crate) options: Option<Choices>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<MoneyPatch>)]
    pub(crate) price: Option<MoneyPatch>,
    #[serde(default)]
    #[schema(value_type = Option<MoneyPatch>)]
    pub(crate) compare_at_price: Patch<MoneyPatch>,
    /// All prices in further currencies and from larger quantities on; `null`: none.
    #[serde(default)]
    #[schema(value_type = Option<Vec<WrittenPrice>>)]
    pub(crate) prices: Patch<Vec<WrittenPrice>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(minimum = 0, maximum = 10_000_000)]
    pub(crate) weight_grams: Option<i64>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) requires_shipping: Option<bool>,
}

impl NewProduct {
    /// The checked product, but for its category, which is the database's to find. `handle` is what was given or made.
    pub(crate) fn into_listing(
        self,
        handle: Handle,
        currencies: &Currencies,
        today: NaiveDate,
    ) -> Result<Listing, FieldErrors> {
        let mut errors = FieldErrors::new();
        let variants = self.variants.into_iter().enumerate();
        let variants = variants
            .map(|(index, variant)| variant.into_listed(currencies, &format!("/variants/{index}"), &mut errors));
        let mut listing = Listing {
            external_id: self.external_id.map(String::from),
            handle,
            title: self.title.into_string(),
            description: self.description.map(String::from).unwrap_or_default(),
            brand: self.brand.map(String::from),
            status: self.status,
            category: None,
            tags: self.tags.into_iter().map(String::from).collect(),
            attributes: self.attributes,
            images: self.images,
            options: self.options,
            currency: currencies.main(),
            released_on: self.released_on.unwrap_or(today),
            merchandising: Merchandising::new(
                self.product_type_id,
                self.seo,
                self.publish_at,
                self.unpublish_at,
                self.tax_class,
            ),
            variants: variants.collect(),
        };
        errors.into_result()?;
        listing.derive_options();
        listing.check()?;
        Ok(listing)
    }
}

impl NewVariant {
    /// The variant as a listing has it; amounts in another currency are recorded as errors under `pointer`.
    pub(crate) fn into_listed(self, currencies: &Currencies, pointer: &str, errors: &mut FieldErrors) -> ListedVariant {
        let (currency, compare_at_price) = (currencies.main(), self.compare_at_price);
        check_currency(errors, &format!("{pointer}/price"), Some(self.price), currency);
        check_currency(
            errors,
            &format!("{pointer}/compare_at_price"),
            compare_at_price,
            currency,
        );
        ListedVariant {
            id: None,
            sku: self.sku.map(String::from),
            barcode: self.barcode.map(String::from),
            title: self.title.map(String::from),
            values: self.options.0,
            price: self.price.amount,
            compare_at_price: compare_at_price.map(|price| price.amount),
            prices: Some(further(&self.prices, currencies, errors, &format!("{pointer}/prices"))),
            components: None,
            stock: Some(self.stock),
            stock_seen: None,
            weight_grams: Some(self.weight_grams),
            requires_shipping: Some(self.requires_shipping),
        }
    }
}

impl ProductPatch {
    /// Applies everything but the category and the rules between fields.
    pub(crate) fn apply(self, listing: &mut Listing) {
        set(&mut listing.title, self.title.map(String::from));
        set(&mut listing.handle, self.handle);
        set(&mut listing.status, self.status);
        set(&mut listing.options, self.options);
        set(&mut listing.released_on, self.released_on);
        listing.brand = self.brand.map(String::from).apply(listing.brand.take());
        listing.external_id = self.external_id.map(String::from).apply(listing.external_id.take());
        let description = self
            .description
            .map(String::from)
            .apply(Some(std::mem::take(&mut listing.description)));
        listing.description = description.unwrap_or_default();
        let tags = self.tags.map(|tags| tags.into_iter().map(String::from).collect());
        listing.tags = tags.apply(Some(std::mem::take(&mut listing.tags))).unwrap_or_default();
        listing.images = self
            .images
            .apply(Some(std::mem::take(&mut listing.images)))
            .unwrap_or_default();
        let decided = &mut listing.merchandising;
        decided.product_type = self
            .product_type_id
            .map(ProductTypeId::uuid)
            .apply(decided.product_type);
        decided.seo = std::mem::take(&mut decided.seo).patched(self.seo);
        decided.publish_at = self.publish_at.map(stored).apply(decided.publish_at);
        decided.unpublish_at = self.unpublish_at.map(stored).apply(decided.unpublish_at);
        set(&mut decided.tax_class, self.tax_class);
        match self.attributes {
            Patch::Keep => (),
            Patch::Clear => listing.attributes = Attributes::default(),
            Patch::Set(changes) => merge(&mut listing.attributes, changes),
        }
    }
}

impl VariantPatch {
    /// Applies the patch; amounts in another currency are refused.
    pub(crate) fn apply(self, variant: &mut ListedVariant, currencies: &Currencies) -> Result<(), FieldErrors> {
        let currency = currencies.main();
        let money = |amount| Money::new(amount, currency);
        let price = self.price.map(|patch| patch.over(money(variant.price)));
        let compare_at_price = self
            .compare_at_price
            .merge(variant.compare_at_price.map(money), |patch, before| {
                patch.apply(before, "/compare_at_price")
            })?;
        let mut errors = FieldErrors::new();
        check_currency(&mut errors, "/price", price, currency);
        check_currency(&mut errors, "/compare_at_price", compare_at_price, currency);
        let prices = self
            .prices
            .map(|prices| further(&prices, currencies, &mut errors, "/prices"));
        errors.into_result()?;
        variant.prices = match prices {
            Patch::Keep => variant.prices.take(),
            Patch::Clear => Some(Vec::new()),
            Patch::Set(prices) => Some(prices),
        };
        variant.sku = self.sku.map(String::from).apply(variant.sku.take());
        variant.barcode = self.barcode.map(String::from).apply(variant.barcode.take());
        variant.title = self.title.map(String::from).apply(variant.title.take());
        set(&mut variant.price, price.map(|price| price.amount));
        variant.compare_at_price = compare_at_price.map(|price| price.amount);
        variant.weight_grams = self.weight_grams.or(variant.weight_grams);
        variant.requires_shipping = self.requires_shipping.or(variant.requires_shipping);
        for (name, value) in self.options.unwrap_or_default().0.0 {
            variant.values.set(name, value);
        }
        Ok(())
    }
}

fn yes() -> bool {
    true
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn merge(attributes: &mut Attributes, changes: Pairs<Option<AttributeValue>>) {
    for (name, change) in changes.0 {
        match change {
            Some(value) => attributes.set(name, value),
            None => attributes.remove(&name),
        }
    }
}

/// Records an amount in another currency as an error.
pub(crate) fn check_currency(errors: &mut FieldErrors, pointer: &str, amount: Option<Money>, currency: Currency) {
    if amount.is_some_and(|amount| amount.currency != currency) {
        let detail = format!("this shop sells in {currency}");
        errors.add(format!("{pointer}/currency"), "unsupported_currency", detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::listing::tests::{listing, variant};

    fn patch(json: &str) -> ProductPatch {
        serde_json::from_str(json).unwrap()
    }

    fn shop() -> Currencies {
        Currencies::new("USD".parse().unwrap(), &[])
    }

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 4).unwrap()
    }

    fn create(json: &str) -> Result<Listing, FieldErrors> {
        let product: NewProduct = serde_json::from_str(json).unwrap();
        product.into_listing(Handle::parse("x").unwrap(), &shop(), today())
    }

    #[test]
    fn a_new_product_needs_little() {
        let bare = create(r#"{"title":"Mug"}"#).unwrap();
        assert_eq!(
            (bare.status, bare.released_on, bare.variants.len()),
            (Status::Active, today(), 0)
        );
        let mug = create(
            r#"{"title":"Mug","variants":[{"price":{"amount":900,"currency":"USD"},"options":{"Size":"L"},"stock":3}]}"#,
        );
        assert_eq!(mug.unwrap().options[0].name.as_str(), "Size");
    }

    #[test]
    fn another_currency_is_refused_where_it_stands() {
        let errors = create(r#"{"title":"Mug","variants":[{"price":{"amount":900,"currency":"EUR"}}]}"#).unwrap_err();
        let error = &errors.as_slice()[0];
        assert_eq!(
            (error.pointer.as_str(), error.code.as_str()),
            ("/variants/0/price/currency", "unsupported_currency")
        );
    }

    #[test]
    fn a_patch_keeps_what_it_does_not_name_and_clears_what_is_null() {
        let mut shirt = listing(vec![variant(&[], 5)]);
        shirt.brand = Some("Ours".into());
        shirt.tags = vec!["a".into()];
        patch(r#"{"title":"Blouse"}"#).apply(&mut shirt);
        assert_eq!(
            (shirt.title.as_str(), shirt.brand.as_deref(), shirt.tags.len()),
            ("Blouse", Some("Ours"), 1)
        );
        patch(r#"{"brand":null,"tags":null,"description":null}"#).apply(&mut shirt);
        assert_eq!((shirt.brand, shirt.tags.len()), (None, 0));
        for refused in [
            r#"{"title":null}"#,
            r#"{"status":null}"#,
            r#"{"price":1}"#,
            r#"{"version":9}"#,
        ] {
            assert!(serde_json::from_str::<ProductPatch>(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn attributes_are_merged_by_name() {
        let mut shirt = listing(vec![]);
        patch(r#"{"attributes":{"colour":"Red","cores":8}}"#).apply(&mut shirt);
        patch(r#"{"attributes":{"cores":null,"soft":true}}"#).apply(&mut shirt);
        assert_eq!(
            serde_json::to_string(&shirt.attributes).unwrap(),
            r#"{"colour":"Red","soft":true}"#
        );
    }

    #[test]
    fn a_variants_stock_is_not_its_patch() {
        assert!(serde_json::from_str::<VariantPatch>(r#"{"stock":5}"#).is_err());
        let mut small = variant(&[("Size", "S")], 5);
        let patch: VariantPatch =
            serde_json::from_str(r#"{"price":{"amount":7,"currency":"USD"},"options":{"Size":"M"}}"#).unwrap();
        patch.apply(&mut small, &shop()).unwrap();
        assert_eq!(
            (small.price, small.values.get("Size").map(String::as_str)),
            (7, Some("M"))
        );
    }
}
