//! A product as it is to be, checked. Requests and rows of import files both become this before they are written.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{Datelike, NaiveDate};
use kernel::money::MAX_AMOUNT;
use kernel::text::Prose;
use kernel::{Currency, FieldErrors, Text};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::attributes::Attributes;
use super::bundle::NamedComponent;
use super::code::Code;
use super::further_price::{self, FurtherPrice};
use super::handle::Handle;
use super::image::{self, Image};
use super::merchandising::Merchandising;
use super::pairs::{MAX_PAIRS, Pairs};
use super::product::Status;
use super::stock::MAX_STOCK;

const MAX_TAGS: usize = 100;
const MAX_IMAGES: usize = 100;
const MAX_OPTIONS: usize = 3;
const MAX_OPTION_VALUES: usize = 100;
const MAX_VARIANTS: usize = 200;
/// The most that one of a variant weighs: ten tonnes.
pub(crate) const MAX_WEIGHT_GRAMS: i64 = 10_000_000;

/// A tag.
pub(crate) type Tag = Text<1, 120>;
/// A name, e.g. a brand.
pub(crate) type Name = Text<1, 120>;
/// The name or a value of an option.
pub(crate) type Choice = Code;
/// A title.
pub(crate) type Title = Text<1, 300>;
/// A description.
pub(crate) type Description = Prose<0, 50_000>;

/// Everything about a product that somebody decides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listing {
    pub(crate) external_id: Option<String>,
    pub(crate) handle: Handle,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) brand: Option<String>,
    pub(crate) status: Status,
    pub(crate) category: Option<Uuid>,
    pub(crate) tags: Vec<String>,
    pub(crate) attributes: Attributes,
    pub(crate) images: Vec<Image>,
    pub(crate) options: Vec<ProductOption>,
    pub(crate) currency: Currency,
    pub(crate) released_on: NaiveDate,
    pub(crate) merchandising: Merchandising,
    pub(crate) variants: Vec<ListedVariant>,
}

/// Everything about a variant that somebody decides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListedVariant {
    /// Known for variants that exist.
    pub(crate) id: Option<Uuid>,
    pub(crate) sku: Option<String>,
    pub(crate) barcode: Option<String>,
    /// Made from the values where it is not given.
    pub(crate) title: Option<String>,
    pub(crate) values: Pairs<String>,
    pub(crate) price: i64,
    pub(crate) compare_at_price: Option<i64>,
    /// In other currencies, and from larger quantities on; `None` leaves them alone.
    pub(crate) prices: Option<Vec<FurtherPrice>>,
    /// What it consists of, with none of them no bundle; `None` leaves that alone. Only files say so in a listing.
    pub(crate) components: Option<Vec<NamedComponent>>,
    /// How many there are to be; `None` leaves that alone. Below zero where more were sold than there were.
    pub(crate) stock: Option<i64>,
    /// How many there were when `stock` was decided. Only files say so.
    pub(crate) stock_seen: Option<i64>,
    /// What one weighs; `None` leaves that alone, and is 0 of a new one.
    pub(crate) weight_grams: Option<i64>,
    /// Whether it has to be shipped; `None` leaves that alone, and a new one has to be.
    pub(crate) requires_shipping: Option<bool>,
}

/// Something to choose by, e.g. the size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductOption {
    #[schema(value_type = String)]
    pub(crate) name: Choice,
    #[schema(value_type = Vec<String>)]
    pub(crate) values: Vec<Choice>,
}

/// The values of a variant by the names of their options, as somebody sends them.
#[derive(Debug, Default)]
pub(crate) struct Choices(pub(crate) Pairs<String>);

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut choices = Pairs::default();
        for (name, value) in Pairs::<Choice>::deserialize(deserializer)?.0 {
            let name = Choice::parse(&name).map_err(D::Error::custom)?;
            if choices.get(&name).is_some() {
                return Err(D::Error::custom("duplicate_field: a key comes twice"));
            }
            choices.0.push((name.into(), value.into()));
        }
        Ok(Self(choices))
    }
}

