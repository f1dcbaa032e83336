//! What files say of the tax class of a product.

use product_api::TaxClass;

/// What a row of an import file says of the class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ImportedTaxClass {
    /// Nothing: it stays.
    #[default]
    Unsaid,
    /// That there is some tax, not which one.
    Taxed,
    /// Its name.
    Named(TaxClass),
}

impl ImportedTaxClass {
    /// The class after the row, given the one before. What is taxed and was not gets the usual class.
    pub(crate) fn over(&self, before: TaxClass) -> TaxClass {
        match self {
            Self::Named(class) => class.clone(),
            Self::Taxed if before.is_untaxed() => TaxClass::default(),
            Self::Taxed | Self::Unsaid => before,
        }
    }
}

impl From<Option<TaxClass>> for ImportedTaxClass {
    fn from(class: Option<TaxClass>) -> Self {
        class.map_or(Self::Unsaid, Self::Named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> TaxClass {
        TaxClass::parse(text).unwrap()
    }

    #[test]
    fn a_row_that_says_only_that_there_is_tax_leaves_a_class_with_tax_alone() {
        for (said, before, after) in [
            (ImportedTaxClass::Unsaid, "none", "none"),
            (ImportedTaxClass::Unsaid, "reduced", "reduced"),
            (ImportedTaxClass::Taxed, "none", "standard"),
            (ImportedTaxClass::Taxed, "reduced", "reduced"),
            (ImportedTaxClass::Named(class("books")), "none", "books"),
            (ImportedTaxClass::Named(TaxClass::untaxed()), "books", "none"),
        ] {
            assert_eq!(said.over(class(before)).as_str(), after, "{said:?} of {before}");
        }
    }
}
