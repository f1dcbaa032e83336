//! The fields of an index that depend on what the shop is set to: prices in each of its further currencies. An index of
//! another layout is made anew.

use kernel::settings::Shop;
use kernel::{Currency, Fault};
use serde::Serialize;
use tantivy::TantivyDocument;
use tantivy::schema::{Field, Schema};
use xxhash_rust::xxh3::xxh3_64;

use super::document::{Fields, Indexed};
use super::index::fault;
use super::text::Stems;
use crate::domain::filter::Filter;

/// What a shop is set to, as far as the index goes by it; in an order of its own, so that the order of settings does not
/// matter.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shape {
    /// In which it sells beside its own.
    pub(crate) currencies: Vec<Currency>,
}

/// The fields of an index, and which of them a list goes by.
#[derive(Debug)]
pub(super) struct Layout {
    /// Those of the shop's own currency.
    pub(super) fields: Fields,
    /// The lowest and the highest price in further currencies.
    prices: Vec<(Currency, Field, Field)>,
    /// The same for the same fields, filled in the same way.
    pub(super) fingerprint: u64,
}

impl Shape {
    /// What `shop` is set to.
    pub(crate) fn of(shop: &Shop) -> Self {
        let mut currencies = shop.all_currencies().further().to_vec();
        currencies.sort_unstable_by_key(|currency| currency.code());
        currencies.dedup();
        Self { currencies }
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
        let schema = builder.build();
        let described = serde_json::to_vec(&(shape, &schema)).map_err(fault)?;
        let layout = Self {
            fields,
            prices,
            fingerprint: xxh3_64(&described),
        };
        Ok((schema, layout))
    }

    /// The fields that a list goes by: those of its currency.
    pub(super) fn fields_of(&self, filter: &Filter) -> Fields {
        let mut fields = self.fields;
        let wanted = filter.currency;
        if let Some((_, min, max)) = self.prices.iter().find(|(currency, ..)| Some(*currency) == wanted) {
            (fields.price_min, fields.price_max) = (*min, *max);
        }
        fields
    }

    /// The document of a product.
    pub(super) fn document(&self, product: &Indexed, stems: &mut Stems) -> TantivyDocument {
        let mut document = self.fields.document(product, stems);
        for (currency, min, max) in &self.prices {
            if let Some((lowest, highest)) = product.further_prices.get(currency.code()) {
                document.add_i64(*min, *lowest);
                document.add_i64(*max, *highest);
            }
        }
        document
    }
}
