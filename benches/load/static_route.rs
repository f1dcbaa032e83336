//! A reference: how fast actix answers when there is nothing to do. This program starts itself again as that server, so
//! that it has a process of its own like the store.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};

use crate::Outcome;
use crate::load::{self, Timed};
use crate::scenarios::Reader;

/// The argument by which this program is the server.
pub(crate) const ARGUMENT: &str = "--serve-static-route";

/// The answer, as long as a page of products, in bytes.
const BODY: usize = 10_240;

/// A running server; ended when dropped.
#[derive(Debug)]
pub(crate) struct StaticRoute {
    process: Child,
    address: SocketAddr,
}

impl StaticRoute {
    /// With a body as long as a page of products, and as many workers as a store beside an embedded database.
    pub(crate) fn start() -> Outcome<Self> {
        Self::with(BODY, (thread::available_parallelism()?.get() / 2).max(1))
    }

    /// With a body of `length` bytes, and as many workers as a gateway.
    pub(crate) fn beside_gateway(length: usize) -> Outcome<Self> {
        Self::with(length, thread::available_parallelism()?.get())
    }

    fn with(length: usize, workers: usize) -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &length.to_string(), &workers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        Ok(Self {
            process,
            address: line.trim_end().parse()?,
        })
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    pub(crate) async fn measure(&self, duration: Duration) -> Outcome<Timed> {
        load::run(self.address, duration, Reader::of(["/".to_owned()].into_iter())).await
    }
}

impl Drop for StaticRoute {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is the server, until the program that started it ends.
pub(crate) fn serve() -> Outcome<()> {
    let mut arguments = std::env::args().skip_while(|argument| argument != ARGUMENT).skip(1);
    let length: usize = arguments.next().ok_or("no length of the body")?.parse()?;
    let workers: usize = arguments.next().ok_or("no number of workers")?.parse()?;
    actix_web::rt::System::new().block_on(async move {
        let body = web::Bytes::from(format!("{{\"data\":\"{}\"}}", "x".repeat(length.saturating_sub(11))));
        let answer = move || {
            let answer = HttpResponse::Ok().content_type("application/json").body(body.clone());
            std::future::ready(answer)
        };
        let server = HttpServer::new(move || App::new().route("/", web::get().to(answer.clone())))
            .workers(workers)
            .bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = server.addrs().first().copied().ok_or("bound to nothing")?;
        println!("{address}");
        std::io::stdout().flush()?;
        thread::spawn(|| {
            // Reads until the other end is closed, however the other program ends.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
        Ok(server.run().await?)
    })
}
