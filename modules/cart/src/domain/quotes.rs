//! What the catalogue answered about the variants that it was asked for.

use std::collections::HashMap;

use kernel::id::VariantId;
use product_api::Quote;

/// Answers of the catalogue, by variant. A variant that was not asked for says nothing about its line; one that was asked
/// for and is missing in the answer is not sold any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quotes(HashMap<VariantId, Option<Quote>>);

impl Quotes {
    /// The `answers` to a question about `asked`.
    pub(crate) fn new(asked: Vec<VariantId>, answers: Vec<Quote>) -> Self {
        let mut quotes: HashMap<_, _> = asked.into_iter().map(|variant| (variant, None)).collect();
        quotes.extend(answers.into_iter().map(|quote| (quote.variant, Some(quote))));
        Self(quotes)
    }

    /// What was answered about `variant`: `None` where nobody asked, `Some(None)` where the catalogue does not know it.
    pub(crate) fn of(&self, variant: VariantId) -> Option<Option<&Quote>> {
        self.0.get(&variant).map(Option::as_ref)
    }
}
