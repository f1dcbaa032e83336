//! An upstream that takes requests apart by itself, byte by byte, tells what it has understood, and answers as a test wants.
//! It stands for the modules behind a gateway; what gateways ask for themselves (keys, readiness) it answers alike always.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kernel::token::PublicKeys;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::runtime;

/// A request as the upstream has understood it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// In the order of the wire; names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body was there to its end.
    pub(crate) whole: bool,
    /// How many requests came before it on its connection.
    pub(crate) place: usize,
}

/// What the upstream does about a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Tells the request back, as JSON.
    Echo,
    /// Writes these bytes and goes on with the connection.
    Bytes(Vec<u8>),
    /// Writes these bytes and closes the connection.
    Last(Vec<u8>),
    /// Writes these bytes and then nothing more, but keeps the connection.
    Stall(Vec<u8>),
}

/// An upstream; gone with the value.
pub(crate) struct Echo {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    seen: Mutex<Vec<Seen>>,
    script: Mutex<Script>,
    keys: Mutex<PublicKeys>,
    keys_asked: AtomicUsize,
    connections: Mutex<Vec<JoinHandle<()>>>,
    open: AtomicUsize,
    stalled: AtomicUsize,
    being_read: AtomicUsize,
    reads: watch::Sender<bool>,
}

type Script = Box<dyn Fn(&Seen) -> Reply + Send>;

impl Echo {
    /// An upstream that tells every request back.
    pub(crate) async fn start() -> Echo {
        Echo::at("127.0.0.1:0".parse().unwrap()).await
    }

    /// The same at an address of its own choice.
    pub(crate) async fn at(address: SocketAddr) -> Echo {
        runtime::run(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            let shared = Arc::new(Shared {
                seen: Mutex::default(),
                script: Mutex::new(Box::new(|_| Reply::Echo)),
                keys: Mutex::default(),
                keys_asked: AtomicUsize::new(0),
                connections: Mutex::default(),
                open: AtomicUsize::new(0),
                stalled: AtomicUsize::new(0),
                being_read: AtomicUsize::new(0),
                reads: watch::Sender::new(true),
            });
            Echo {
                address: listener.local_addr().unwrap(),
                accepting: tokio::spawn(accept(listener, Arc::clone(&shared))),
                shared,
            }
        })
        .await
    }

    /// Where it is, as a setting says it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers from now on as `script` says.
    pub(crate) fn answers(&self, script: impl Fn(&Seen) -> Reply + Send + 'static) {
        *self.shared.script.lock().unwrap() = Box::new(script);
    }

    /// Whether it reads bodies; where it does not, it waits until it does again.
    pub(crate) fn reads_bodies(&self, reads: bool) {
        self.shared.reads.send_replace(reads);
    }

    /// Gives the keys by which gateways believe access tokens.
    pub(crate) fn publishes(&self, keys: PublicKeys) {
        *self.shared.keys.lock().unwrap() = keys;
    }

    /// How often the keys were asked for.
    pub(crate) fn keys_asked(&self) -> usize {
        self.shared.keys_asked.load(Ordering::Relaxed)
    }

    /// The requests that have come so far, without those that gateways ask for themselves.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many connections are open on which more has come than gateways ask for themselves.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// How many connections are open with an answer begun that never ends.
    pub(crate) fn stalled(&self) -> usize {
        self.shared.stalled.load(Ordering::Relaxed)
    }

    /// How many requests are being read.
    pub(crate) fn being_read(&self) -> usize {
        self.shared.being_read.load(Ordering::Relaxed)
    }

    /// The same, and forgets them.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.accepting.abort();
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}

impl Seen {
    /// The values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(header, _)| header == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a header that is there at most once; empty where it is not.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let values = self.all(name);
        assert!(values.len() < 2, "{name} is there more than once: {self:?}");
        values.first().copied().unwrap_or_default()
    }

    fn told(&self) -> Reply {
        let told = json!({"method": self.method, "target": self.target, "headers": self.headers,
            "body": String::from_utf8_lossy(&self.body)});
        Reply::Bytes(answer(
            "200 OK",
            &[("content-type", "application/json")],
            told.to_string(),
        ))
    }
}

