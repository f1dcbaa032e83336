//! Logs and metrics of this process.

mod lines;
mod writer;

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Format;

/// The buckets of all durations, in seconds: what OpenTelemetry advises for HTTP servers.
const BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Starts logging to stderr: JSON lines, or for people where `format` says so or a terminal reads along. `RUST_LOG` wins
/// over `filter`. A second call changes nothing. Drop what is returned when the process ends.
pub fn log(filter: &str, format: &str) -> LogEnd {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let terminal = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match format == "pretty" || (format == "auto" && terminal) {
        true => {
            let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let lines = lines::ForPeople(Format::default().compact());
            let builder = builder.with_writer(io::stderr).with_ansi(colours);
            builder.event_format(lines).try_init()
        }
        false => builder
            .with_writer(writer::ToStderr)
            .event_format(lines::Json)
            .try_init(),
    };
    // Somebody else in this process logs already, as in tests.
    let _ = started;
    LogEnd(())
}

/// Writes what is left of the log when dropped.
#[must_use = "what is left is written when this is dropped"]
pub struct LogEnd(());

impl Drop for LogEnd {
    fn drop(&mut self) {
        writer::write_what_is_left();
    }
}

/// The metrics of this process, for `/metrics`. All servers in one process share them.
pub fn metrics() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS).ok()?.build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok()?;
            metrics::gauge!("build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            Some(handle)
        })
        .clone()
}
