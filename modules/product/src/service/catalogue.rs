//! What visitors see.

use std::collections::HashSet;
use std::sync::Arc;

use database::{Failure, OrRefuse};
use diesel::PgConnection;
use kernel::Currency;
use kernel::id::{CustomerGroupId, ProductId};
use product_api::{ProductApi, ProductError};

use super::Service;
use super::languages::{tell, tell_suggested};
use crate::domain::category::{CategoryDetail, CategoryTree, tree};
use crate::domain::draft::CategoryReference;
use crate::domain::product::{OwnPrice, OwnPrices, Product, ProductDetail, Suggestions, View};
use crate::domain::translation::{
    CategoryTranslation, Handles, Language, ProductTranslation, alternates, localise_categories,
};
use crate::queries::{categories, products, suggestions, translations};

impl Service {
    /// An active product by its id, or its handle in whatever language, with its prices in `currency`.
    pub(crate) async fn find(
        &self,
        id_or_handle: String,
        currency: Option<Currency>,
        language: Language,
    ) -> Result<ProductDetail, ProductError> {
        let view = View::public(self.clock.now().date_naive(), self.shown_in(currency)?);
        let locales = self.locales.clone();
        let work = move |connection: &mut PgConnection| {
            let (mut product, handles) = visible(connection, &id_or_handle, &language, view)?;
            let alternates = alternates(&locales, &product.handle, &handles);
            tell(connection, std::iter::once(&mut product), &language.fallbacks)?;
            Ok(ProductDetail { product, alternates })
        };
        self.db.run(work).await
    }

    /// What the variants of an active product cost members of `group`.
    pub(crate) async fn own_prices(
        &self,
        id_or_handle: String,
        currency: Option<Currency>,
        group: Option<CustomerGroupId>,
    ) -> Result<OwnPrices, ProductError> {
        let currency = self.shown_in(currency)?.unwrap_or(self.currencies.main());
        let product = self.find(id_or_handle, None, self.language(None)?).await?.product;
        let variants = product.variants.iter().map(|variant| variant.id).collect();
        let quotes = self.quote(variants, currency, None, group).await?;
        let data = quotes.into_iter().map(OwnPrice::from).collect();
        Ok(OwnPrices { currency, data })
    }

    /// What might be meant by what has been typed so far.
    pub(crate) async fn suggest(
        &self,
        typed: String,
        limit: i64,
        language: &Language,
    ) -> Result<Suggestions, ProductError> {
        let typed = typed.trim().to_lowercase();
        let index = self.search.now().await?;
        let (locale, fallbacks) = (language.further(), language.fallbacks.clone());
        self.db
            .run(move |connection| {
                let most = usize::try_from(limit).unwrap_or(0);
                let found = index
                    .suggest(&typed, most, locale)
                    .map_err(ProductError::Fault)
                    .or_refuse()?;
                let Some(found) = found else {
                    return Ok(Suggestions::default());
                };
                let mut categories = suggestions::categories(connection, &typed, &fallbacks, limit)?;
                let mut products = suggestions::products(connection, found.products)?;
                tell_suggested(connection, &mut products, &mut categories, &fallbacks)?;
                let names = found
                    .brands
                    .into_iter()
                    .chain(categories.iter().map(|category| category.name.clone()));
                let titles = products.iter().map(|product| product.title.as_str());
                let mut queries: Vec<String> = names.map(|name| name.to_lowercase()).collect();
                queries.extend(completions(&typed, titles));
                let mut seen = HashSet::new();
                queries.retain(|query| seen.insert(query.clone()));
                queries.truncate(most);
                Ok(Suggestions {
                    queries,
                    products,
                    categories,
                })
            })
            .await
    }

    /// All categories as a tree.
    pub(crate) async fn category_tree(&self, language: Language) -> Result<Arc<CategoryTree>, ProductError> {
        let locale = (!language.is_base()).then_some(&language.locale);
        let key = match self.cache.tree(locale) {
            Ok(known) => return Ok(known),
            Err(key) => key,
        };
        let work = move |connection: &mut PgConnection| {
            let mut all = categories::all(connection)?;
            if !language.is_base() {
                let texts = translations::nearest_of_tree(connection, &language.fallbacks)?;
                localise_categories(&mut all, &texts);
            }
            Ok::<_, Failure<ProductError>>(all)
        };
        let all = self.db.run(work).await?;
        Ok(self.cache.keep_tree(key, tree(all)))
    }

    /// A category by its id, or its handle in whatever language.
    pub(crate) async fn find_category(
        &self,
        reference: CategoryReference,
        language: Language,
    ) -> Result<CategoryDetail, ProductError> {
        let locales = self.locales.clone();
        let work = move |connection: &mut PgConnection| {
            let mut found = categories::find_with_handles(connection, &reference)?;
            if let (None, CategoryReference::Handle(handle)) = (&found, &reference) {
                let near = &language.fallbacks;
                if let Some(id) = translations::shown_owner_of_handle::<CategoryTranslation>(connection, handle, near)?
                {
                    found = categories::find_with_handles(connection, &CategoryReference::Id(id))?;
                }
            }
            let missing = || ProductError::NotFound("category".to_owned());
            let (mut category, handles) = found.ok_or_else(missing).or_refuse()?;
            let alternates = alternates(&locales, &category.handle, &handles);
            let id = category.id.uuid();
            let names = translations::names_of_categories(connection, vec![id], &language.fallbacks)?;
            if let Some(said) = names.get(&id) {
                said.apply(&mut category.handle, &mut category.name, &mut category.path);
            }
            Ok(CategoryDetail { category, alternates })
        };
        self.db.run(work).await
    }
}

/// An active product by its id, or its handle in whatever language, as it is in the shop's own; and its other handles.
pub(super) fn visible(
    connection: &mut PgConnection,
    id_or_handle: &str,
    language: &Language,
    view: View,
) -> Result<(Product, Handles), Failure<ProductError>> {
    let found = match id_or_handle.parse::<ProductId>() {
        Ok(id) => products::find_public(connection, id.uuid(), view)?,
        Err(_) => match products::find_public_by_handle(connection, id_or_handle, view)? {
            Some(found) => Some(found),
            None => {
                let near = &language.fallbacks;
                match translations::shown_owner_of_handle::<ProductTranslation>(connection, id_or_handle, near)? {
                    Some(id) => products::find_public(connection, id, view)?,
                    None => None,
                }
            }
        },
    };
    found
        .ok_or_else(|| ProductError::NotFound("product".to_owned()))
        .or_refuse()
}

/// What has been typed with its last word completed from `titles`: `gaming lap` becomes `gaming laptop`.
fn completions<'a>(typed: &str, titles: impl Iterator<Item = &'a str>) -> Vec<String> {
    let last = typed
        .rsplit(|character: char| !character.is_alphanumeric())
        .next()
        .unwrap_or_default();
    if last.is_empty() {
        return Vec::new();
    }
    let before = typed.strip_suffix(last).unwrap_or_default();
    let words = titles.flat_map(|title| title.split(|character: char| !character.is_alphanumeric()));
    let words = words.map(str::to_lowercase).filter(|word| word.starts_with(last));
    words.map(|word| format!("{before}{word}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_completed_from_titles() {
        let titles = ["HP Laptop 15", "Laptops & more"];
        assert_eq!(
            completions("gaming lap", titles.into_iter()),
            ["gaming laptop", "gaming laptops"]
        );
        assert_eq!(completions("gaming ", titles.into_iter()), Vec::<String>::new());
        assert_eq!(completions("é—lap", titles.into_iter())[0], "é—laptop");
    }
}
