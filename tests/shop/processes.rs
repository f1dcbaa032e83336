//! The built binary: what a process does when it is started, told something, told to stop, or killed. These tests choose
//! their processes themselves, so that they run once whatever the topology: `cargo xtask test` passes over this module
//! in all topologies but the first.

mod commands;
mod containers;
mod crashes;
mod deployments;
mod fleets;
mod imports;
mod live;
mod load;
mod order_numbers;
mod redis_carts;
mod scale;
mod stopping;
mod webhooks;
