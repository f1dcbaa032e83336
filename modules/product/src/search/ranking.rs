//! What counts how much when products are ranked, in one place.

/// The weights of a ranking. A word counts by the one text that says it best, which is the shortest: a title and a
/// description of one line tell the same. Several texts that repeat it are not better than one. Rare words count more than
/// common ones; what is said of the question as a whole is added.
#[derive(Clone, Debug)]
pub(super) struct Ranking {
    /// Weights of a word that is found in these fields.
    pub(super) title: f32,
    pub(super) brand: f32,
    pub(super) codes: f32,
    pub(super) tags: f32,
    pub(super) category: f32,
    pub(super) attributes: f32,
    pub(super) description: f32,
    /// What a word counts that only begins like the last one of the question, however common it is.
    pub(super) beginning: f32,
    /// Weight of a model's name that is found in parts.
    pub(super) parts: f32,
    /// Weight of what staff have made a synonym: all that a word is worth, a little less.
    pub(super) synonym: f32,
    /// Weights of a word that differs by one slip, or by two.
    pub(super) slips: [f32; 2],
    /// Added where a product has all words of the question as they are written there, and where its title has them in a row.
    /// The first is more than most words are worth: what somebody wrote comes before what might be meant as well.
    pub(super) all_words: f32,
    pub(super) phrase_in_title: f32,
    /// Added where the question names the kind of thing that the product is: its category, by its whole name. One that lists
    /// several kinds does not tell which of them a product is.
    pub(super) kind: f32,
    /// Added where the whole question is one of the product's codes.
    pub(super) code: f32,
}

impl Default for Ranking {
    fn default() -> Self {
        Self {
            title: 1.0,
            brand: 0.7,
            codes: 0.8,
            tags: 0.8,
            category: 0.3,
            attributes: 0.3,
            description: 1.0,
            beginning: 1.0,
            parts: 0.8,
            synonym: 0.9,
            slips: [0.7, 0.5],
            all_words: 8.0,
            phrase_in_title: 4.0,
            kind: 2.0,
            code: 100.0,
        }
    }
}
