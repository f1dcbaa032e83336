//! What the index suggests while somebody types.

use std::borrow::Cow;

use kernel::{Fault, Locale};
use uuid::Uuid;

use super::text::{fold, words};
use super::{Named, Snapshot, facets};
use crate::domain::filter::{Filter, Sort};

/// Products and brands that might be meant, the likeliest first.
#[derive(Debug, Default)]
pub(crate) struct Suggested {
    pub(crate) products: Vec<Uuid>,
    pub(crate) brands: Vec<String>,
}

impl Snapshot {
    /// At most `limit` active products and brands for what has been typed in a language, the shop's own where none is given;
    /// `None` where that has no word.
    pub(crate) fn suggest(
        &self,
        typed: &str,
        limit: usize,
        locale: Option<Locale>,
    ) -> Result<Option<Suggested>, Fault> {
        if words(typed).is_empty() {
            return Ok(None);
        }
        let active = self.question(&Filter::default(), &Named::default())?;
        let active = self.find(&active, Sort::Newest)?;
        let beginning = fold(typed);
        let brands = self.ask(|| {
            let sets: Vec<_> = active
                .segments()
                .iter()
                .map(|segment| Cow::Borrowed(&segment.all))
                .collect();
            facets::values(self.source(), &sets, self.layout.fields.brand_start, &beginning)
        })?;
        let brand = |(rest, _): (String, i64)| Some(rest.split_once('\0')?.1.to_owned());
        let searched = Filter {
            search: Some(typed.to_owned()),
            locale,
            ..Filter::default()
        };
        let question = self.question(&searched, &Named::default())?;
        let found = self.page(&self.find(&question, Sort::Relevance)?, None, limit)?;
        Ok(Some(Suggested {
            products: found.hits.into_iter().map(|(id, _)| id).collect(),
            brands: brands.into_iter().filter_map(brand).take(limit).collect(),
        }))
    }
}
