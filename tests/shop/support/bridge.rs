//! Somebody between two who speak HTTP, who may change what they say, hold it back, or lose it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::runtime;

/// An address that stands for another one, which may be told later.
pub(crate) struct Bridge {
    address: SocketAddr,
    way: Way,
}

/// The other side of a bridge. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Way(Arc<OnceLock<SocketAddr>>);

/// A request or an answer.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The first line, e.g. `POST /v1/refunds HTTP/1.1`.
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What becomes of a request: its answer, or none.
type Outcome = Pin<Box<dyn Future<Output = Option<Message>> + Send>>;

impl Bridge {
    /// A bridge on which each request gets the answer that `treat` has for it; it may have that from the other side.
    pub(crate) async fn open<F, R>(treat: F) -> Bridge
    where
        F: Fn(Message, Way) -> R + Send + Sync + 'static,
        R: Future<Output = Option<Message>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = Way(Arc::default());
        let listener = listener.into_std().unwrap();
        let treat: Arc<dyn Fn(Message, Way) -> Outcome + Send + Sync> =
            Arc::new(move |message, way| -> Outcome { Box::pin(treat(message, way)) });
        let onwards = way.clone();
        // Among the stores, because they call it after the test is over as well.
        runtime::spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((mut caller, _)) = listener.accept().await {
                let (treat, way) = (Arc::clone(&treat), onwards.clone());
                tokio::spawn(async move {
                    let request = Message::read(&mut caller).await?;
                    match treat(request, way).await {
                        Some(answer) => answer.write(&mut caller).await,
                        None => Ok(()),
                    }
                });
            }
        });
        Bridge { address, way }
    }

    /// Where it leads.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        self.way.0.set(target).unwrap();
    }

    /// Where it begins, as a setting says it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Way {
    /// Sends a request to the other side; its answer.
    pub(crate) async fn send(&self, request: &Message) -> Option<Message> {
        let mut connection = TcpStream::connect(self.0.get()?).await.ok()?;
        request.write(&mut connection).await.ok()?;
        Message::read(&mut connection).await.ok()
    }
}

impl Message {
    /// The method and the path.
    pub(crate) fn target(&self) -> (&str, &str) {
        let mut words = self.start.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    async fn read(stream: &mut TcpStream) -> io::Result<Message> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let start = lines.next().unwrap_or_default().to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok(Message { start, headers, body })
    }

    async fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        let kept = self
            .headers
            .iter()
            .filter(|(name, _)| !["content-length", "connection"].contains(&name.as_str()));
        let mut head = format!("{}\r\n", self.start);
        for (name, value) in kept {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            self.body.len()
        ));
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&self.body).await
    }
}
