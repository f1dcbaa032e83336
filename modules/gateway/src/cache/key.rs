//! What an answer in the cache is the answer to. The module is asked with what is in the key and nothing else, so that
//! nothing outside of the key can have influenced the answer.

use std::net::Ipv6Addr;

use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, Uri};
use kernel::Problem;

use crate::peer::Origin;

/// Request headers that make an answer personal, partial or conditional in a way that only the module can see to.
const PAST_THE_CACHE: [&str; 11] = [
    "authorization",
    "cookie",
    "cart-secret",
    "order-secret",
    "range",
    "if-range",
    "if-match",
    "if-modified-since",
    "if-unmodified-since",
    "expect",
    "transfer-encoding",
];

/// One resource, in all languages or in one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    scheme: &'static str,
    host: Box<str>,
    /// Path and query, as the module reads them.
    target: Box<str>,
    /// What stands in `Accept-Language`; `None` is whatever stands there.
    language: Option<Box<str>>,
}

/// Whether everybody who sends such a request may get the same answer.
pub(super) fn is_for_everybody(head: &RequestHead) -> bool {
    let has_body = || {
        let length = head.headers.get(header::CONTENT_LENGTH);
        length.is_some_and(|length| length != "0")
    };
    let is_special = || head.headers.keys().any(|name| PAST_THE_CACHE.contains(&name.as_str()));
    head.method == Method::GET && !is_special() && !has_body()
}

/// What a request says of languages; empty where it says nothing.
pub(super) fn language(head: &RequestHead) -> Box<str> {
    let values: Vec<&str> = head.headers.get_all(header::ACCEPT_LANGUAGE).map(text).collect();
    values.join(", ").into()
}

impl Key {
    /// What is asked for, in whatever language; `scheme` is the one that the client used.
    pub(super) fn of(head: &RequestHead, scheme: &'static str) -> Self {
        let host = head.headers.get(header::HOST).map(text).unwrap_or_default();
        Self {
            scheme,
            host: host.to_ascii_lowercase().into(),
            target: head.uri.path_and_query().map_or("/", |target| target.as_str()).into(),
            language: None,
        }
    }

    /// The same resource in one language.
    pub(super) fn in_language(&self, language: &str) -> Self {
        Self {
            language: Some(language.into()),
            ..self.clone()
        }
    }

    /// The request that the module gets.
    ///
    /// # Errors
    ///
    /// Where the key cannot be read as a request, which cannot be: it was made of one.
    pub(super) fn request(&self) -> Result<RequestHead, Problem> {
        let unreadable = |_| Problem::bad_request("invalid_path", "the address cannot be read");
        let value = |text: &str| {
            let unreadable = |_| Problem::bad_request("invalid_header", "a header cannot be passed on");
            HeaderValue::from_str(text).map_err(unreadable)
        };
        let mut head = RequestHead::default();
        head.uri = Uri::try_from(&*self.target).map_err(unreadable)?;
        head.headers.insert(header::HOST, value(&self.host)?);
        if let Some(language) = self.language.as_deref().filter(|language| !language.is_empty()) {
            head.headers.insert(header::ACCEPT_LANGUAGE, value(language)?);
        }
        Ok(head)
    }

    /// Where that request comes from: from nobody in particular.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            address: Ipv6Addr::UNSPECIFIED.into(),
            scheme: self.scheme,
            host: self.host.to_string(),
        }
    }

    /// How much memory the key takes, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.host.len() + self.target.len() + self.language.as_deref().map_or(0, str::len)
    }
}

/// Headers are UTF-8: admission has seen to that.
fn text(value: &HeaderValue) -> &str {
    std::str::from_utf8(value.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    fn head(request: TestRequest) -> RequestHead {
        RequestHead::clone(request.to_srv_request().request().head())
    }

    fn key(target: &str, host: &str, languages: &str, scheme: &'static str) -> Key {
        let request = TestRequest::get()
            .uri(target)
            .insert_header(("host", host))
            .insert_header(("accept-language", languages));
        let head = head(request);
        Key::of(&head, scheme).in_language(&language(&head))
    }

    #[test]
    fn whoever_shows_who_they_are_is_not_everybody() {
        assert!(is_for_everybody(&head(TestRequest::get().uri("/api/v1/products"))));
        for name in PAST_THE_CACHE {
            let request = TestRequest::get().insert_header((name, "x"));
            assert!(!is_for_everybody(&head(request)), "{name}");
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::HEAD] {
            assert!(!is_for_everybody(&head(TestRequest::default().method(method))));
        }
        let with_body = TestRequest::get().insert_header(("content-length", "2"));
        assert!(!is_for_everybody(&head(with_body)));
    }

    #[test]
    fn what_the_module_gets_is_in_the_key() {
        let request = TestRequest::get()
            .uri("/api/v1/products?q=a%20b&sort=price")
            .peer_addr("192.0.2.1:1".parse().unwrap())
            .insert_header(("host", "Shop.Example:8080"))
            .insert_header(("accept-language", "de"))
            .insert_header(("user-agent", "curl"))
            .insert_header(("x-forwarded-host", "evil.example"))
            .insert_header(("accept", "text/html"));
        let head = head(request);
        let request = Key::of(&head, "https").in_language(&language(&head)).request().unwrap();
        assert_eq!(request.uri, "/api/v1/products?q=a%20b&sort=price");
        assert_eq!(request.peer_addr, None);
        let mut sent: Vec<(&str, &str)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect();
        sent.sort_unstable();
        assert_eq!(sent, [("accept-language", "de"), ("host", "shop.example:8080")]);
    }

    proptest! {
        #[test]
        fn two_requests_share_an_answer_only_where_all_that_may_vary_is_the_same(
            one in ("/[a-z]{0,2}(\\?[a-z]=[a-z&=]{0,3})?", "[a-c]{1,2}(:8080)?", "(de|fr|de, fr)?", 0..2_usize),
            two in ("/[a-z]{0,2}(\\?[a-z]=[a-z&=]{0,3})?", "[a-c]{1,2}(:8080)?", "(de|fr|de, fr)?", 0..2_usize),
        ) {
            let made = |of: &(String, String, String, usize)| key(&of.0, &of.1, &of.2, ["http", "https"][of.3]);
            prop_assert_eq!(one == two, made(&one) == made(&two));
            prop_assert_eq!(made(&one), made(&one));
            let anywhere = (&one.0, &one.1, one.3) == (&two.0, &two.1, two.3);
            let whatever = |key: Key| Key { language: None, ..key };
            prop_assert_eq!(anywhere, whatever(made(&one)) == whatever(made(&two)));
            prop_assert_ne!(made(&one), whatever(made(&two)));
        }
    }
}
