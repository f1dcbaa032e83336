//! The HTTP client towards endpoints. The shop resolves their names itself, looks at every address, and connects to those and
//! no others: what a name resolves to a moment later does not matter.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::Fault;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;

use crate::domain::webhooks::address::Allowance;
use crate::domain::webhooks::target::{Target, literal};
use crate::queries::webhooks::sending::Outcome;

/// How long an endpoint may take to answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection to it may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(10);
/// How much of an answer is kept, in bytes.
const KEPT: usize = 1024;

/// Knows the addresses of a host.
#[async_trait]
pub(super) trait Lookup: Send + Sync + 'static {
    /// All of them.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
struct System;

#[async_trait]
impl Lookup for System {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Sends messages.
pub(super) struct Client {
    allowance: Allowance,
    secure: reqwest::Client,
    insecure: reqwest::Client,
}

/// A message with what says who it is from.
pub(super) struct Signed<'a> {
    /// The `webhook-id`.
    pub(super) id: String,
    /// The `webhook-signature`.
    pub(super) signature: String,
    /// When it was signed.
    pub(super) at: DateTime<Utc>,
    pub(super) body: &'a str,
}

/// What came of sending a message, and what the endpoint says of when to come back.
pub(super) struct Answered {
    pub(super) outcome: Outcome,
    pub(super) retry_after: Option<String>,
}

impl Client {
    pub(super) fn new(allowance: Allowance) -> Result<Self, Fault> {
        Self::resolving_by(allowance, Arc::new(System))
    }

    fn resolving_by(allowance: Allowance, lookup: Arc<dyn Lookup>) -> Result<Self, Fault> {
        // Others in this process may have chosen the same before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |secure| {
            let resolver = Checked {
                lookup: Arc::clone(&lookup),
                allowance: allowance.clone(),
                secure,
            };
            reqwest::Client::builder()
                .dns_resolver(resolver)
                .https_only(secure)
                .no_proxy()
                .no_gzip()
                .redirect(Policy::none())
                .referer(false)
                .timeout(TIMEOUT)
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(1)
                .user_agent("Bodega-Webhooks/1.0")
                .build()
                .map_err(|error| Fault::internal(format!("the client of webhooks: {error}")))
        };
        Ok(Self {
            secure: client(true)?,
            insecure: client(false)?,
            allowance,
        })
    }

    /// Sends a message to `url`; every way in which that can fail is an outcome.
    pub(super) async fn post(&self, url: &str, message: &Signed<'_>) -> Answered {
        let started = Instant::now();
        let (status, answer, retry_after, failure) = match self.try_post(url, message).await {
            Ok((status, answer, retry_after)) => (Some(status), Some(answer), retry_after, None),
            Err(failure) => (None, None, None, Some(failure)),
        };
        Answered {
            outcome: Outcome {
                at: message.at,
                duration: started.elapsed(),
                status,
                failure,
                answer,
            },
            retry_after,
        }
    }

    async fn try_post(&self, url: &str, message: &Signed<'_>) -> Result<(u16, String, Option<String>), &'static str> {
        // The settings may have changed since the address was taken; and a literal address is never looked up.
        let target = Target::parse(url, &self.allowance).map_err(|_| NOT_ALLOWED)?;
        let client = if target.secure { &self.secure } else { &self.insecure };
        if let Some(address) = literal(&target.url)
            && !self.allowance.permits(address, target.secure)
        {
            return Err(NOT_ALLOWED);
        }
        let request = client
            .post(target.url)
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", message.at.timestamp())
            .header("webhook-signature", &message.signature)
            .body(message.body.to_owned());
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut answer = Vec::new();
        // The status has said what counts: a body that breaks off is kept as far as it came.
        while let Ok(Some(piece)) = response.chunk().await {
            answer.extend_from_slice(&piece[..piece.len().min(KEPT - answer.len())]);
            if answer.len() >= KEPT {
                break;
            }
        }
        Ok((status, readable(&answer), retry_after))
    }
}

const NOT_ALLOWED: &str = "address_not_allowed";

/// Why there is no answer, as staff are told: nothing of the error's own words, which may tell of the shop's network.
fn failure(error: &reqwest::Error) -> &'static str {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<Forbidden>() {
            return NOT_ALLOWED;
        }
        cause = inner.source();
    }
    match error {
        error if error.is_timeout() => "timed_out",
        error if error.is_connect() => "unreachable",
        _ => "broken_off",
    }
}

/// Text as far as it is, without what a database cannot keep.
fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}")
}

/// Resolves names, and refuses those of which an address is not permitted.
struct Checked {
    lookup: Arc<dyn Lookup>,
    allowance: Allowance,
    secure: bool,
}