impl Listing {
    /// Checks what no single field can tell: bounds of lists, options against variants, prices and quantities.
    pub(crate) fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        check_count(&mut errors, "/tags", self.tags.len(), MAX_TAGS);
        check_count(&mut errors, "/images", self.images.len(), MAX_IMAGES);
        check_count(&mut errors, "/attributes", self.attributes.0.len(), MAX_PAIRS);
        check_count(&mut errors, "/variants", self.variants.len(), MAX_VARIANTS);
        check_unique(&mut errors, "/tags", self.tags.iter().map(String::as_str));
        if !(1..=9999).contains(&self.released_on.year()) {
            errors.add("/released_on", "out_of_range", "must be a year from 1 to 9999");
        }
        self.merchandising.check(&mut errors);
        self.check_options(&mut errors);
        let mut combinations = HashSet::new();
        let mut skus = HashSet::new();
        for (index, variant) in self.variants.iter().enumerate() {
            let pointer = format!("/variants/{index}");
            variant.check_amounts(&mut errors, &pointer);
            let further = variant.prices.as_deref().unwrap_or_default();
            further_price::check(further, self.currency, &mut errors, &format!("{pointer}/prices"));
            self.check_values(&mut errors, &pointer, variant);
            if !combinations.insert(self.values_of(variant)) {
                let detail = "another variant has the same option values";
                errors.add(format!("{pointer}/options"), "duplicate_variant", detail);
            }
            if variant.sku.as_ref().is_some_and(|sku| !skus.insert(sku)) {
                errors.add(
                    format!("{pointer}/sku"),
                    "duplicate_sku",
                    "another variant has the same SKU",
                );
            }
        }
        errors.into_result()
    }

    /// Where no options were given, what the variants name becomes the options, in the order in which it comes.
    pub(crate) fn derive_options(&mut self) {
        if !self.options.is_empty() {
            return;
        }
        for (name, value) in self.variants.iter().flat_map(|variant| &variant.values.0) {
            let (Ok(name), Ok(value)) = (Choice::parse(name), Choice::parse(value)) else {
                continue;
            };
            match self.options.iter_mut().find(|option| option.name == name) {
                Some(option) if option.values.contains(&value) => (),
                Some(option) => option.values.push(value),
                None => self.options.push(ProductOption {
                    name,
                    values: vec![value],
                }),
            }
        }
    }

    /// A variant's values, one per option, in the options' order.
    pub(crate) fn values_of(&self, variant: &ListedVariant) -> Vec<String> {
        values_of(variant, &self.options)
    }

    fn option(&self, name: &str) -> Option<&ProductOption> {
        self.options.iter().find(|option| option.name.as_str() == name)
    }

    /// For each variant, which one of `before` it is: the one with the same values of the same options, in whatever order
    /// options stand. An option that is new and one that is gone are the same one, renamed. Where there are more or fewer
    /// options than before, all variants are new.
    pub(crate) fn counterparts<'a>(&self, before: &'a Self) -> Vec<Option<&'a ListedVariant>> {
        let mut renamed = self.options.iter().filter(|new| before.option(&new.name).is_none());
        let order = before
            .options
            .iter()
            .map(|old| self.option(&old.name).or_else(|| renamed.next()));
        let order: Vec<&ProductOption> = order.flatten().collect();
        if order.len() != self.options.len() || order.len() != before.options.len() {
            return vec![None; self.variants.len()];
        }
        let variants = before.variants.iter();
        let known: HashMap<Vec<String>, &ListedVariant> =
            variants.map(|variant| (before.values_of(variant), variant)).collect();
        let known = |variant: &ListedVariant| known.get(&values_of(variant, order.iter().copied())).copied();
        self.variants.iter().map(known).collect()
    }

    /// What a variant is called: its own title, else its values.
    pub(crate) fn title_of(&self, variant: &ListedVariant) -> String {
        let from_values = || match self.values_of(variant).join(" / ") {
            empty if empty.is_empty() => "Default".to_owned(),
            title => title,
        };
        variant.title.clone().unwrap_or_else(from_values)
    }

    /// The lowest and the highest price as they are written, which price lists may lower; zero where there are no variants.
    pub(crate) fn price_range(&self) -> (i64, i64) {
        let prices = || self.variants.iter().map(|variant| variant.price);
        (prices().min().unwrap_or(0), prices().max().unwrap_or(0))
    }

    /// The names of the images that are files of ours.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        image::files(&self.images)
    }

    /// SKUs and barcodes in the form in which they are searched for.
    pub(crate) fn codes(&self) -> Vec<String> {
        let codes = self
            .variants
            .iter()
            .flat_map(|variant| [&variant.sku, &variant.barcode]);
        let mut codes: Vec<String> = codes.flatten().map(|code| code.to_lowercase()).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    fn check_options(&self, errors: &mut FieldErrors) {
        check_count(errors, "/options", self.options.len(), MAX_OPTIONS);
        check_unique(
            errors,
            "/options",
            self.options.iter().map(|option| option.name.as_str()),
        );
        for (index, option) in self.options.iter().enumerate() {
            let pointer = format!("/options/{index}/values");
            check_count(errors, &pointer, option.values.len(), MAX_OPTION_VALUES);
            check_unique(errors, &pointer, option.values.iter().map(Choice::as_str));
            if option.values.is_empty() {
                errors.add(pointer, "required", "an option has at least one value");
            }
        }
    }

    fn check_values(&self, errors: &mut FieldErrors, pointer: &str, variant: &ListedVariant) {
        let pointer = format!("{pointer}/options");
        for (name, value) in &variant.values.0 {
            match self.option(name) {
                None => errors.add(
                    &pointer,
                    "unknown_option",
                    format!("the product has no option `{name}`"),
                ),
                Some(option) if !option.values.iter().any(|known| known.as_str() == value) => {
                    errors.add(
                        &pointer,
                        "unknown_value",
                        format!("the option `{name}` has no value `{value}`"),
                    );
                }
                Some(_) => (),
            }
        }
        for option in &self.options {
            if variant.values.get(&option.name).is_none() {
                errors.add(
                    &pointer,
                    "required",
                    format!("a value for the option `{}` is missing", option.name),
                );
            }
        }
    }
}

