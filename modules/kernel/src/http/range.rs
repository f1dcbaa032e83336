//! Parts of a file, for whoever goes on with a download that has broken off (RFC 9110, section 14).

use std::ops::Range;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ByteRangeSpec, Header};

use crate::Problem;

/// Which of the `length` bytes of a file with the strong `tag` a request asks for; `None` where that is all of them. Several
/// ranges at a time, and what is no range of bytes, are passed over, as everybody may.
///
/// # Errors
///
/// 416 where the file has no such part.
pub fn wanted(request: &HttpRequest, tag: &str, length: u64) -> Result<Option<Range<u64>>, Problem> {
    let Some(wanted) = single(request).filter(|_| is_of_this(request, tag)) else {
        return Ok(None);
    };
    match wanted.to_satisfiable_range(length) {
        Some((first, last)) => Ok(Some(first..last + 1)),
        None => {
            let detail = format!("the file has {length} bytes");
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", detail);
            Err(problem.with_header(header::CONTENT_RANGE, format!("bytes */{length}")))
        }
    }
}

/// The `Content-Range` of a part of a file of `length` bytes.
pub fn content_range(part: &Range<u64>, length: u64) -> (header::HeaderName, String) {
    let told = format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1));
    (header::CONTENT_RANGE, told)
}

fn single(request: &HttpRequest) -> Option<ByteRangeSpec> {
    match header::Range::parse(request) {
        Ok(header::Range::Bytes(ranges)) => <[ByteRangeSpec; 1]>::try_from(ranges).ok().map(|[range]| range),
        _ => None,
    }
}

/// Whether the part is to go with this very file: `If-Range`, by strong comparison. A date says too little.
fn is_of_this(request: &HttpRequest, tag: &str) -> bool {
    match request.headers().get(header::IF_RANGE) {
        Some(condition) => condition.as_bytes() == tag.as_bytes(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = "\"file\"";

    /// What of so many bytes is sent; the status where that is refused.
    fn part(headers: &[(&str, &str)], length: u64) -> Result<Option<Range<u64>>, u16> {
        let mut request = TestRequest::get();
        for header in headers {
            request = request.insert_header(*header);
        }
        wanted(&request.to_http_request(), TAG, length).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_range_is_a_part_of_what_is_there() {
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("bytes=7-", 7..10),
            ("bytes=7-100", 7..10),
            ("bytes=-3", 7..10),
            ("bytes=-100", 0..10),
        ] {
            assert_eq!(part(&[("Range", range)], 10), Ok(Some(expected)), "{range}");
        }
    }

    #[test]
    fn a_range_behind_the_end_is_refused() {
        for (range, length) in [
            ("bytes=10-", 10),
            ("bytes=10-12", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
        ] {
            assert_eq!(part(&[("Range", range)], length), Err(416), "{range}");
        }
        let request = TestRequest::get().insert_header(("Range", "bytes=10-"));
        let refused = wanted(&request.to_http_request(), TAG, 10).unwrap_err();
        let told = refused.respond(None);
        assert_eq!(told.headers().get(header::CONTENT_RANGE).unwrap(), "bytes */10");
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_passed_over() {
        for range in [
            "bytes=0-1,4-5",
            "bytes=4-2",
            "bytes=",
            "bytes=a-b",
            "lines=1-2",
            "0-1",
            "",
        ] {
            assert_eq!(part(&[("Range", range)], 10), Ok(None), "{range}");
        }
        assert_eq!(part(&[], 10), Ok(None));
    }

    #[test]
    fn a_part_of_another_file_is_of_no_use() {
        let range = ("Range", "bytes=2-4");
        assert_eq!(part(&[range, ("If-Range", TAG)], 10), Ok(Some(2..5)));
        for other in ["\"other\"", "W/\"file\"", "Sat, 28 Nov 2026 08:00:00 GMT", ""] {
            assert_eq!(part(&[range, ("If-Range", other)], 10), Ok(None), "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_range_lies_within_the_file(range in "bytes=[0-9]{0,20}-[0-9]{0,20}", length: u64) {
            if let Ok(Some(part)) = part(&[("Range", &range)], length) {
                prop_assert!(part.start < part.end && part.end <= length, "{range} of {length}: {part:?}");
            }
        }
    }
}
