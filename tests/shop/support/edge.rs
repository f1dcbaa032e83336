//! A gateway alone, in front of upstreams that a test scripts, and a client that sends bytes as they are.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use bodega::server::Running;
use bodega::settings::Sources;
use kernel::Clock;
use kernel::id::Id;
use kernel::identity::{Role, SignedIn};
use kernel::token::{PublicKeys, TokenSigner};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::store::{Shop, key_settings, keys_folder};
use super::{Echo, fleet, process, runtime};

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who takes nothing for so long takes nothing any more.
const PAUSE: Duration = Duration::from_millis(500);

/// A gateway in this process that runs no module and keeps no answers; stops when it is dropped.
pub(crate) struct Edge {
    shop: Shop,
    running: Option<Running>,
    signer: TokenSigner,
    _folder: TempDir,
}

impl Edge {
    /// A gateway with `upstream` for all modules.
    pub(crate) async fn before(upstream: &Echo) -> Edge {
        Edge::with(upstream, []).await
    }

    /// The same with other settings, in the notation of the environment; `upstream.cart` may name other upstreams.
    pub(crate) async fn with<const N: usize>(upstream: &Echo, changes: [(&str, &str); N]) -> Edge {
        let folder = keys_folder();
        let mut sources = Sources::default();
        let own = [
            ("run", "gateway"),
            ("server.public", "127.0.0.1:0"),
            ("server.management", "127.0.0.1:0"),
            ("server.workers", "1"),
            ("server.drain_delay", "0s"),
            ("server.drain_timeout", "1s"),
            ("limits.enabled", "false"),
            // Upstreams see all that is asked, and nothing else.
            ("gateway.cache_bytes", "0"),
        ];
        for (key, value) in own {
            sources.set(key, value);
        }
        sources.set("data.dir", folder.path().display());
        for module in ["user", "product", "cart", "order"] {
            sources.set(&format!("upstream.{module}"), upstream.url());
        }
        for (key, value) in key_settings(folder.path()) {
            sources.set(&key, value);
        }
        for (key, value) in changes {
            sources.set(key, value);
        }
        let clock = Clock::system();
        let signer = TokenSigner::new(&TokenSigner::generate_key(), clock.clone()).unwrap();
        upstream.publishes(PublicKeys {
            keys: vec![signer.public_key()],
        });
        let running = runtime::run(fleet::start(sources, clock)).await;
        Edge {
            shop: Shop::at(vec![running.public().unwrap()], vec![running.management()]),
            running: Some(running),
            signer,
            _folder: folder,
        }
    }

    /// The access token of somebody who may do everything.
    pub(crate) fn token(&self) -> String {
        let who = SignedIn {
            user: Id::generate(),
            session: Id::generate(),
            roles: vec![Role::Admin],
            group: None,
        };
        self.signer.sign(&who).unwrap()
    }

    /// A connection to the gateway.
    pub(crate) async fn connect(&self) -> Wire {
        Wire::to(self.address()).await
    }

    /// What is answered to one request on a connection of its own.
    pub(crate) async fn exchange(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut wire = self.connect().await;
        wire.send(request).await;
        wire.answer().await
    }

    /// What is answered to a GET.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.exchange(get(target)).await
    }
}

/// A gateway in a process of its own, whose log can be read.
pub(crate) struct EdgeProcess {
    shop: Shop,
    child: Child,
    folder: PathBuf,
    _keys: TempDir,
}

impl EdgeProcess {
    /// A gateway with `upstream` for all modules.
    pub(crate) async fn before(upstream: &Echo) -> EdgeProcess {
        let (folder, keys) = (process::make_folder(), keys_folder());
        let mut settings = key_settings(keys.path());
        for module in ["user", "product", "cart", "order"] {
            settings.push((format!("upstream.{module}"), upstream.url()));
        }
        for (key, value) in [
            ("run", "gateway"),
            ("server.public", "127.0.0.1:0"),
            ("server.management", "127.0.0.1:0"),
        ] {
            settings.push((key.to_owned(), value.to_owned()));
        }
        let (child, log) = process::serve(folder.clone(), settings).await;
        let address = |name: &str| vec![log[name].as_str().unwrap().parse().unwrap()];
        EdgeProcess {
            shop: Shop::at(address("public"), address("management")),
            child,
            folder,
            _keys: keys,
        }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join(process::LOG)).unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

impl Deref for EdgeProcess {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl Drop for EdgeProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        process::remove(&self.folder);
    }
}

