//! The way of the log to stderr. Access lines, of which there are many, leave together: a system call for each would cost
//! more than answering from memory does. All others leave at once, with the access lines before them.

use std::io::{self, BufWriter, Stderr, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use kernel::http::context::ACCESS;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How many bytes of access lines leave together.
const ROOM: usize = 64 << 10;
/// How long an access line waits for others.
const WAIT: Duration = Duration::from_millis(100);

/// What has not left yet.
static LINES: LazyLock<Mutex<BufWriter<Stderr>>> =
    LazyLock::new(|| Mutex::new(BufWriter::with_capacity(ROOM, io::stderr())));
/// Who sees to it that what waits leaves; `None` where there can be no such thread, and nothing waits then.
static CARRIER: LazyLock<Option<Thread>> = LazyLock::new(|| {
    let carrier = thread::Builder::new().name("log".to_owned()).spawn(carry);
    carrier.ok().map(|carrier| carrier.thread().clone())
});

/// Makes the writer of each line.
pub(super) struct ToStderr;

/// One line.
pub(super) struct Line {
    may_wait: bool,
}

/// Writes what still waits.
pub(super) fn write_what_is_left() {
    // Where stderr is gone, nobody reads it.
    let _ = lines().flush();
}

impl<'a> MakeWriter<'a> for ToStderr {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { may_wait: false }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Line {
        Line {
            may_wait: about.target() == ACCESS && *about.level() == Level::INFO,
        }
    }
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = lines();
        let was_empty = lines.buffer().is_empty();
        let written = lines.write(line)?;
        match CARRIER.as_ref().filter(|_| self.may_wait) {
            Some(carrier) if was_empty => carrier.unpark(),
            Some(_) => (),
            None => lines.flush()?,
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        lines().flush()
    }
}

fn carry() {
    loop {
        thread::park();
        thread::sleep(WAIT);
        write_what_is_left();
    }
}

fn lines() -> MutexGuard<'static, BufWriter<Stderr>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}
