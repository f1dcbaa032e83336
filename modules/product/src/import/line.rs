//! One line of our own product files: a JSON object per product. Read by imports, written by exports.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{Currencies, Currency, FieldErrors, Locale, Money, Text};
use product_api::TaxClass;
use serde::{Deserialize, Serialize};

use super::{Beside, ImportedProduct, WrongRow};
use crate::domain::attributes::Attributes;
use crate::domain::bundle::{NamedComponent, VariantName, check_named};
use crate::domain::category::{CategoryName, SEPARATOR};
use crate::domain::code::Code;
use crate::domain::further_price::{FurtherPrice, WrittenPrice, further, one};
use crate::domain::handle::Handle;
use crate::domain::image::{Image, ImageUrl};
use crate::domain::listing::{Choices, Description, ListedVariant, Listing, ProductOption, Tag, Title};
use crate::domain::merchandising::{ImportedMerchandising, NewSeo, Seo};
use crate::domain::pairs::Pairs;
use crate::domain::product::Status;
use crate::domain::tax_class::ImportedTaxClass;
use crate::domain::translation::{ProductTranslation, Said};

/// A text that may be empty, which is the same as not there.
type Maybe = Option<Text<0, 120>>;
/// The same of a code.
type MaybeCode = Option<Code<0>>;

/// A product as a file has it. A product without options may have its one variant's fields beside its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    id: MaybeCode,
    handle: Option<Handle>,
    title: Title,
    description: Option<Description>,
    brand: Maybe,
    status: Option<Status>,
    category: Option<Text<0, 1300>>,
    tags: Option<Vec<Tag>>,
    attributes: Option<Attributes>,
    image_url: Option<Text<0, 2048>>,
    images: Option<Vec<Image>>,
    options: Option<Vec<ProductOption>>,
    currency: Option<Currency>,
    released_on: Option<NaiveDate>,
    product_type: Option<Handle>,
    seo: Option<NewSeo>,
    publish_at: Option<DateTime<Utc>>,
    unpublish_at: Option<DateTime<Utc>>,
    tax_class: Option<TaxClass>,
    variants: Option<Vec<LineVariant>>,
    sku: MaybeCode,
    barcode: MaybeCode,
    price_minor: Option<i64>,
    compare_at_price_minor: Option<i64>,
    prices: Option<Vec<LinePrice>>,
    components: Option<Vec<LineComponent>>,
    stock: Option<i64>,
    stock_seen: Option<i64>,
    weight_grams: Option<i64>,
    requires_shipping: Option<bool>,
    /// `null` takes back what was said in a language.
    #[serde(default)]
    translations: Said,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineVariant {
    sku: MaybeCode,
    barcode: MaybeCode,
    title: Option<Title>,
    #[serde(default)]
    options: Choices,
    price_minor: i64,
    compare_at_price_minor: Option<i64>,
    prices: Option<Vec<LinePrice>>,
    components: Option<Vec<LineComponent>>,
    stock: Option<i64>,
    /// What `stock` was when the file was written: it then counts only where it was changed, and there still is as much.
    stock_seen: Option<i64>,
    weight_grams: Option<i64>,
    requires_shipping: Option<bool>,
}

/// A component: the variant with this SKU, or of the product with this handle the one with these options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineComponent {
    sku: Option<Code>,
    handle: Option<Handle>,
    options: Option<Choices>,
    quantity: i64,
}

/// A price in a further currency, or from a larger quantity on.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LinePrice {
    currency: Currency,
    #[serde(default = "one")]
    min_quantity: i64,
    price_minor: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    compare_at_price_minor: Option<i64>,
}

