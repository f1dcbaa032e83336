//! What may be kept, and for how long: the few rules of HTTP caching (RFC 9111, RFC 5861) that a cache in front of its own
//! modules needs. Pure.
//!
//! What a client says about caching in its request is not asked: otherwise everybody could make the modules work.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// What a module says about an answer of its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everybody may have it.
    Keep {
        lifetime: Lifetime,
        /// Whether it is another one in another language.
        by_language: bool,
    },
    /// It is for whoever asked.
    Pass,
    /// It depends on what the module was not told.
    AskAgain,
}

/// How old an answer may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// For so long it is as good as new.
    pub(super) fresh: Duration,
    /// For so much longer it may be given while a new one is fetched.
    pub(super) while_revalidating: Duration,
    /// For so much longer than fresh it may be given where no new one can be had.
    pub(super) on_error: Duration,
}

/// What an answer of some age is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// For everything.
    Fresh,
    /// For now, while a new one is fetched.
    WhileRevalidating,
    /// For as long as no new one can be had.
    OnError,
    /// For nothing.
    Never,
}

/// Whether an answer to somebody unknown may be given to others.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap) -> Verdict {
    let varies = vary(headers);
    if varies == Varies::Otherwise {
        return Verdict::AskAgain;
    }
    let is_whole = status == StatusCode::OK && !headers.contains_key(header::CONTENT_RANGE);
    // The module was not told that its answer may be encoded.
    let is_personal = headers.contains_key(header::SET_COOKIE) || headers.contains_key(header::CONTENT_ENCODING);
    match lifetime(headers) {
        Some(lifetime) if is_whole && !is_personal => Verdict::Keep {
            lifetime,
            by_language: varies == Varies::ByLanguage,
        },
        _ => Verdict::Pass,
    }
}

/// The age that an answer has already when it comes.
pub(super) fn age(headers: &HeaderMap) -> Duration {
    let age = headers.get(header::AGE).and_then(|value| value.to_str().ok());
    Duration::from_secs(age.and_then(|age| age.trim().parse::<u32>().ok()).unwrap_or(0).into())
}

impl Lifetime {
    /// What an answer is good for at `age`.
    pub(super) fn at(&self, age: Duration) -> Use {
        if age < self.fresh {
            return Use::Fresh;
        }
        let stale = age - self.fresh;
        if stale < self.while_revalidating {
            return Use::WhileRevalidating;
        }
        if stale < self.on_error {
            return Use::OnError;
        }
        Use::Never
    }

    /// The same where it is not known whether the answer still holds: it has to be asked for anew.
    pub(super) fn doubted(&self, age: Duration) -> Use {
        match self.at(age) {
            Use::Never => Use::Never,
            _ if age < self.fresh + self.on_error => Use::OnError,
            _ => Use::Never,
        }
    }
}

/// What `Cache-Control` allows a cache that serves many; `None` where it must not keep the answer.
fn lifetime(headers: &HeaderMap) -> Option<Lifetime> {
    let mut is_public = false;
    let (mut shared, mut any) = (None, None);
    let (mut while_revalidating, mut on_error) = (None, None);
    let mut must_revalidate = false;
    let values = headers.get_all(header::CACHE_CONTROL);
    for value in values {
        for directive in value.to_str().ok()?.split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "public" => is_public = true,
                // Some of these may name fields that alone are meant; the whole answer is left alone all the same.
                "private" | "no-store" | "no-cache" => return None,
                "must-revalidate" | "proxy-revalidate" => must_revalidate = true,
                "s-maxage" => shorten(&mut shared, seconds(argument)?),
                "max-age" => shorten(&mut any, seconds(argument)?),
                "stale-while-revalidate" => shorten(&mut while_revalidating, seconds(argument)?),
                "stale-if-error" => shorten(&mut on_error, seconds(argument)?),
                _ => (),
            }
        }
    }
    let fresh = shared.or(any).filter(|fresh| is_public && !fresh.is_zero())?;
    let window = |stated: Option<Duration>| stated.filter(|_| !must_revalidate).unwrap_or_default();
    Some(Lifetime {
        fresh,
        while_revalidating: window(while_revalidating),
        on_error: window(on_error),
    })
}

/// Where something is said twice, the shorter time counts.
fn shorten(known: &mut Option<Duration>, stated: Duration) {
    *known = Some(known.map_or(stated, |known| known.min(stated)));
}

