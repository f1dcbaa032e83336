//! What counts how much when products are ranked, in one place.

/// The weights of a ranking. A word counts by the best field that it is found in, rare words more than common ones; what
/// is said of the question as a whole is added.
#[derive(Clone, Debug)]
pub(super) struct Ranking {
    /// Weights of a word that is found in these fields.
    pub(super) title: f32,
    pub(super) head: f32,
    pub(super) brand: f32,
    pub(super) codes: f32,
    pub(super) tags: f32,
    pub(super) category: f32,
    pub(super) attributes: f32,
    pub(super) description: f32,
    /// How much of what the other fields say is added to the best one.
    pub(super) others: f32,
    /// Weight of a word that only begins like the last one of the question.
    pub(super) beginning: f32,
    /// Weight of a model's name that is found in parts.
    pub(super) parts: f32,
    /// Weights of a word that differs by one slip, or by two.
    pub(super) slips: [f32; 2],
    /// Added where the title has all words of the question, and where it has them in a row.
    pub(super) all_in_title: f32,
    pub(super) phrase_in_title: f32,
    /// Added where the question names the kind of thing that the product is.
    pub(super) kind: f32,
    /// Added where the whole question is one of the product's codes.
    pub(super) code: f32,
}

impl Default for Ranking {
    fn default() -> Self {
        Self {
            title: 3.0,
            head: 0.7,
            brand: 2.0,
            codes: 2.0,
            tags: 2.0,
            category: 0.3,
            attributes: 0.7,
            description: 1.0,
            others: 0.5,
            beginning: 0.2,
            parts: 0.8,
            slips: [0.7, 0.5],
            all_in_title: 4.0,
            phrase_in_title: 1.0,
            kind: 1.5,
            code: 100.0,
        }
    }
}