impl Line {
    /// The product of the line, or what is wrong with it.
    pub(super) fn into_product(self, line: u64, currencies: &Currencies) -> Result<ImportedProduct, WrongRow> {
        let currency = currencies.main();
        let refuse = |pointer, code, detail: &str| Err(WrongRow::new(line, pointer, code, detail));
        if self.currency.is_some_and(|named| named != currency) {
            let detail = format!("this shop sells in {currency}");
            return refuse("/currency", "unsupported_currency", &detail);
        }
        let external_id = filled(self.id);
        if external_id.is_none() && self.handle.is_none() {
            return refuse("/handle", "required", "id or handle is needed to know the product by");
        }
        let category = self
            .category
            .map(Text::into_string)
            .filter(|path| !path.trim().is_empty());
        let category = category.map(|path| CategoryName::parse_path(&path)).transpose();
        let image = self.image_url.map(Text::into_string).filter(|url| !url.is_empty());
        let image = image
            .map(ImageUrl::parse)
            .transpose()
            .map_err(|error| WrongRow::from_message(line, "/image_url", error))?;
        let only_image = image.map(|url| vec![Image { url, alt: None }]);
        let variants = match (self.variants, self.price_minor) {
            (Some(_), Some(_)) => {
                let detail = "price_minor and variants exclude each other";
                return refuse("/price_minor", "exclusive", detail);
            }
            (Some(variants), None) => variants,
            (None, Some(price_minor)) => vec![LineVariant {
                sku: self.sku,
                barcode: self.barcode,
                title: None,
                options: Choices::default(),
                price_minor,
                compare_at_price_minor: self.compare_at_price_minor,
                prices: self.prices,
                components: self.components,
                stock: self.stock,
                stock_seen: self.stock_seen,
                weight_grams: self.weight_grams,
                requires_shipping: self.requires_shipping,
            }],
            (None, None) => return refuse("/price_minor", "required", "price_minor or variants are needed"),
        };
        let mut errors = FieldErrors::new();
        let variants = variants.into_iter().enumerate();
        let variants = variants
            .map(|(index, variant)| variant.into_listed(currencies, &mut errors, &format!("/variants/{index}")));
        let variants: Vec<ListedVariant> = variants.collect();
        errors.into_result().map_err(|errors| WrongRow::of(line, &errors))?;
        Ok(ImportedProduct {
            line,
            size: 0,
            external_id,
            handle: self.handle,
            title: self.title.into_string(),
            description: self.description.map(String::from),
            brand: filled(self.brand),
            status: self.status,
            category: category.map_err(|error| WrongRow::from_message(line, "/category", error))?,
            tags: self.tags.map(|tags| tags.into_iter().map(String::from).collect()),
            attributes: self.attributes,
            images: self.images.or(only_image),
            options: self.options.unwrap_or_default(),
            released_on: self.released_on,
            merchandising: ImportedMerchandising {
                product_type: self.product_type.map(String::from),
                seo: self.seo.map(Seo::from),
                publish_at: self.publish_at,
                unpublish_at: self.unpublish_at,
                tax_class: ImportedTaxClass::from(self.tax_class),
            },
            variants: Some(variants),
            translations: self.translations,
        })
    }
}

impl LineVariant {
    fn into_listed(self, currencies: &Currencies, errors: &mut FieldErrors, pointer: &str) -> ListedVariant {
        let prices = self.prices.map(|prices| {
            let written: Vec<WrittenPrice> = prices.into_iter().map(LinePrice::into_written).collect();
            further(&written, currencies, errors, &format!("{pointer}/prices"))
        });
        let sku = filled(self.sku);
        let own = sku.clone().map(VariantName::Sku);
        let components = self
            .components
            .and_then(|components| named(components, errors, pointer));
        let parts = components.as_deref().unwrap_or_default();
        check_named(parts, own.as_ref(), errors, &format!("{pointer}/components"));
        if !parts.is_empty() && self.stock.is_some_and(|stock| stock != 0) {
            let detail = "a bundle has no stock of its own";
            errors.add(format!("{pointer}/stock"), "is_bundle", detail);
        }
        ListedVariant {
            id: None,
            sku,
            barcode: filled(self.barcode),
            title: self.title.map(String::from),
            values: self.options.0,
            price: self.price_minor,
            compare_at_price: self.compare_at_price_minor,
            prices,
            components,
            stock: self.stock,
            stock_seen: self.stock_seen,
            weight_grams: self.weight_grams,
            requires_shipping: self.requires_shipping,
        }
    }
}

/// The components of the variant at `pointer`; none where some are not named, which is added to `errors`.
fn named(components: Vec<LineComponent>, errors: &mut FieldErrors, pointer: &str) -> Option<Vec<NamedComponent>> {
    let count = components.len();
    let mut named = Vec::with_capacity(count);
    for (index, component) in components.into_iter().enumerate() {
        let quantity = component.quantity;
        match component.into_name() {
            Ok(variant) => named.push(NamedComponent { variant, quantity }),
            Err((code, detail)) => errors.add(format!("{pointer}/components/{index}/sku"), code, detail),
        }
    }
    (named.len() == count).then_some(named)
}

impl LineComponent {
    /// What the component is known by; else code and detail of what is wrong with that.
    fn into_name(self) -> Result<VariantName, (&'static str, &'static str)> {
        match (self.sku, self.handle, self.options) {
            (Some(sku), None, None) => Ok(VariantName::Sku(sku.into())),
            (None, Some(handle), options) => {
                let Choices(values) = options.unwrap_or_default();
                Ok(VariantName::Options(handle.into(), values.0.into_iter().collect()))
            }
            (None, None, _) => Err(("required", "sku or handle is needed to know the component by")),
            (Some(_), _, _) => Err(("exclusive", "sku and handle or options exclude each other")),
        }
    }
}

