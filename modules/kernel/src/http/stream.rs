//! Answers that go on as long as somebody listens: server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>). They are known by their type, in every process that
//! they pass.

/// The type of such an answer.
pub const EVENT_STREAM: &str = "text/event-stream";

/// Whether an answer with this `Content-Type` goes on as long as somebody listens.
pub fn is_event_stream(content_type: Option<&[u8]>) -> bool {
    content_type.is_some_and(|value| {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(EVENT_STREAM.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_known_by_its_type_whatever_its_parameters() {
        for stream in ["text/event-stream", "Text/Event-Stream; charset=utf-8"] {
            assert!(is_event_stream(Some(stream.as_bytes())), "{stream}");
        }
        for other in [
            "text/event-streams",
            "text/plain",
            "",
            "application/json;text/event-stream",
        ] {
            assert!(!is_event_stream(Some(other.as_bytes())), "{other}");
        }
        assert!(!is_event_stream(None));
    }
}
