//! Bodega, an online-store backend: the binary's own parts. Command line, settings, composition and listeners are here;
//! whatever has to do with a shop is in the modules.

pub mod cli;
pub mod commands;
pub mod internal;
pub mod keys;
pub mod management;
pub mod modules;
pub mod server;
pub mod settings;
pub mod telemetry;