impl LinePrice {
    fn into_written(self) -> WrittenPrice {
        let money = |amount| Money::new(amount, self.currency);
        WrittenPrice {
            min_quantity: self.min_quantity,
            price: money(self.price_minor),
            compare_at_price: self.compare_at_price_minor.map(money),
        }
    }
}

impl From<&FurtherPrice> for LinePrice {
    fn from(price: &FurtherPrice) -> Self {
        Self {
            currency: price.currency,
            min_quantity: price.min_quantity,
            price_minor: price.amount,
            compare_at_price_minor: price.compare_at,
        }
    }
}

fn filled(text: Option<impl Into<String>>) -> Option<String> {
    text.map(Into::into).filter(|text| !text.trim().is_empty())
}

#[derive(Serialize)]
struct WrittenLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    handle: &'a Handle,
    title: &'a str,
    description: &'a str,
    brand: Option<&'a str>,
    status: Status,
    category: Option<String>,
    tags: &'a [String],
    attributes: &'a Attributes,
    images: &'a [Image],
    options: &'a [ProductOption],
    currency: Currency,
    released_on: NaiveDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Seo::is_empty")]
    seo: &'a Seo,
    #[serde(skip_serializing_if = "Option::is_none")]
    publish_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unpublish_at: Option<DateTime<Utc>>,
    tax_class: &'a TaxClass,
    variants: Vec<WrittenVariant<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    translations: Option<&'a BTreeMap<Locale, ProductTranslation>>,
}

#[derive(Serialize)]
struct WrittenVariant<'a> {
    sku: Option<&'a str>,
    barcode: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    options: &'a Pairs<String>,
    price_minor: i64,
    compare_at_price_minor: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prices: Vec<LinePrice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Vec<WrittenComponent<'a>>>,
    stock: Option<i64>,
    stock_seen: Option<i64>,
    weight_grams: Option<i64>,
    requires_shipping: Option<bool>,
}

#[derive(Serialize)]
struct WrittenComponent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<&'a BTreeMap<String, String>>,
    quantity: i64,
}

/// Writes a product as a line that an import reads back.
pub(super) fn write(out: &mut Vec<u8>, listing: &Listing, beside: Beside<'_>) -> std::io::Result<()> {
    let Beside {
        category,
        product_type,
        translations,
    } = beside;
    let decided = &listing.merchandising;
    let line = WrittenLine {
        id: listing.external_id.as_deref(),
        handle: &listing.handle,
        title: &listing.title,
        description: &listing.description,
        brand: listing.brand.as_deref(),
        status: listing.status,
        category: (!category.is_empty()).then(|| category.join(SEPARATOR)),
        tags: &listing.tags,
        attributes: &listing.attributes,
        images: &listing.images,
        options: &listing.options,
        currency: listing.currency,
        released_on: listing.released_on,
        product_type,
        seo: &decided.seo,
        publish_at: decided.publish_at,
        unpublish_at: decided.unpublish_at,
        tax_class: &decided.tax_class,
        variants: listing.variants.iter().map(WrittenVariant::new).collect(),
        translations,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.push(b'\n');
    Ok(())
}

impl<'a> WrittenVariant<'a> {
    fn new(variant: &'a ListedVariant) -> Self {
        let components = variant.components.as_deref();
        Self {
            sku: variant.sku.as_deref(),
            barcode: variant.barcode.as_deref(),
            title: variant.title.as_deref(),
            options: &variant.values,
            price_minor: variant.price,
            compare_at_price_minor: variant.compare_at_price,
            prices: variant.prices.iter().flatten().map(LinePrice::from).collect(),
            components: components
                .filter(|components| !components.is_empty())
                .map(|components| components.iter().map(WrittenComponent::new).collect()),
            stock: variant.stock,
            stock_seen: variant.stock,
            weight_grams: variant.weight_grams,
            requires_shipping: variant.requires_shipping,
        }
    }
}

impl<'a> WrittenComponent<'a> {
    fn new(component: &'a NamedComponent) -> Self {
        let (sku, handle, options) = match &component.variant {
            VariantName::Sku(sku) => (Some(sku.as_str()), None, None),
            VariantName::Options(handle, options) => (None, Some(handle.as_str()), Some(options)),
        };
        Self {
            sku,
            handle,
            options: options.filter(|options| !options.is_empty()),
            quantity: component.quantity,
        }
    }
}
