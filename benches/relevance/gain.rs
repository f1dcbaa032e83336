//! Normalised discounted cumulative gain, and queries with slips.

use crate::Ratings;

/// How good the order of `found` is, from 0 to 1, beside the best that the judged products allow. A product that nobody
/// judged gains nothing.
pub(crate) fn ndcg(found: &[String], ratings: &Ratings, shown: usize) -> f64 {
    let gained = found.iter().map(|id| ratings.get(id).copied().unwrap_or(0));
    let mut ideal: Vec<u32> = ratings.values().copied().collect();
    ideal.sort_unstable_by(|one, other| other.cmp(one));
    let best = dcg(ideal.into_iter().take(shown));
    match best > 0.0 {
        true => dcg(gained.take(shown)) / best,
        false => 0.0,
    }
}

fn dcg(ratings: impl Iterator<Item = u32>) -> f64 {
    let gains = ratings.map(|rating| f64::from(2_u32.pow(rating) - 1));
    gains
        .zip(2_u32..)
        .map(|(gain, place)| gain / f64::from(place).log2())
        .sum()
}

/// The query with two neighbouring letters in the middle of each word of five letters or more in each other's place.
pub(crate) fn with_slips(query: &str) -> String {
    let words = query.split(' ').map(|word| {
        let mut letters: Vec<char> = word.chars().collect();
        if letters.len() >= 5 {
            let middle = letters.len() / 2;
            letters.swap(middle - 1, middle);
        }
        letters.into_iter().collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}
