//! What visitors see.

use std::collections::HashSet;
use std::sync::Arc;

use database::{Failure, OrRefuse};
use kernel::id::ProductId;
use product_api::ProductError;

use super::Service;
use crate::domain::category::{Category, CategoryTree, tree};
use crate::domain::draft::CategoryReference;
use crate::domain::product::{Product, Suggestions};
use crate::queries::{categories, products, suggestions};

impl Service {
    /// An active product by its id or handle.
    pub(crate) async fn find(&self, id_or_handle: String) -> Result<Product, ProductError> {
        let today = self.clock.now().date_naive();
        let found = self.db.run(move |connection| {
            Ok::<_, Failure<ProductError>>(match id_or_handle.parse::<ProductId>() {
                Ok(id) => products::find_public(connection, id.uuid(), today)?,
                Err(_) => products::find_public_by_handle(connection, &id_or_handle, today)?,
            })
        });
        found.await?.ok_or_else(|| ProductError::NotFound("product".to_owned()))
    }

    /// What might be meant by what has been typed so far.
    pub(crate) async fn suggest(&self, typed: String, limit: i64) -> Result<Suggestions, ProductError> {
        let typed = typed.trim().to_lowercase();
        let index = self.search.now().await?;
        self.db
            .run(move |connection| {
                let most = usize::try_from(limit).unwrap_or(0);
                let found = index.suggest(&typed, most).map_err(ProductError::Fault).or_refuse()?;
                let Some(found) = found else {
                    return Ok(Suggestions::default());
                };
                let categories = suggestions::categories(connection, &typed, limit)?;
                let products = suggestions::products(connection, found.products)?;
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
    pub(crate) async fn category_tree(&self) -> Result<Arc<CategoryTree>, ProductError> {
        let generation = match self.cache.tree() {
            Ok(known) => return Ok(known),
            Err(generation) => generation,
        };
        let all = self
            .db
            .run(|connection| Ok::<_, Failure<ProductError>>(categories::all(connection)?))
            .await?;
        Ok(self.cache.keep_tree(generation, tree(all)))
    }

    /// A category by its id or handle.
    pub(crate) async fn find_category(&self, reference: CategoryReference) -> Result<Category, ProductError> {
        self.db
            .run(move |connection| {
                let found = categories::find(connection, &reference)?;
                let missing = || ProductError::NotFound("category".to_owned());
                found.map(|found| found.category).ok_or_else(missing).or_refuse()
            })
            .await
    }
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
