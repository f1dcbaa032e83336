//! The store from outside, over HTTP. `support/mod.rs` tells how to write a test.

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