fn seconds(argument: &str) -> Option<Duration> {
    let seconds: u32 = argument.trim().trim_matches('"').parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Varies {
    Not,
    ByLanguage,
    Otherwise,
}

/// By what the answer varies. How it is encoded is our own business.
fn vary(headers: &HeaderMap) -> Varies {
    let mut varies = Varies::Not;
    let names = headers.get_all(header::VARY).flat_map(names);
    for name in names {
        match name.as_str() {
            "" | "accept-encoding" => (),
            "accept-language" => varies = Varies::ByLanguage,
            _ => return Varies::Otherwise,
        }
    }
    varies
}

/// The names in a list; what is no text counts as a name that nobody knows.
fn names(value: &HeaderValue) -> Vec<String> {
    let list = value.to_str().unwrap_or("*");
    list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        pairs.collect()
    }

    fn judged(pairs: &[(&str, &str)]) -> Verdict {
        judge(StatusCode::OK, &headers(pairs))
    }

    fn lifetime_of(control: &str) -> Option<[u64; 3]> {
        let lifetime = lifetime(&headers(&[("cache-control", control)]))?;
        let times = [lifetime.fresh, lifetime.while_revalidating, lifetime.on_error];
        Some(times.map(|time| time.as_secs()))
    }

    #[test]
    fn only_what_is_marked_public_with_an_age_is_kept() {
        let catalogue = "public, max-age=60, stale-while-revalidate=30, stale-if-error=300";
        assert_eq!(lifetime_of(catalogue), Some([60, 30, 300]));
        assert_eq!(lifetime_of("Public,MAX-AGE=\"60\""), Some([60, 0, 0]));
        assert_eq!(lifetime_of("public, max-age=60, s-maxage=5"), Some([5, 0, 0]));
        assert_eq!(lifetime_of("public, max-age=60, max-age=9"), Some([9, 0, 0]));
        assert_eq!(
            lifetime_of("public, max-age=9, stale-if-error=9, must-revalidate"),
            Some([9, 0, 0])
        );
        for refused in [
            "",
            "public",
            "max-age=60",
            "public, max-age=0",
            "public, max-age=soon",
            "public, max-age=-1",
            "public, max-age=60, private",
            "public, max-age=60, no-store",
            "public, max-age=60, No-Cache=\"set-cookie\"",
            "private, no-store",
        ] {
            assert_eq!(lifetime_of(refused), None, "{refused}");
        }
        assert_eq!(judged(&[]), Verdict::Pass);
    }

    #[test]
    fn one_header_that_forbids_outweighs_all_others() {
        let both = [("cache-control", "public, max-age=60"), ("cache-control", "private")];
        assert_eq!(judged(&both), Verdict::Pass);
    }

    #[test]
    fn cookies_parts_and_encoded_answers_are_not_kept() {
        let public = ("cache-control", "public, max-age=60");
        assert!(matches!(judged(&[public]), Verdict::Keep { by_language: false, .. }));
        for other in [
            ("set-cookie", "a=b"),
            ("content-range", "bytes 0-1/2"),
            ("content-encoding", "br"),
        ] {
            assert_eq!(judged(&[public, other]), Verdict::Pass, "{other:?}");
        }
        for status in [201, 203, 204, 206, 301, 304, 404, 410, 500, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(status, &headers(&[public])), Verdict::Pass, "{status}");
        }
    }

    #[test]
    fn what_varies_by_something_else_than_language_is_asked_for_by_everybody() {
        let public = ("cache-control", "public, max-age=60");
        for (vary, by_language) in [
            ("Accept-Encoding", false),
            ("accept-language", true),
            ("Accept-Encoding, Accept-Language", true),
        ] {
            let Verdict::Keep { by_language: found, .. } = judged(&[public, ("vary", vary)]) else {
                panic!("{vary} is not kept");
            };
            assert_eq!(found, by_language, "{vary}");
        }
        for vary in ["*", "User-Agent", "accept-language, cookie", "Origin"] {
            assert_eq!(judged(&[public, ("vary", vary)]), Verdict::AskAgain, "{vary}");
        }
    }

    #[test]
    fn an_answer_becomes_less_useful_with_its_age() {
        let [fresh, while_revalidating, on_error] = [60, 30, 300].map(Duration::from_secs);
        let lifetime = Lifetime {
            fresh,
            while_revalidating,
            on_error,
        };
        let at = |seconds| lifetime.at(Duration::from_secs(seconds));
        assert_eq!([0, 59].map(at), [Use::Fresh; 2]);
        assert_eq!([60, 89].map(at), [Use::WhileRevalidating; 2]);
        assert_eq!([90, 359].map(at), [Use::OnError; 2]);
        assert_eq!([360, 9999].map(at), [Use::Never; 2]);
        let doubted = |seconds| lifetime.doubted(Duration::from_secs(seconds));
        assert_eq!([0, 60, 359].map(doubted), [Use::OnError; 3]);
        assert_eq!(doubted(360), Use::Never);
        let strict = Lifetime {
            on_error: Duration::ZERO,
            ..lifetime
        };
        assert_eq!(strict.doubted(Duration::from_secs(60)), Use::Never);
    }

    #[test]
    fn the_age_that_an_answer_comes_with_counts() {
        assert_eq!(age(&headers(&[("age", "7")])), Duration::from_secs(7));
        assert_eq!(age(&headers(&[("age", "old")])), Duration::ZERO);
        assert_eq!(age(&headers(&[])), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange_and_nothing_private_is_ever_kept(
            before in "[ -~]{0,40}", forbidding in "(private|no-store|no-cache|PRIVATE|No-Store)", after in "[ -~]{0,40}",
        ) {
            lifetime_of(&before);
            let control = format!("{before},{forbidding},{after}");
            prop_assert_eq!(lifetime_of(&control), None);
            let control = format!("public, max-age=60, {forbidding}");
            prop_assert_eq!(lifetime_of(&control), None);
        }

        #[test]
        fn an_older_answer_is_never_better(fresh in 1..90_u64, swr in 0..90_u64, sie in 0..90_u64, age in 0..300_u64) {
            let [fresh, while_revalidating, on_error] = [fresh, swr, sie].map(Duration::from_secs);
            let lifetime = Lifetime { fresh, while_revalidating, on_error };
            let rank = |seconds| lifetime.at(Duration::from_secs(seconds)) as u8;
            prop_assert!(rank(age) <= rank(age + 1));
        }
    }
}