impl ListedVariant {
    /// Whether it is to consist of others.
    pub(crate) fn is_bundle(&self) -> bool {
        self.components
            .as_ref()
            .is_some_and(|components| !components.is_empty())
    }

    /// Checks prices, stock and weight; errors are told below `pointer`.
    pub(crate) fn check_amounts(&self, errors: &mut FieldErrors, pointer: &str) {
        let mut check = |field: &str, value: Option<i64>, least: i64, largest: i64| {
            if value.is_some_and(|value| !(least..=largest).contains(&value)) {
                errors.add(
                    format!("{pointer}/{field}"),
                    "out_of_range",
                    format!("must be from {least} to {largest}"),
                );
            }
        };
        check("price/amount", Some(self.price), 0, MAX_AMOUNT);
        check("compare_at_price/amount", self.compare_at_price, 0, MAX_AMOUNT);
        // Of a new variant nothing was sold.
        let least = if self.id.is_some() { -MAX_STOCK } else { 0 };
        check("stock", self.stock, least, MAX_STOCK);
        check("weight_grams", self.weight_grams, 0, MAX_WEIGHT_GRAMS);
    }
}

fn values_of<'a>(variant: &ListedVariant, options: impl IntoIterator<Item = &'a ProductOption>) -> Vec<String> {
    let value = |option: &ProductOption| variant.values.get(&option.name).cloned().unwrap_or_default();
    options.into_iter().map(value).collect()
}

fn check_count(errors: &mut FieldErrors, pointer: &str, count: usize, most: usize) {
    if count > most {
        errors.add(pointer, "too_many", format!("at most {most}"));
    }
}

