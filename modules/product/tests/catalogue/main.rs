//! The product module over HTTP and through its trait, on a real database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browsing;
mod editing;
mod images;
mod importing;
mod stock;
mod support;
