//! What became of a request at the cache, as its client (`Cache-Status`, RFC 9211) and the operators are told.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use metrics::Counter;

const AGE: HeaderName = HeaderName::from_static("age");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// Answered from memory.
    Hit,
    /// Answered from memory although a new answer is due, which others get.
    Stale,
    /// Answered from memory because there is no new answer.
    StaleOnError,
    /// Answered by the module, for everybody.
    Miss,
    /// The same where what was kept had become too old.
    Expired,
    /// Answered by the module to somebody else who asked the same at the same time.
    Collapsed,
    /// Answered by the module, for this client alone.
    Uncacheable,
    /// The module had to see who asks.
    Bypass,
}

/// How often each of these has happened. Made once: looking a counter up by its labels takes longer than looking an answer
/// up.
pub(super) struct Counters([Counter; Handling::ALL.len()]);

impl Handling {
    /// In the order of their numbers.
    const ALL: [Self; 8] = [
        Self::Hit,
        Self::Stale,
        Self::StaleOnError,
        Self::Miss,
        Self::Expired,
        Self::Collapsed,
        Self::Uncacheable,
        Self::Bypass,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::StaleOnError => "stale_on_error",
            Self::Miss => "miss",
            Self::Expired => "expired",
            Self::Collapsed => "collapsed",
            Self::Uncacheable => "uncacheable",
            Self::Bypass => "bypass",
        }
    }

    const fn status(self) -> &'static str {
        match self {
            Self::Hit | Self::Stale => "bodega; hit",
            Self::StaleOnError => "bodega; fwd=stale; detail=stale-if-error",
            Self::Miss => "bodega; fwd=miss; stored",
            Self::Expired => "bodega; fwd=stale; stored",
            Self::Collapsed => "bodega; fwd=miss; collapsed",
            Self::Uncacheable => "bodega; fwd=miss",
            Self::Bypass => "bodega; fwd=bypass",
        }
    }
}

impl Counters {
    pub(super) fn new() -> Self {
        let counter =
            |handling: Handling| metrics::counter!("gateway_cache_requests_total", "result" => handling.label());
        Self(Handling::ALL.map(counter))
    }

    /// Counts a request that the module has answered, and tells its client.
    pub(super) fn tell(&self, response: &mut HttpResponse, handling: Handling) {
        self.count(handling);
        let status = HeaderValue::from_static(handling.status());
        response.headers_mut().insert(CACHE_STATUS, status);
    }

    /// The same for one that is answered by what was made `age` ago, and was fresh for a time.
    pub(super) fn tell_kept(&self, response: &mut HttpResponse, handling: Handling, age: Duration, fresh: Duration) {
        self.tell(response, handling);
        let headers = response.headers_mut();
        headers.insert(AGE, HeaderValue::from(age.as_secs()));
        if handling == Handling::Stale {
            let since = age.saturating_sub(fresh).as_secs();
            // Only digits are added to a text that is a header already.
            if let Ok(status) = HeaderValue::from_str(&format!("{}; ttl=-{since}", handling.status())) {
                headers.insert(CACHE_STATUS, status);
            }
        }
    }

    fn count(&self, handling: Handling) {
        if let Some(counter) = self.0.get(handling as usize) {
            counter.increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_handling_has_its_counter() {
        for (number, handling) in Handling::ALL.into_iter().enumerate() {
            assert_eq!(number, handling as usize);
        }
    }

    #[test]
    fn a_client_is_told_how_long_an_answer_has_been_stale() {
        let mut response = HttpResponse::Ok().finish();
        let [age, fresh] = [65, 60].map(Duration::from_secs);
        Counters::new().tell_kept(&mut response, Handling::Stale, age, fresh);
        assert_eq!(response.headers().get(CACHE_STATUS).unwrap(), "bodega; hit; ttl=-5");
        assert_eq!(response.headers().get(AGE).unwrap(), "65");
    }
}
