//! Resources as they are shown in another language.

use std::collections::HashSet;

use kernel::Locales;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::{Alternate, CollectionTranslation, Handles, ProductTranslation};
use crate::domain::collection::Collection;
use crate::domain::listing::{Choice, ProductOption};
use crate::domain::merchandising::{NewSeo, Seo};
use crate::domain::product::Product;

/// The names of a product's options, each with the one that is shown.
type Shown = Vec<(String, String)>;

impl ProductTranslation {
    /// Shows a product in this language. Stored JSON that is not what it has to be is an error.
    pub(crate) fn apply(&self, product: &mut Product) -> serde_json::Result<()> {
        set(&mut product.handle, self.handle.as_ref().map(super::Handle::as_str));
        set(&mut product.title, self.title.as_deref());
        set(&mut product.description, self.description.as_deref());
        self.seo.apply(&mut product.seo);
        if !self.images.is_empty() {
            product.images = self.translate_images(&product.images)?;
        }
        if self.options.is_empty() && self.variants.is_empty() {
            return Ok(());
        }
        let options: Vec<ProductOption> = serde_json::from_str(product.options.get())?;
        let names = self.shown_names(&options);
        for variant in &mut product.variants {
            let values: Vec<&str> = variant.options.0.iter().map(|(_, value)| value.as_str()).collect();
            variant.title = self.variant_title(&variant.title, &options, &values);
            for (name, value) in &mut variant.options.0 {
                set(value, self.value(name, value));
                let shown = names.iter().find(|(base, _)| base == name);
                set(name, shown.map(|(_, shown)| shown.as_str()));
            }
        }
        product.options = self.translate_options(options, &names)?;
        Ok(())
    }

    /// What a variant with these values, one for each option, is called.
    pub(crate) fn variant_title(&self, title: &str, options: &[ProductOption], values: &[&str]) -> String {
        if let Some((_, shown)) = self.variants.iter().find(|(base, _)| base.as_str() == title) {
            return shown.to_string();
        }
        if values.is_empty() || values.join(" / ") != title {
            return title.to_owned();
        }
        let translated = options
            .iter()
            .zip(values)
            .map(|(option, value)| self.value(&option.name, value).unwrap_or(value));
        translated.collect::<Vec<&str>>().join(" / ")
    }

    fn value(&self, option: &str, value: &str) -> Option<&str> {
        let (_, option) = self.options.iter().find(|(name, _)| name.as_str() == option)?;
        let (_, shown) = option.values.iter().find(|(base, _)| base.as_str() == value)?;
        Some(shown)
    }

    /// Two options never have the same name, as names are keys: the second one then keeps its own.
    fn shown_names(&self, options: &[ProductOption]) -> Shown {
        let base: HashSet<&str> = options.iter().map(|option| option.name.as_str()).collect();
        let mut used = HashSet::new();
        let shown = options.iter().map(|option| {
            let translated = self.options.get(&option.name).and_then(|option| option.name.as_ref());
            let free = translated.filter(|name| *name == &option.name || !base.contains(name.as_str()));
            let name = free
                .filter(|name| used.insert(name.to_string()))
                .unwrap_or(&option.name);
            (option.name.to_string(), name.to_string())
        });
        shown.collect()
    }

    fn translate_options(&self, mut options: Vec<ProductOption>, names: &Shown) -> serde_json::Result<Box<RawValue>> {
        for (option, (_, shown)) in options.iter_mut().zip(names) {
            for value in &mut option.values {
                let translated = self
                    .options
                    .get(&option.name)
                    .and_then(|option| option.values.get(value));
                *value = translated.unwrap_or(value).clone();
            }
            option.name = Choice::parse(shown).unwrap_or_else(|_| option.name.clone());
        }
        to_raw_value(&options)
    }

    /// Whatever else an image has stays as it is.
    fn translate_images(&self, images: &RawValue) -> serde_json::Result<Box<RawValue>> {
        let mut images: Vec<Map<String, Value>> = serde_json::from_str(images.get())?;
        for image in &mut images {
            let address = image.get("url").and_then(Value::as_str).unwrap_or_default();
            let alt = self.images.iter().find(|(url, _)| url.as_str() == address);
            if let Some((_, alt)) = alt {
                image.insert("alt".to_owned(), alt.as_str().into());
            }
        }
        to_raw_value(&images)
    }
}

impl CollectionTranslation {
    /// Shows a collection in this language.
    pub(crate) fn apply(&self, collection: &mut Collection) {
        set(&mut collection.handle, self.handle.as_ref().map(super::Handle::as_str));
        set(&mut collection.title, self.title.as_deref());
        set(&mut collection.description, self.description.as_deref());
        self.seo.apply(&mut collection.seo);
    }
}

impl NewSeo {
    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn or(self, next: Self) -> Self {
        Self {
            title: self.title.or(next.title),
            description: self.description.or(next.description),
        }
    }

    fn apply(&self, seo: &mut Seo) {
        let said = Seo::from(self.clone());
        seo.title = said.title.or(seo.title.take());
        seo.description = said.description.or(seo.description.take());
    }
}

/// The handles of a page in all languages of a shop that speaks several: the own one, or a translated one.
pub(crate) fn alternates(locales: &Locales, own: &str, translated: &Handles) -> Option<Vec<Alternate>> {
    if locales.others().is_empty() {
        return None;
    }
    let alternate = |locale: &kernel::Locale| {
        let near = locales.fallbacks(locale);
        let handle = near.iter().find_map(|locale| translated.get(locale));
        Alternate {
            locale: locale.clone(),
            handle: handle.map_or(own, String::as_str).to_owned(),
        }
    };
    Some(locales.all().map(alternate).collect())
}

fn set(text: &mut String, translated: Option<&str>) {
    if let Some(translated) = translated {
        translated.clone_into(text);
    }
}