/// A name resolves to an address that is not permitted.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that is not permitted")]
struct Forbidden;

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allowance, secure) = (Arc::clone(&self.lookup), self.allowance.clone(), self.secure);
        Box::pin(async move {
            let addresses = lookup.lookup(name.as_str()).await?;
            // One that is not permitted speaks against the name, whatever the others are.
            if !addresses.iter().all(|address| allowance.permits(*address, secure)) {
                return Err(Forbidden.into());
            }
            let sockets = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Resolves every name to one list after the other, the last one for ever.
    struct Changing(Mutex<VecDeque<Vec<IpAddr>>>);

    #[async_trait]
    impl Lookup for Changing {
        async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            let mut lists = self.0.lock().unwrap();
            Ok(match lists.len() {
                1 => lists[0].clone(),
                _ => lists.pop_front().unwrap_or_default(),
            })
        }
    }

    fn client(networks: &[&str], lists: &[&[&str]]) -> Client {
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        let lists = lists
            .iter()
            .map(|list| list.iter().map(|text| text.parse().unwrap()).collect());
        let allowance = Allowance::parse(true, &networks).unwrap();
        Client::resolving_by(allowance, Arc::new(Changing(Mutex::new(lists.collect())))).unwrap()
    }

    /// A server on this address and a port of its own that answers everything with `answer`, one request per connection, and
    /// counts them.
    async fn server(address: &str, answer: &'static str) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (port, serve(listener, answer))
    }

    fn serve(listener: TcpListener, answer: &'static str) -> Arc<AtomicUsize> {
        let reached = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reached);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        reached
    }

    const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

    async fn post(client: &Client, url: &str) -> Outcome {
        let message = Signed {
            id: "event_1".to_owned(),
            signature: "v1,x".to_owned(),
            at: DateTime::UNIX_EPOCH,
            body: "{}",
        };
        client.post(url, &message).await.outcome
    }

    #[tokio::test]
    async fn a_name_that_is_bound_anew_leads_nowhere_else() {
        let (port, permitted) = server("127.0.0.2", FINE).await;
        let Ok(inside) = TcpListener::bind(("127.0.0.1", port)).await else {
            panic!("the port is taken at another address of this machine");
        };
        let inside = serve(inside, FINE);
        let client = client(&["127.0.0.2"], &[&["127.0.0.2"], &["127.0.0.1"]]);
        let url = format!("http://hooks.example:{port}/");
        assert_eq!(post(&client, &url).await.status, Some(200));
        let rebound = post(&client, &url).await;
        assert_eq!((rebound.status, rebound.failure), (None, Some(NOT_ALLOWED)));
        assert_eq!(permitted.load(Ordering::SeqCst), 1);
        assert_eq!(inside.load(Ordering::SeqCst), 0, "nothing was sent to the shop itself");
    }

    #[tokio::test]
    async fn one_address_that_is_not_permitted_speaks_against_the_name() {
        let (port, reached) = server("127.0.0.1", FINE).await;
        let client = client(
            &["127.0.0.1"],
            &[&["127.0.0.1", "10.0.0.1"], &["::ffff:169.254.169.254"], &["::1"]],
        );
        for _ in 0..3 {
            let outcome = post(&client, &format!("http://hooks.example:{port}/")).await;
            assert_eq!(outcome.failure, Some(NOT_ALLOWED));
        }
        assert_eq!(reached.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_literal_address_is_looked_at_though_nobody_looks_it_up() {
        let (port, reached) = server("127.0.0.1", FINE).await;
        let client = client(&["127.0.0.2"], &[&["127.0.0.2"]]);
        for host in ["127.0.0.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"] {
            let outcome = post(&client, &format!("http://{host}:{port}/")).await;
            assert_eq!(outcome.failure, Some(NOT_ALLOWED), "{host}");
        }
        assert_eq!(reached.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (inner, reached) = server("127.0.0.1", FINE).await;
        let location =
            format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inner}/\r\nContent-Length: 0\r\n\r\n");
        let (port, _) = server("127.0.0.1", location.leak()).await;
        let client = client(&["127.0.0.1"], &[&["127.0.0.1"]]);
        assert_eq!(
            post(&client, &format!("http://hooks.example:{port}/")).await.status,
            Some(302)
        );
        assert_eq!(reached.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn of_an_answer_only_the_beginning_is_kept_as_text() {
        let long = format!("HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n\0{}", "x".repeat(5000));
        let (port, _) = server("127.0.0.1", long.leak()).await;
        let client = client(&["127.0.0.1"], &[&["127.0.0.1"]]);
        let outcome = post(&client, &format!("http://hooks.example:{port}/")).await;
        let answer = outcome.answer.unwrap();
        assert_eq!(outcome.status, Some(500));
        assert!(
            answer.starts_with('\u{fffd}') && answer.chars().count() == KEPT,
            "{answer}"
        );
    }

    #[tokio::test]
    async fn nobody_there_is_an_outcome() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let client = client(&["127.0.0.1"], &[&["127.0.0.1"]]);
        let outcome = post(&client, &format!("http://hooks.example:{port}/")).await;
        assert_eq!((outcome.status, outcome.failure), (None, Some("unreachable")));
    }
}
