//! The store from outside, over HTTP. `support/mod.rs` tells how to write a test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod addresses;
mod commands;
mod documentation;
mod health;
mod limits;
mod methods;
mod origins;
mod problems;
mod support;
mod tokens;
