use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::StartError;
use super::server::Server;

/// How often the server is looked at: two reads of small files.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long to wait after an attempt to start the server again has failed.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The thread that starts a server again when it has died under a running store.
#[derive(Debug)]
pub(super) struct Supervisor {
    server: Arc<Server>,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Supervisor {
    pub(super) fn start(server: Arc<Server>) -> Result<Supervisor, StartError> {
        let (stop, stopped) = mpsc::channel();
        let watched = Arc::clone(&server);
        let builder = thread::Builder::new().name("postgres-supervisor".to_owned());
        let thread = builder.spawn(move || watch(&watched, &stopped));
        let thread = thread.map_err(StartError::system("start a thread for", &server.directory.data()))?;
        Ok(Supervisor { server, stop, thread })
    }

    /// Ends the thread, also in the middle of starting the server.
    pub(super) fn stop(self) {
        self.server.leave();
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread that supervises PostgreSQL panicked");
        }
    }
}

fn watch(server: &Server, stopped: &Receiver<()>) {
    let mut pause = LOOK_EVERY;
    while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        pause = LOOK_EVERY;
        if server.is_alive() {
            continue;
        }
        tracing::warn!("PostgreSQL died; it is started again");
        match server.revive() {
            Ok(()) => tracing::warn!("PostgreSQL runs again"),
            Err(error) => {
                tracing::error!(%error, "PostgreSQL could not be started again");
                pause = TRY_AGAIN_AFTER;
            }
        }
    }
}
