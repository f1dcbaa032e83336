//! The product module over HTTP and through its trait, on a real database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browsing;
mod editing;
mod importing;
mod searching;
mod stock;
mod support;
