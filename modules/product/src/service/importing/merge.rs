//! A product as it is to be: what the row says, else what there is already, else the usual.

use chrono::NaiveDate;
use kernel::Currency;

use crate::domain::handle::Handle;
use crate::domain::image::Image;
use crate::domain::listing::{Choice, ListedVariant, Listing, ProductOption};
use crate::import::ImportedProduct;

/// The usual.
pub(super) struct Defaults {
    pub(super) currency: Currency,
    pub(super) today: NaiveDate,
}

/// What becomes of `before` by a row; `handle` is the one that the row has, or that was found for it.
pub(super) fn merge(
    product: &ImportedProduct,
    before: Option<&Listing>,
    handle: Handle,
    defaults: &Defaults,
) -> Listing {
    let mut after = before.cloned().unwrap_or_else(|| empty(handle.clone(), defaults));
    after.handle = handle;
    after.title.clone_from(&product.title);
    set(&mut after.description, &product.description);
    set(&mut after.status, &product.status);
    set(&mut after.tags, &product.tags);
    set(&mut after.attributes, &product.attributes);
    set(&mut after.released_on, &product.released_on);
    after.merchandising.import(&product.merchandising);
    after.external_id = product.external_id.clone().or(after.external_id);
    after.brand = product.brand.clone().or(after.brand);
    if let Some(images) = &product.images {
        set_images(&mut after.images, images);
    }
    if let Some(variants) = &product.variants {
        set_variants(&mut after, before, &product.options, variants);
    }
    after
}

fn empty(handle: Handle, defaults: &Defaults) -> Listing {
    Listing {
        external_id: None,
        handle,
        title: String::new(),
        description: String::new(),
        brand: None,
        status: Default::default(),
        category: None,
        tags: Vec::new(),
        attributes: Default::default(),
        images: Vec::new(),
        options: Vec::new(),
        currency: defaults.currency,
        released_on: defaults.today,
        merchandising: Default::default(),
        variants: Vec::new(),
    }
}

/// A description that is empty is none: where a file cannot tell one from the other, nothing changes.
fn set_images(images: &mut Vec<Image>, new: &[Image]) {
    let alt = |image: &Image| {
        image
            .alt
            .as_ref()
            .map(|alt| alt.as_str().to_owned())
            .unwrap_or_default()
    };
    let is_same = |(old, new): (&Image, &Image)| old.url == new.url && alt(old) == alt(new);
    if images.len() != new.len() || !images.iter().zip(new).all(is_same) {
        *images = new.to_vec();
    }
}

/// What becomes of variants by those of a row, which has these options, or none that it tells of.
pub(super) fn set_variants(
    listing: &mut Listing,
    before: Option<&Listing>,
    options: &[ProductOption],
    variants: &[ListedVariant],
) {
    listing.options = options.to_vec();
    listing.variants = variants.to_vec();
    if options.is_empty() {
        listing.derive_options();
    }
    let Some(before) = before else {
        return listing.variants.iter_mut().for_each(begin);
    };
    if options.is_empty() {
        listing.options = in_order_of(&before.options, &before.variants, std::mem::take(&mut listing.options));
    }
    let known = listing.counterparts(before);
    for (variant, known) in listing.variants.iter_mut().zip(known) {
        match known {
            Some(known) => keep(variant, known),
            None => begin(variant),
        }
    }
}

/// Options that only the variants tell of, in the order that was chosen before. A value that no variant had is kept, one
/// whose variants are gone is not; what is new comes last.
fn in_order_of(old: &[ProductOption], old_variants: &[ListedVariant], new: Vec<ProductOption>) -> Vec<ProductOption> {
    let mut names: Vec<&str> = new.iter().map(|option| option.name.as_str()).collect();
    let mut old_names: Vec<&str> = old.iter().map(|option| option.name.as_str()).collect();
    names.sort_unstable();
    old_names.sort_unstable();
    if names != old_names {
        return new;
    }
    let had = |option: &Choice, value: &Choice| {
        let of = |variant: &ListedVariant| variant.values.get(option).is_some_and(|known| *known == value.as_str());
        old_variants.iter().any(of)
    };
    let ordered = old.iter().map(|option| {
        let used = new.iter().find(|new| new.name == option.name);
        let used: &[Choice] = used.map(|new| new.values.as_slice()).unwrap_or_default();
        let kept = option.values.iter();
        let kept = kept.filter(|value| used.contains(value) || !had(&option.name, value));
        let added = used.iter().filter(|value| !option.values.contains(value));
        ProductOption {
            name: option.name.clone(),
            values: kept.chain(added).cloned().collect(),
        }
    });
    ordered.collect()
}

/// A file without SKUs, barcodes and titles leaves those alone that there are.
fn keep(variant: &mut ListedVariant, known: &ListedVariant) {
    variant.id = known.id;
    variant.sku = variant.sku.take().or_else(|| known.sku.clone());
    variant.barcode = variant.barcode.take().or_else(|| known.barcode.clone());
    variant.title = variant.title.take().or_else(|| known.title.clone());
}

/// What another shop has sold beyond its stock is not owed here.
fn begin(variant: &mut ListedVariant) {
    variant.stock = variant.stock.map(|stock| stock.max(0));
}

fn set<T: Clone>(field: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::listing::tests::{listing, variant};

    fn option(name: &str, values: &[&str]) -> ProductOption {
        ProductOption {
            name: Choice::parse(name).unwrap(),
            values: values.iter().map(|value| Choice::parse(value).unwrap()).collect(),
        }
    }

    #[test]
    fn options_that_only_the_variants_tell_of_stay_in_their_order() {
        let mut shirt = listing(vec![variant(&[("Size", "M")], 1), variant(&[("Size", "S")], 1)]);
        shirt.options = vec![option("Size", &["XS", "S", "M"])];
        let mut set = |variants: &[ListedVariant]| {
            let before = shirt.clone();
            set_variants(&mut shirt, Some(&before), &[], variants);
            shirt.options.clone()
        };
        let sizes = |sizes: [&str; 2]| sizes.map(|size| variant(&[("Size", size)], 1));
        assert_eq!(set(&sizes(["M", "S"])), [option("Size", &["XS", "S", "M"])]);
        assert_eq!(set(&sizes(["L", "S"])), [option("Size", &["XS", "S", "L"])]);
        assert_eq!(set(&[variant(&[("Colour", "Red")], 1)]), [option("Colour", &["Red"])]);
    }
}
