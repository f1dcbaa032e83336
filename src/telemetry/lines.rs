//! What one line of the log looks like. Each names the request that it belongs to, wherever it was written.

use std::fmt;

use chrono::SecondsFormat;
use kernel::Clock;
use kernel::http::context::Trace;
use serde::ser::{SerializeMap, Serializer};
use tracing::{Event, Subscriber};
use tracing_serde::{AsSerde, SerdeMapVisitor};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// One JSON object a line: `timestamp`, `level`, the fields of the event with its `message`, `target`, and within a request
/// `request_id` and `trace_id`.
pub(super) struct Json;

/// A line as the library has it for people, after the id of the request.
pub(super) struct ForPeople<F>(pub(super) F);

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let line = object(event).map_err(|_| fmt::Error)?;
        writer.write_str(std::str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

impl<S, N, F> FormatEvent<S, N> for ForPeople<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if let Some(trace) = Trace::current() {
            write!(writer, "{} ", trace.request_id())?;
        }
        self.0.format_event(context, writer, event)
    }
}

fn object(event: &Event<'_>) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(512);
    let mut serializer = serde_json::Serializer::new(&mut line);
    let mut object = serializer.serialize_map(None)?;
    let now = Clock::system().now().to_rfc3339_opts(SecondsFormat::Micros, true);
    object.serialize_entry("timestamp", &now)?;
    object.serialize_entry("level", &event.metadata().level().as_serde())?;
    let mut fields = SerdeMapVisitor::new(object);
    event.record(&mut fields);
    let mut object = fields.take_serializer()?;
    object.serialize_entry("target", event.metadata().target())?;
    if let Some(trace) = Trace::current() {
        object.serialize_entry("request_id", trace.request_id())?;
        object.serialize_entry("trace_id", trace.trace_id())?;
    }
    object.end()?;
    line.push(b'\n');
    Ok(line)
}
