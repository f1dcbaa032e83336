//! Whoever listens to a stream of events, as a browser's `EventSource` does.

use serde_json::Value;

use super::{Response, Shop};

/// A stream that is open.
pub(crate) struct Listener {
    response: reqwest::Response,
    /// What has come of the next event.
    buffer: String,
}

/// An event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl Listener {
    /// Opens the stream at `url`, a path of the store; for whoever comes back, with the id of the last event heard. Any other
    /// answer than a stream is an error.
    pub(crate) async fn open(shop: &Shop, url: &str, last: Option<&str>) -> Result<Listener, Response> {
        let request = |encodings: &str| {
            let request = shop.client.get(format!("http://{}{url}", shop.address()));
            let request = request
                .header("accept-encoding", encodings)
                .header("origin", "https://shop.example");
            match last {
                Some(last) => request.header("last-event-id", last),
                None => request,
            }
        };
        // A client that reads compressed answers gets none of a stream.
        let response = request("gzip, br").send().await.unwrap();
        if response.status() != 200 {
            return Err(Response::of(request("identity").send().await.unwrap()).await);
        }
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("content-type"), Some("text/event-stream"));
        assert_eq!(header("cache-control"), Some("no-store"));
        assert_eq!(header("content-encoding"), None);
        Ok(Listener {
            response,
            buffer: String::new(),
        })
    }

    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The next event; `None` where the stream ends as it should.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = block.lines().filter_map(|line| line.strip_prefix(name));
                    lines.next().map(|value| value.trim_start().to_owned())
                };
                let heard = field("data:").map(|data| Heard {
                    id: field("id:").unwrap_or_default(),
                    event: field("event:").unwrap_or_default(),
                    data: serde_json::from_str(&data).unwrap(),
                });
                self.buffer = rest.to_owned();
                if heard.is_some() {
                    return heard;
                }
            }
            let piece = self.response.chunk().await.unwrap()?;
            self.buffer.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The first event of which `wanted` holds.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Heard {
        loop {
            let heard = self.next().await.unwrap();
            if wanted(&heard.data) {
                return heard;
            }
        }
    }
}
