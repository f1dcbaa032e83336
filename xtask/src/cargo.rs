//! Cargo, as this program calls it, and where it puts what it builds.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of this crate when it was built, one below the root of the workspace.
const XTASK: &str = env!("CARGO_MANIFEST_DIR");

/// The cargo that runs this program. The working directory stays, as paths in arguments are relative to it.
pub(crate) fn cargo(subcommand: &str) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command
        .arg(subcommand)
        .arg("--manifest-path")
        .arg(root().join("Cargo.toml"));
    command
}

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(XTASK);
    xtask.parent().unwrap_or(xtask)
}

/// Where the store's binary is once it is built: beside this program's folder, which is that of the debug profile.
pub(crate) fn store_binary(profile: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("could not find this program: {error}"))?;
    let target = own.ancestors().nth(2).ok_or("this program is not in a target folder")?;
    Ok(target.join(profile).join("bodega"))
}
