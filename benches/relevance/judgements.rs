//! What people judged: a CSV file with the columns `query`, `product_id` and `rating`, from 0 to 3.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::{Outcome, Ratings};

/// Ratings by query, of queries for which anything was found to be of use.
pub(crate) struct Judgements(Vec<(String, Ratings)>);

impl Judgements {
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text = fs::read_to_string(path)?;
        let mut queries: BTreeMap<String, Ratings> = BTreeMap::new();
        for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
            let wrong = || format!("not `query,product_id,rating`: {line}");
            let (rest, rating) = line.rsplit_once(',').ok_or_else(wrong)?;
            let (query, product) = rest.rsplit_once(',').ok_or_else(wrong)?;
            let rating: u32 = rating.trim().parse().map_err(|_| wrong())?;
            if rating > 3 {
                return Err(wrong().into());
            }
            let query = query.trim_matches('"').to_owned();
            queries.entry(query).or_default().insert(product.to_owned(), rating);
        }
        let useful = queries
            .into_iter()
            .filter(|(_, ratings)| ratings.values().any(|rating| *rating > 0));
        Ok(Self(useful.collect()))
    }

    pub(crate) fn queries(&self) -> &[(String, Ratings)] {
        &self.0
    }
}
