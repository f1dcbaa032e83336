//! Consumers and work for several callers, on a real server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod consumers;
mod support;
mod together;
