//! How long a search may take.

use std::io;
use std::time::{Duration, Instant};

use tantivy::query::Scorer;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, Score, TERMINATED, TantivyError};

/// How long all of what one request asks of the index may take. An answer that is later helps nobody who waits for it, and
/// the thread is needed.
const PATIENCE: Duration = Duration::from_secs(2);
/// After how many products the clock is looked at.
pub(super) const STRIDE: usize = 256;

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

    /// Tells of all that match, with their scores.
    pub(super) fn each_scored(
        self,
        matching: &mut dyn Scorer,
        mut tell: impl FnMut(DocId, Score),
    ) -> tantivy::Result<()> {
        let mut count = 0;
        while matching.doc() != TERMINATED {
            if count % STRIDE == 0 {
                self.check()?;
            }
            count += 1;
            tell(matching.doc(), matching.score());
            matching.advance();
        }
        Ok(())
    }

    /// Tells of all that match, some at a time.
    pub(super) fn each(self, matching: &mut dyn Scorer, mut tell: impl FnMut(&[DocId])) -> tantivy::Result<()> {
        let mut buffer = [0; COLLECT_BLOCK_BUFFER_LEN];
        loop {
            self.check()?;
            let count = matching.fill_buffer(&mut buffer);
            tell(&buffer[..count]);
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Whether this is why a search has ended.
    pub(super) fn is_passed_in(error: &TantivyError) -> bool {
        matches!(error, TantivyError::IoError(error) if error.kind() == io::ErrorKind::TimedOut)
    }
}

#[cfg(test)]
mod tests {
    use tantivy::query::{AllScorer, EmptyScorer};

    use super::*;

    const PRODUCTS: u32 = 1_000;

    #[test]
    fn a_search_that_takes_too_long_is_given_up() {
        let over = Limit(Instant::now());
        let error = over.each(&mut AllScorer::new(PRODUCTS), |_| ()).unwrap_err();
        assert!(Limit::is_passed_in(&error), "{error}");
        let error = over.each_scored(&mut AllScorer::new(PRODUCTS), |_, _| ()).unwrap_err();
        assert!(Limit::is_passed_in(&error), "{error}");
        assert!(!Limit::is_passed_in(&TantivyError::InternalError(
            "TimedOut".to_owned()
        )));
    }

    #[test]
    fn a_search_in_time_finds_all_that_is_there() {
        let (mut found, mut scored) = (Vec::new(), Vec::new());
        let limit = Limit::from_now();
        limit
            .each(&mut AllScorer::new(PRODUCTS), |docs| found.extend_from_slice(docs))
            .unwrap();
        limit
            .each_scored(&mut AllScorer::new(PRODUCTS), |doc, _| scored.push(doc))
            .unwrap();
        let all: Vec<DocId> = (0..PRODUCTS).collect();
        assert_eq!((&found, &scored), (&all, &all));
        limit.each(&mut EmptyScorer, |docs| assert!(docs.is_empty())).unwrap();
        limit.each_scored(&mut EmptyScorer, |doc, _| panic!("{doc}")).unwrap();
    }
}
