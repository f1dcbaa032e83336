//! A client for HTTP/1.1 that does next to nothing, so that the cores are left to the store: it writes bytes that were
//! prepared before, and reads of the answer only the status, the length and the body.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Outcome;

/// What an answer may weigh, at most, in bytes; more means that something went wrong.
const LARGEST_ANSWER: usize = 16 << 20;

/// A connection that is kept alive from request to request.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::with_capacity(1 << 16),
        })
    }

    /// Sends a request and reads the body of its answer. Any other status than `expected` is an error that tells the
    /// request and the answer.
    pub(crate) async fn exchange(&mut self, request: &[u8], expected: u16) -> Outcome<&[u8]> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let head = self.read_head().await?;
        let whole = head.length + head.body;
        while self.answer.len() < whole {
            self.read_more().await?;
        }
        if head.status == expected && self.answer.len() == whole {
            return Ok(&self.answer[head.length..]);
        }
        let asked = String::from_utf8_lossy(request);
        let answered = String::from_utf8_lossy(&self.answer);
        Err(format!("unexpected answer, {expected} was expected\n--- request\n{asked}\n--- answer\n{answered}").into())
    }

    async fn read_head(&mut self) -> Outcome<Head> {
        loop {
            self.read_more().await?;
            if let Some(head) = Head::read(&self.answer)? {
                return Ok(head);
            }
        }
    }

    async fn read_more(&mut self) -> Outcome<()> {
        if self.stream.read_buf(&mut self.answer).await? == 0 {
            return Err("the server closed the connection in the middle of an exchange".into());
        }
        match self.answer.len() > LARGEST_ANSWER {
            true => Err("the answer is far too large".into()),
            false => Ok(()),
        }
    }
}

/// What matters of the head of an answer.
#[derive(Debug)]
struct Head {
    status: u16,
    /// Of the head itself, with the empty line that ends it.
    length: usize,
    /// Of the body.
    body: usize,
}

impl Head {
    /// Reads a head from the beginning of `bytes`; `None` where it is not all there yet.
    fn read(bytes: &[u8]) -> Outcome<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..end])?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status: u16 = status.ok_or("an answer without a status")?.parse()?;
        let mut body = None;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                body = Some(value.trim().parse()?);
            }
        }
        let body = match (body, status) {
            (Some(body), _) => body,
            (None, 204 | 304) => 0,
            (None, _) => return Err(format!("an answer without a length:\n{head}").into()),
        };
        Ok(Some(Self {
            status,
            length: end + 4,
            body,
        }))
    }
}

/// The bytes of a request; a body is JSON.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if let Some(body) = body {
        text.push_str("Content-Type: application/json\r\n");
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    text.into_bytes()
}

/// Sends all `requests` over `connections` connections; the bodies of the answers, in the same order.
pub(crate) async fn exchange_all(
    address: SocketAddr,
    connections: usize,
    requests: Vec<Vec<u8>>,
    expected: u16,
) -> Outcome<Vec<Vec<u8>>> {
    let mut bodies = vec![Vec::new(); requests.len()];
    let share = requests.len().div_ceil(connections).max(1);
    let mut tasks = JoinSet::new();
    for (index, requests) in requests.chunks(share).enumerate() {
        let requests = requests.to_vec();
        tasks.spawn_local(async move {
            let mut connection = Connection::open(address).await?;
            let mut bodies = Vec::with_capacity(requests.len());
            for request in requests {
                bodies.push(connection.exchange(&request, expected).await?.to_vec());
            }
            Outcome::Ok((index * share, bodies))
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (first, part) = done??;
        for (place, body) in bodies[first..].iter_mut().zip(part) {
            *place = body;
        }
    }
    Ok(bodies)
}