fn check_unique<'a>(errors: &mut FieldErrors, pointer: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = HashSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            errors.add(
                format!("{pointer}/{index}"),
                "duplicate",
                format!("`{name}` comes twice"),
            );
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn variant(values: &[(&str, &str)], price: i64) -> ListedVariant {
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ListedVariant {
            id: None,
            sku: None,
            barcode: None,
            title: None,
            values: Pairs(values.collect()),
            price,
            compare_at_price: None,
            prices: None,
            components: None,
            stock: Some(1),
            stock_seen: None,
            weight_grams: None,
            requires_shipping: None,
        }
    }

    pub(crate) fn listing(variants: Vec<ListedVariant>) -> Listing {
        let mut listing = Listing {
            external_id: None,
            handle: Handle::parse("shirt").unwrap(),
            title: "Shirt".into(),
            description: String::new(),
            brand: None,
            status: Status::Active,
            category: None,
            tags: vec![],
            attributes: Attributes::default(),
            images: vec![],
            options: vec![],
            currency: "USD".parse().unwrap(),
            released_on: NaiveDate::from_ymd_opt(2026, 1, 2).unwrap(),
            merchandising: Merchandising::default(),
            variants,
        };
        listing.derive_options();
        listing
    }

    fn codes(listing: &Listing) -> Vec<(String, String)> {
        let errors = listing.check().err().unwrap_or_default();
        let pairs = errors.as_slice().iter();
        pairs.map(|error| (error.pointer.clone(), error.code.clone())).collect()
    }

    fn one(pointer: &str, code: &str) -> Vec<(String, String)> {
        vec![(pointer.to_owned(), code.to_owned())]
    }

    #[test]
    fn options_come_from_the_variants_where_none_are_given() {
        let shirt = listing(vec![
            variant(&[("Size", "S"), ("Colour", "Red")], 1000),
            variant(&[("Size", "M"), ("Colour", "Red")], 1200),
        ]);
        let names: Vec<&str> = shirt.options.iter().map(|option| option.name.as_str()).collect();
        assert_eq!(names, ["Size", "Colour"]);
        assert_eq!(shirt.options[0].values.len(), 2);
        assert_eq!(shirt.check(), Ok(()));
        assert_eq!(shirt.title_of(&shirt.variants[1]), "M / Red");
        assert_eq!(shirt.price_range(), (1000, 1200));
    }

    #[test]
    fn the_same_values_of_other_options_are_another_variant() {
        let before = listing(vec![variant(&[("Size", "S"), ("Cut", "M")], 1)]);
        for (other, is_same) in [
            (variant(&[("Cut", "M"), ("Size", "S")], 2), true),
            (variant(&[("Colour", "M"), ("Size", "S")], 2), true),
            (variant(&[("Cut", "S"), ("Size", "M")], 2), false),
            (variant(&[("Size", "S")], 2), false),
            (variant(&[("Size", "S"), ("Cut", "M"), ("Colour", "Red")], 2), false),
        ] {
            let after = listing(vec![other]);
            assert_eq!(after.counterparts(&before)[0].is_some(), is_same, "{after:?}");
        }
    }

    #[test]
    fn each_combination_of_values_is_one_variant() {
        let twice = listing(vec![variant(&[("Size", "S")], 1), variant(&[("Size", "S")], 2)]);
        assert_eq!(codes(&twice), one("/variants/1/options", "duplicate_variant"));
        let plain = listing(vec![variant(&[], 1), variant(&[], 2)]);
        assert_eq!(codes(&plain), one("/variants/1/options", "duplicate_variant"));
    }

    #[test]
    fn a_variant_has_a_known_value_for_every_option() {
        let mut shirt = listing(vec![variant(&[("Size", "S")], 1)]);
        shirt.variants[0].values = Pairs(vec![("Size".into(), "XL".into())]);
        assert_eq!(codes(&shirt), one("/variants/0/options", "unknown_value"));
        shirt.variants[0].values = Pairs::default();
        assert_eq!(codes(&shirt), one("/variants/0/options", "required"));
        shirt.variants[0].values = Pairs(vec![("Size".into(), "S".into()), ("Cut".into(), "Slim".into())]);
        assert_eq!(codes(&shirt), one("/variants/0/options", "unknown_option"));
    }

    #[test]
    fn prices_and_quantities_are_bounded() {
        for (price, good) in [
            (-1, false),
            (0, true),
            (MAX_AMOUNT, true),
            (MAX_AMOUNT + 1, false),
            (i64::MAX, false),
        ] {
            assert_eq!(listing(vec![variant(&[], price)]).check().is_ok(), good, "{price}");
        }
        let mut shirt = listing(vec![variant(&[], 1)]);
        shirt.variants[0].stock = Some(MAX_STOCK + 1);
        assert_eq!(codes(&shirt), one("/variants/0/stock", "out_of_range"));
        shirt.variants[0].stock = Some(-1);
        assert_eq!(codes(&shirt), one("/variants/0/stock", "out_of_range"));
        // Of one that exists more may have been sold than there were.
        shirt.variants[0].id = Some(Uuid::now_v7());
        assert_eq!(shirt.check(), Ok(()));
    }

    proptest! {
        #[test]
        fn a_variant_is_the_same_whatever_the_order_of_options_and_values_and_though_an_option_is_renamed(
            places in proptest::sample::subsequence((0..12_usize).collect::<Vec<_>>(), 1..12).prop_shuffle(),
            order in Just(vec!["Size", "Colour", "Cut"]).prop_shuffle(),
            renamed in proptest::option::of(0..3_usize),
        ) {
            let values = |place: usize| [["S", "M"][place % 2], ["Red", "S"][place / 2 % 2], ["S", "M", "L"][place / 4]];
            let pairs = |place| ["Size", "Colour", "Cut"].into_iter().zip(values(place)).collect::<Vec<_>>();
            let before = listing((0..12).map(|place| variant(&pairs(place), place as i64)).collect());
            let name = |name| if renamed.is_some_and(|place| order[place] == name) { "New" } else { name };
            let after = places.iter().map(|place| {
                let pairs = pairs(*place);
                let value = |wanted: &&str| pairs.iter().find(|(name, _)| name == wanted).unwrap().1;
                let pairs: Vec<_> = order.iter().map(|option| (name(*option), value(option))).collect();
                variant(&pairs, 99)
            });
            let after = listing(after.collect());
            let found = after.counterparts(&before);
            let found: Vec<usize> = found.into_iter().map(|old| old.unwrap().price as usize).collect();
            prop_assert_eq!(found, places);
        }

        #[test]
        fn every_price_lies_in_the_range(prices in proptest::collection::vec(0..=MAX_AMOUNT, 1..20)) {
            let sizes: Vec<String> = (0..prices.len()).map(|size| size.to_string()).collect();
            let variants = prices.iter().zip(&sizes).map(|(price, size)| variant(&[("Size", size)], *price));
            let shirt = listing(variants.collect());
            let (min, max) = shirt.price_range();
            prop_assert!(shirt.check().is_ok());
            prop_assert!(prices.iter().all(|price| (min..=max).contains(price)));
            prop_assert!(prices.contains(&min) && prices.contains(&max));
        }
    }
}
