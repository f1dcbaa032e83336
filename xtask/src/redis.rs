//! Sees to Redis, in which several gateways count requests together and carts may be kept: the tests of both run servers of
//! their own.

use crate::{apt, process};

const PROGRAM: &str = "redis-server";

/// Installs Redis where it is missing and that can be done. Where it cannot, the tests that need it say so.
pub(crate) fn ensure() -> Result<(), String> {
    if process::on_path(PROGRAM).is_some() || !apt::is_possible() {
        return Ok(());
    }
    eprintln!("xtask: installing Redis with apt-get");
    apt::install(PROGRAM)
}