/// A well-formed answer.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = tokio::spawn(serve(stream, Arc::clone(&shared)));
        shared.connections.lock().unwrap().push(connection);
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut open = None;
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    for place in 0.. {
        if !matches!(stream.fill_buf().await, Ok([_, ..])) {
            return;
        }
        let being_read = Count::of(&shared.being_read);
        let Some(seen) = read(&mut stream, place, &shared.reads).await else {
            return;
        };
        drop(being_read);
        let reply = match housekeeping(&seen, &shared) {
            Some(told) => Reply::Bytes(answer("200 OK", &[], told.to_string())),
            None => {
                open.get_or_insert_with(|| Count::of(&shared.open));
                shared.seen.lock().unwrap().push(seen.clone());
                (shared.script.lock().unwrap())(&seen)
            }
        };
        let reply = if let Reply::Echo = reply { seen.told() } else { reply };
        let (bytes, goes_on) = match reply {
            Reply::Bytes(bytes) => (bytes, true),
            Reply::Last(bytes) => (bytes, false),
            Reply::Stall(bytes) => {
                let _stalled = Count::of(&shared.stalled);
                let _ = stream.write_all(&bytes).await;
                // Nothing more is expected to come but the end.
                let _ = stream.read_u8().await;
                return;
            }
            Reply::Echo => return,
        };
        // Whoever does not want the answer has closed the connection.
        if stream.write_all(&bytes).await.is_err() || !goes_on || !seen.whole {
            return;
        }
    }
}

/// One more of something, as long as it is there.
struct Count<'a>(&'a AtomicUsize);

impl<'a> Count<'a> {
    fn of(count: &'a AtomicUsize) -> Count<'a> {
        count.fetch_add(1, Ordering::Relaxed);
        Count(count)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What gateways ask for themselves.
fn housekeeping(seen: &Seen, shared: &Shared) -> Option<Value> {
    match seen.target.as_str() {
        "/readyz" => Some(json!({"ready": true})),
        "/internal/user/keys" => {
            shared.keys_asked.fetch_add(1, Ordering::Relaxed);
            Some(json!({"Ok": *shared.keys.lock().unwrap()}))
        }
        "/internal/user/still-holds" => Some(json!({"Ok": true})),
        target if target.starts_with("/internal/") => Some(json!({})),
        _ => None,
    }
}

/// Reads one request as strictly as RFC 9112 has it; whatever else comes is a failed test.
async fn read(stream: &mut BufReader<TcpStream>, place: usize, reads: &watch::Sender<bool>) -> Option<Seen> {
    let start = line(stream).await?;
    let parts: Vec<&str> = start.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else {
        panic!("not a request line: {start:?}");
    };
    let mut seen = Seen {
        method: method.to_owned(),
        target: target.to_owned(),
        place,
        ..Seen::default()
    };
    loop {
        let header = line(stream).await?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header
            .split_once(':')
            .unwrap_or_else(|| panic!("no header: {header:?}"));
        assert!(!name.is_empty() && !name.contains(char::is_whitespace), "{header:?}");
        seen.headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let (lengths, codings) = (seen.all("content-length"), seen.all("transfer-encoding"));
    if !lengths.is_empty() || !codings.is_empty() {
        // The sender is part of what is shared, so that it is there as long as we are.
        let _ = reads.subscribe().wait_for(|reads| *reads).await;
    }
    let body = match (&lengths[..], &codings[..]) {
        ([], []) => Some(Vec::new()),
        ([length], []) => exactly(stream, length.parse().unwrap()).await,
        ([], ["chunked"]) => chunks(stream).await,
        _ => panic!("two framings: {seen:?}"),
    };
    seen.whole = body.is_some();
    seen.body = body.unwrap_or_default();
    Some(seen)
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    bytes.truncate(bytes.len() - 2);
    assert!(!bytes.contains(&b'\n') && !bytes.contains(&b'\r'), "{bytes:?}");
    Some(String::from_utf8(bytes).unwrap())
}

async fn exactly(stream: &mut BufReader<TcpStream>, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

async fn chunks(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(stream).await?;
        let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("not a bare chunk size: {size:?}"));
        body.extend(exactly(stream, size).await?);
        assert_eq!(
            line(stream).await?,
            "",
            "a chunk ends with its line, and no trailer follows the last"
        );
        if size == 0 {
            return Some(body);
        }
    }
}