/// The bytes of a GET.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n\r\n")
}

impl Deref for Edge {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.shop.client = reqwest::Client::new();
            runtime::block_on(running.stop());
        }
    }
}

/// A connection whose every byte the test decides.
pub(crate) struct Wire {
    stream: TcpStream,
    /// What has been read of the next answer.
    buffer: Vec<u8>,
}

/// An answer as it came.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether it came to the end that it promised.
    pub(crate) whole: bool,
}

impl Wire {
    /// A connection to any address.
    pub(crate) async fn to(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Wire {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends bytes; to somebody who has closed the connection that is no error.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Sends the same bytes again and again until nobody has taken any for a while; answers how many were.
    pub(crate) async fn send_while_taken(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while let Ok(Ok(taken)) = timeout(PAUSE, self.stream.write(&bytes[sent % bytes.len()..])).await {
            sent += taken;
        }
        sent
    }

    /// Sends a byte now and then, until the other side closes the connection; answers what came meanwhile.
    pub(crate) async fn trickle(&mut self) -> Vec<u8> {
        let trickled = async {
            loop {
                self.send("x").await;
                if let Ok(false) = timeout(PAUSE, self.more()).await {
                    break;
                }
            }
        };
        patiently(trickled).await;
        std::mem::take(&mut self.buffer)
    }

    /// The next answer; one without a status where the connection is closed instead.
    pub(crate) async fn answer(&mut self) -> Answer {
        patiently(self.read_answer(true)).await
    }

    /// The next answer, which has no body whatever its headers say, because HEAD was asked.
    pub(crate) async fn answer_to_head(&mut self) -> Answer {
        patiently(self.read_answer(false)).await
    }

    /// Whatever comes until `text` has come.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let came = async {
            while !String::from_utf8_lossy(&self.buffer).contains(text) && self.more().await {}
            String::from_utf8_lossy(&self.buffer).into_owned()
        };
        patiently(came).await
    }

    /// Whatever still comes until the other side closes the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        patiently(async { while self.more().await {} }).await;
        std::mem::take(&mut self.buffer)
    }

    async fn read_answer(&mut self, has_body: bool) -> Answer {
        let mut answer = Answer::default();
        let Some(start) = self.line().await else { return answer };
        answer.status = start[9..12].parse().unwrap();
        loop {
            let Some(header) = self.line().await else { return answer };
            match header.split_once(':') {
                None => break,
                Some((name, value)) => answer.headers.push((name.to_lowercase(), value.trim().to_owned())),
            }
        }
        let bare = !has_body || matches!(answer.status, 100..=199 | 204 | 304);
        // What has come of a body that breaks off stays with its answer.
        let body = match answer.header("content-length") {
            _ if bare => Some(Vec::new()),
            _ if answer.header("transfer-encoding") == "chunked" => self.chunks(&mut answer.body).await,
            "" => {
                while self.more().await {}
                Some(std::mem::take(&mut self.buffer))
            }
            length => self.exactly(length.parse().unwrap()).await,
        };
        answer.whole = body.is_some();
        answer
            .body
            .extend(body.unwrap_or_else(|| std::mem::take(&mut self.buffer)));
        answer
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> Option<Vec<u8>> {
        loop {
            let size = usize::from_str_radix(&self.line().await?, 16).unwrap();
            body.extend(self.exactly(size).await?);
            assert_eq!(self.line().await?, "", "no trailer was asked for");
            if size == 0 {
                return Some(Vec::new());
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.drain(..end + 2).collect::<Vec<u8>>();
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.more().await {
                return None;
            }
        }
        Some(self.buffer.drain(..length).collect())
    }

    /// Reads more; false at the end.
    async fn more(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = if self.whole { "" } else { " (broken off)" };
        write!(
            formatter,
            "{} {:?} {:.300}{end}",
            self.status,
            self.headers,
            self.text()
        )
    }
}

/// What a test waits for, unless it never comes.
async fn patiently<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.unwrap()
}

impl Answer {
    /// The value of a header that is there at most once; empty where it is not.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut named = self.headers.iter().filter(|(header, _)| header == name);
        let value = named.next().map_or("", |(_, value)| value);
        assert!(named.next().is_none(), "{name} is there more than once: {self:?}");
        value
    }

    /// The body as JSON, null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body of a whole answer with this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!((self.status, self.whole), (status, true), "{self:?}");
        self.json()
    }

    /// The body of exactly this problem.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        body
    }
}
