//! Somebody between a caller and an internal listener, who delivers requests late, twice, or not at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::runtime;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It is delivered, and answered.
    Pass,
    /// It is delivered after a while.
    Late(Duration),
    /// It is delivered twice, one after the other; the first answer is lost.
    Twice,
    /// It is delivered, but the connection ends before the answer.
    Unanswered,
    /// It is not delivered, and the connection ends.
    Refused,
    /// It is not delivered, and the caller waits.
    HeldBefore,
    /// It is delivered, but the answer is kept back, and the caller waits.
    HeldAfter,
}

/// Decides what becomes of a request, by its path.
type Plan = Arc<dyn Fn(&str) -> Treatment + Send + Sync>;

/// An address that stands for another. Requests that are held stay so until their callers give up or end.
pub(crate) struct Interposer {
    address: SocketAddr,
    seen: Arc<Seen>,
}

/// What the interposer has seen so far.
struct Seen {
    held: watch::Sender<usize>,
    abandoned: watch::Sender<usize>,
    patience: watch::Sender<Option<u64>>,
}

impl Interposer {
    /// Somebody in front of `target`.
    pub(crate) async fn before(
        target: SocketAddr,
        plan: impl Fn(&str) -> Treatment + Send + Sync + 'static,
    ) -> Interposer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen {
            held: watch::Sender::new(0),
            abandoned: watch::Sender::new(0),
            patience: watch::Sender::new(None),
        });
        let (plan, sees): (Plan, _) = (Arc::new(plan), Arc::clone(&seen));
        let listener = listener.into_std().unwrap();
        // Among the stores, because they call it after the test is over as well.
        runtime::spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((caller, _)) = listener.accept().await {
                let (plan, seen) = (Arc::clone(&plan), Arc::clone(&sees));
                // A side that goes away ends the conversation, and nobody else.
                tokio::spawn(async move { converse(caller, target, &plan, &seen).await });
            }
        });
        Interposer { address, seen }
    }

    /// Somebody who delivers some requests twice, some late, and some without an answer: whatever may happen to calls
    /// that can be repeated.
    pub(crate) async fn unreliable(target: SocketAddr) -> Interposer {
        let number = AtomicUsize::new(0);
        let late = Treatment::Late(Duration::from_millis(20));
        let plan = [
            Treatment::Twice,
            late,
            Treatment::Unanswered,
            Treatment::Pass,
            Treatment::Twice,
            late,
            Treatment::Twice,
        ];
        let decide = move |_: &str| plan[number.fetch_add(1, Ordering::Relaxed) % plan.len()];
        Interposer::before(target, decide).await
    }

    /// Its address, as an upstream.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until a request is held.
    pub(crate) async fn held(&self) {
        let mut held = self.seen.held.subscribe();
        held.wait_for(|held| *held > 0).await.unwrap();
    }

    /// Waits until one more request is held than when this was last asked for.
    pub(crate) async fn held_once_more(&self) {
        self.held().await;
        self.seen.held.send_modify(|held| *held -= 1);
    }

    /// Waits until the caller of a request that is held has given up.
    pub(crate) async fn abandoned(&self) {
        let mut abandoned = self.seen.abandoned.subscribe();
        abandoned.wait_for(|abandoned| *abandoned > 0).await.unwrap();
    }

    /// How many milliseconds the last request that was held said that its caller waits.
    pub(crate) fn stated_patience(&self) -> Option<u64> {
        *self.seen.patience.borrow()
    }
}

/// Passes on the requests of one connection.
async fn converse(mut caller: TcpStream, target: SocketAddr, plan: &Plan, seen: &Seen) -> io::Result<()> {
    loop {
        let request = read_message(&mut caller).await?;
        let head = String::from_utf8_lossy(&request).into_owned();
        let treatment = plan(head.split(' ').nth(1).unwrap_or_default());
        let answer = match treatment {
            Treatment::Late(delay) => {
                tokio::time::sleep(delay).await;
                deliver(target, &request).await?
            }
            Treatment::Twice => {
                deliver(target, &request).await?;
                deliver(target, &request).await?
            }
            Treatment::Pass => deliver(target, &request).await?,
            Treatment::Refused => return Ok(()),
            Treatment::Unanswered => {
                deliver(target, &request).await?;
                return Ok(());
            }
            Treatment::HeldAfter => {
                deliver(target, &request).await?;
                return hold(caller, &head, seen).await;
            }
            Treatment::HeldBefore => return hold(caller, &head, seen).await,
        };
        caller.write_all(&answer).await?;
    }
}

/// Keeps a caller waiting until it gives up.
async fn hold(mut caller: TcpStream, head: &str, seen: &Seen) -> io::Result<()> {
    let patience = head_value(head, "request-timeout-ms").and_then(|value| value.parse().ok());
    seen.patience.send_replace(patience);
    seen.held.send_modify(|held| *held += 1);
    // Whether it closes the connection or resets it, it waits no more.
    let _ = caller.read_u8().await;
    seen.abandoned.send_modify(|abandoned| *abandoned += 1);
    Ok(())
}

/// Sends a request over a connection of its own; answers what comes back.
async fn deliver(target: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(target).await?;
    connection.write_all(request).await?;
    read_message(&mut connection).await
}

/// Reads a request or an answer with its body, whose length is stated where there is one.
async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    while !message.ends_with(b"\r\n\r\n") {
        message.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&message);
    let length = head_value(&head, "content-length").and_then(|value| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    message.append(&mut body);
    Ok(message)
}

fn head_value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim())
}
