//! Types and rules of accounts; pure, without I/O.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod group;
pub(crate) mod password;
pub(crate) mod refresh_token;
pub(crate) mod session;
