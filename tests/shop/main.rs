//! The store from outside, over HTTP. `support/mod.rs` tells how to write a test.

mod commands;
mod edge;
mod health;
mod support;
