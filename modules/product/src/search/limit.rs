//! How long a search may take.

use std::io;
use std::time::{Duration, Instant};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::Weight;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocSet, SegmentOrdinal, SegmentReader, TERMINATED, TantivyError};

/// How long all of what one request asks of the index may take. An answer that is later helps nobody who waits for it, and
/// the thread is needed.
const PATIENCE: Duration = Duration::from_secs(2);
/// After how many products the clock is looked at.
const STRIDE: usize = 256;

/// The end of a search's time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit(Instant);

impl Limit {
    /// The limit of what begins now.
    pub(super) fn from_now() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    /// An error, which [`Limit::is_passed_in`] knows, once the time is over.
    pub(super) fn check(self) -> tantivy::Result<()> {
        match Instant::now() < self.0 {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        }
    }

    /// Whether this is why a search has ended.
    pub(super) fn is_passed_in(error: &TantivyError) -> bool {
        matches!(error, TantivyError::IoError(error) if error.kind() == io::ErrorKind::TimedOut)
    }
}

/// A collector that gives up when its time is over.
pub(super) struct Limited<C> {
    pub(super) collector: C,
    pub(super) limit: Limit,
}

impl<C: Collector> Collector for Limited<C> {
    type Fruit = C::Fruit;
    type Child = C::Child;

    fn for_segment(&self, number: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<C::Child> {
        self.collector.for_segment(number, segment)
    }

    fn requires_scoring(&self) -> bool {
        self.collector.requires_scoring()
    }

    fn merge_fruits(&self, found: Vec<<C::Child as SegmentCollector>::Fruit>) -> tantivy::Result<C::Fruit> {
        self.collector.merge_fruits(found)
    }

    fn collect_segment(
        &self,
        weight: &dyn Weight,
        number: SegmentOrdinal,
        segment: &SegmentReader,
    ) -> tantivy::Result<<C::Child as SegmentCollector>::Fruit> {
        self.limit.check()?;
        let mut found = self.for_segment(number, segment)?;
        let mut matching = weight.scorer(segment, 1.0)?;
        let is_alive = |doc| segment.alive_bitset().is_none_or(|alive| alive.is_alive(doc));
        if self.requires_scoring() {
            let mut count = 0;
            while matching.doc() != TERMINATED {
                let doc = matching.doc();
                if is_alive(doc) {
                    found.collect(doc, matching.score());
                }
                matching.advance();
                count += 1;
                if count % STRIDE == 0 {
                    self.limit.check()?;
                }
            }
            return Ok(found.harvest());
        }
        let mut buffer = [0; COLLECT_BLOCK_BUFFER_LEN];
        loop {
            let count = matching.fill_buffer(&mut buffer);
            for doc in buffer[..count].iter().copied().filter(|doc| is_alive(*doc)) {
                found.collect(doc, 0.0);
            }
            if count < buffer.len() {
                return Ok(found.harvest());
            }
            self.limit.check()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use tantivy::collector::Count;
    use tantivy::query::{AllQuery, Query, TermQuery};
    use tantivy::schema::{IndexRecordOption, STRING, Schema};
    use tantivy::{Index, Searcher, TantivyDocument, Term};

    use super::*;

    const PRODUCTS: usize = 1_000;

    fn searcher() -> (Searcher, Box<dyn Query>) {
        let mut schema = Schema::builder();
        let name = schema.add_text_field("name", STRING);
        let index = Index::create_in_ram(schema.build());
        let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
        for number in 0..PRODUCTS {
            let mut document = TantivyDocument::default();
            document.add_text(name, if number == 0 { "gone" } else { "thing" });
            writer.add_document(document).unwrap();
        }
        writer.commit().unwrap();
        writer.delete_term(Term::from_field_text(name, "gone"));
        writer.commit().unwrap();
        let term = TermQuery::new(Term::from_field_text(name, "thing"), IndexRecordOption::Basic);
        (index.reader().unwrap().searcher(), Box::new(term))
    }

    fn count(searcher: &Searcher, query: &dyn Query, limit: Limit) -> tantivy::Result<usize> {
        searcher.search(
            query,
            &Limited {
                collector: Count,
                limit,
            },
        )
    }

    #[test]
    fn a_search_that_takes_too_long_is_given_up() {
        let (searcher, query) = searcher();
        let over = Limit(Instant::now());
        let error = count(&searcher, &*query, over).unwrap_err();
        assert!(Limit::is_passed_in(&error), "{error}");
        assert!(!Limit::is_passed_in(&TantivyError::InternalError(
            "TimedOut".to_owned()
        )));
    }

    #[test]
    fn a_search_in_time_finds_all_that_is_there() {
        let (searcher, query) = searcher();
        for query in [&*query, &AllQuery] {
            assert_eq!(count(&searcher, query, Limit::from_now()).unwrap(), PRODUCTS - 1);
        }
        let best = tantivy::collector::TopDocs::with_limit(PRODUCTS).order_by_score();
        let limited = Limited {
            collector: best,
            limit: Limit::from_now(),
        };
        assert_eq!(searcher.search(&*query, &limited).unwrap().len(), PRODUCTS - 1);
    }
}
