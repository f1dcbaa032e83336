//! Products that satisfy at least so many of several queries. The library finds them with a heap, which took a sixth
//! of the time of searches for several words.

use tantivy::query::{
    BooleanQuery, BooleanWeight, EnableScoring, Explanation, Occur, Query, ScoreCombiner, Scorer, Weight,
};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

/// Finds what satisfies so many of some queries; the scores of those that are satisfied are summed, none of which is
/// negative.
#[derive(Debug)]
pub(super) struct AtLeast {
    pub(super) queries: Vec<Box<dyn Query>>,
    pub(super) required: usize,
}

struct AtLeastWeight(BooleanWeight<Counted>);

/// Those whose score has the sign of [`Counted`].
struct Enough(Box<dyn Scorer>);

/// Counts what is summed: a sum of enough is told with a minus. Where a segment has something for one query only, the library
/// tells its score without counting anything.
#[derive(Clone, Copy, Default)]
struct Counted {
    required: usize,
    count: usize,
    sum: Score,
}

impl Clone for AtLeast {
    fn clone(&self) -> Self {
        Self {
            queries: self.queries.iter().map(|query| query.box_clone()).collect(),
            required: self.required,
        }
    }
}

impl Query for AtLeast {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let required = self.required;
        if required <= 1 || required >= self.queries.len() || !scoring.is_scoring_enabled() {
            let queries = self.queries.iter().map(|query| (Occur::Should, query.box_clone()));
            return BooleanQuery::with_minimum_required_clauses(queries.collect(), required).weight(scoring);
        }
        let weights = self
            .queries
            .iter()
            .map(|query| Ok((Occur::Should, query.weight(scoring)?)));
        let weights = weights.collect::<tantivy::Result<_>>()?;
        let counted = move || Counted {
            required,
            ..Counted::default()
        };
        let any = BooleanWeight::with_minimum_number_should_match(weights, 1, true, Box::new(counted));
        Ok(Box::new(AtLeastWeight(any)))
    }

    fn query_terms<'a>(&'a self, visit: &mut dyn FnMut(&'a Term, bool)) {
        self.queries.iter().for_each(|query| query.query_terms(visit));
    }
}

impl Weight for AtLeastWeight {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut enough = Enough(self.0.scorer(segment, boost)?);
        enough.skip();
        Ok(Box::new(enough))
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.0.explain(segment, doc)
    }
}

impl Enough {
    fn skip(&mut self) -> DocId {
        while self.0.doc() != TERMINATED && self.0.score().is_sign_positive() {
            self.0.advance();
        }
        self.0.doc()
    }
}

impl DocSet for Enough {
    fn advance(&mut self) -> DocId {
        self.0.advance();
        self.skip()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.0.seek(target);
        self.skip()
    }

    fn doc(&self) -> DocId {
        self.0.doc()
    }

    fn size_hint(&self) -> u32 {
        self.0.size_hint()
    }

    fn cost(&self) -> u64 {
        self.0.cost()
    }
}

impl Scorer for Enough {
    fn score(&mut self) -> Score {
        -self.0.score()
    }
}

impl ScoreCombiner for Counted {
    fn update<S: Scorer>(&mut self, scorer: &mut S) {
        self.count += 1;
        self.sum += scorer.score();
    }

    fn clear(&mut self) {
        (self.count, self.sum) = (0, 0.0);
    }

    fn score(&self) -> Score {
        match self.count < self.required {
            true => self.sum,
            false => -self.sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tantivy::collector::TopDocs;
    use tantivy::query::{BoostQuery, TermQuery};
    use tantivy::schema::{IndexRecordOption, STRING, Schema};
    use tantivy::{Index, TantivyDocument};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_same_is_found_as_by_the_library(
            documents in (1..=6_u32).prop_flat_map(|words| prop::collection::vec(0..2_u8.pow(words), 1..80)),
            count in 1..6_usize, required in 1..6_usize,
        ) {
            let mut schema = Schema::builder();
            let field = schema.add_text_field("words", STRING);
            let index = Index::create_in_ram(schema.build());
            let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
            for words in documents {
                let mut document = TantivyDocument::default();
                let has = (0..6).filter(|word| words >> word & 1 == 1);
                has.for_each(|word| document.add_text(field, format!("{word}")));
                writer.add_document(document).unwrap();
            }
            writer.commit().unwrap();
            let searcher = index.reader().unwrap().searcher();
            let query = |word: usize| -> Box<dyn Query> {
                let term = Term::from_field_text(field, &word.to_string());
                let query = TermQuery::new(term, IndexRecordOption::Basic);
                Box::new(BoostQuery::new(Box::new(query), 1.0 + word as Score))
            };
            let queries: Vec<Box<dyn Query>> = (0..count).map(query).collect();
            let clauses = queries.iter().map(|query| (Occur::Should, query.box_clone())).collect();
            let library = BooleanQuery::with_minimum_required_clauses(clauses, required);
            let own = AtLeast { queries, required };
            let found = |query: &dyn Query| {
                let mut found = searcher.search(query, &TopDocs::with_limit(100).order_by_score()).unwrap();
                found.sort_by_key(|(_, address)| *address);
                let rounded = found.into_iter().map(|(score, address)| ((score * 1e3).round() as i64, address));
                rounded.collect::<Vec<_>>()
            };
            prop_assert_eq!(found(&own), found(&library));
            // As one of several that must be satisfied, it is looked for from product to product.
            let narrowed = |query: &dyn Query| BooleanQuery::intersection(vec![query.box_clone(), queries_of(field)]);
            prop_assert_eq!(found(&narrowed(&own)), found(&narrowed(&library)));
        }
    }

    fn queries_of(field: tantivy::schema::Field) -> Box<dyn Query> {
        Box::new(TermQuery::new(
            Term::from_field_text(field, "5"),
            IndexRecordOption::Basic,
        ))
    }
}
