//! The fields of an index that depend on what the shop is set to: prices in each of its further currencies, and texts in each
//! of its further languages. An index of another layout is made anew.

use kernel::settings::Shop;
use kernel::{Currency, Fault, Locale, Locales};
use serde::Serialize;
use tantivy::TantivyDocument;
use tantivy::schema::{Field, Schema};
use xxhash_rust::xxh3::xxh3_64;

use super::document::{Fields, Indexed};
use super::index::fault;
use super::text::{Stems, Tongue};
use crate::domain::filter::Filter;
use crate::domain::translation::Language;

/// What a shop is set to, as far as the index goes by it; in an order of its own, so that the order of settings does not
/// matter.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shape {
    /// In which it sells beside its own.
    pub(crate) currencies: Vec<Currency>,
    /// The language of the products themselves.
    pub(crate) locale: Locale,
    /// Those into which they are translated, each with where its texts are looked for.
    pub(crate) languages: Vec<Language>,
}

/// The fields of an index, and which of them a list goes by.
#[derive(Debug)]
pub(super) struct Layout {
    /// Those of the shop's own currency and language.
    pub(super) fields: Fields,
    /// The lowest and the highest price in further currencies.
    prices: Vec<(Currency, Field, Field)>,
    locale: Locale,
    /// The same with the texts of further languages.
    languages: Vec<(Locale, Fields)>,
    /// The same for the same fields, filled in the same way.
    pub(super) fingerprint: u64,
}

/// What brings words to their stems in each language of an index.
pub(super) struct Readers {
    own: Stems,
    /// In the order of the layout.
    further: Vec<Stems>,
}

impl Shape {
    /// What `shop` is set to.
    pub(crate) fn of(shop: &Shop) -> Self {
        let mut currencies = shop.all_currencies().further().to_vec();
        currencies.sort_unstable_by_key(|currency| currency.code());
        currencies.dedup();
        let locales = Locales::of(shop);
        let language = |locale: &Locale| Language {
            fallbacks: locales.fallbacks(locale),
            locale: locale.clone(),
        };
        let mut languages: Vec<Language> = locales.others().iter().map(language).collect();
        languages.sort_unstable_by(|one, other| one.locale.cmp(&other.locale));
        Self {
            currencies,
            locale: locales.base().clone(),
            languages,
        }
    }
}

impl Layout {
    /// The schema of an index of this shape, and its fields.
    pub(super) fn of(shape: &Shape) -> Result<(Schema, Self), Fault> {
        let mut builder = Schema::builder();
        let fields = Fields::add_to(&mut builder);
        let currencies = shape.currencies.iter();
        let prices = currencies.map(|currency| {
            let (min, max) = Fields::add_prices_to(&mut builder, currency.code());
            (*currency, min, max)
        });
        let prices = prices.collect();
        let languages = shape.languages.iter();
        let languages = languages.map(|Language { locale, .. }| {
            let translated = fields.add_language_to(&mut builder, locale.as_str());
            (locale.clone(), translated)
        });
        let languages = languages.collect();
        let schema = builder.build();
        let described = serde_json::to_vec(&(shape, &schema)).map_err(fault)?;
        let layout = Self {
            fields,
            prices,
            locale: shape.locale.clone(),
            languages,
            fingerprint: xxh3_64(&described),
        };
        Ok((schema, layout))
    }

    /// The fields that a list goes by: those of its currency and its language.
    pub(super) fn fields_of(&self, filter: &Filter) -> Fields {
        let mut languages = self.languages.iter();
        let language = languages.find(|(locale, _)| Some(locale) == filter.locale.as_ref());
        let mut fields = language.map_or(self.fields, |(_, fields)| *fields);
        let wanted = filter.currency;
        if let Some((_, min, max)) = self.prices.iter().find(|(currency, ..)| Some(*currency) == wanted) {
            (fields.price_min, fields.price_max) = (*min, *max);
        }
        fields
    }

    /// What brings the words of a list's language to their stems.
    pub(super) fn tongue_of(&self, filter: &Filter) -> Tongue {
        let own = Stems::of_language(&self.locale);
        match &filter.locale {
            None => Tongue { own, shared: None },
            Some(locale) => Tongue {
                own: Stems::of_language(locale),
                shared: Some(own),
            },
        }
    }

    /// What brings words to their stems in all languages.
    pub(super) fn readers(&self) -> Readers {
        let further = self.languages.iter().map(|(locale, _)| Stems::of_language(locale));
        Readers {
            own: Stems::of_language(&self.locale),
            further: further.collect(),
        }
    }

    /// The document of a product.
    pub(super) fn document(&self, product: &Indexed, readers: &mut Readers) -> TantivyDocument {
        let mut document = self.fields.document(product, &mut readers.own);
        for ((locale, fields), stems) in self.languages.iter().zip(&mut readers.further) {
            let told = product.translations.get(locale).unwrap_or(&product.told);
            fields.add_translation(&mut document, product, told, stems, &mut readers.own);
        }
        for (currency, min, max) in &self.prices {
            if let Some((lowest, highest)) = product.further_prices.get(currency.code()) {
                document.add_i64(*min, *lowest);
                document.add_i64(*max, *highest);
            }
        }
        document
    }
}
