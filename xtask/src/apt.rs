//! Debian's package manager.

use std::process::Command;

use crate::process;

/// Whether it can be used here.
pub(crate) fn is_possible() -> bool {
    process::on_path("apt-get").is_some() && process::is_root()
}

/// Installs a package and what it cannot do without.
pub(crate) fn install(package: &str) -> Result<(), String> {
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", package])
}

fn apt_get(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command
        .arg("--quiet")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    // Its words go to stderr, because stdout may be read by a machine.
    process::check(command.stdout(std::io::stderr()))
}
