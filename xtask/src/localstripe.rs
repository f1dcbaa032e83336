//! Sees to localstripe, a Stripe in memory that the tests of payments run against: a Python program, which gets a virtual
//! environment of its own in the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{apt, process};

/// What is installed, to the version.
const REQUIREMENTS: &str = include_str!("../localstripe.txt");

/// The folder in the target folder; the tests look there.
const FOLDER: &str = "localstripe";

/// The file that says what is installed: there once all of it is.
const INSTALLED: &str = "installed.txt";

/// Installs localstripe where it is missing, and Python where that can be done. Where it cannot, the tests that need it
/// say so.
pub(crate) fn ensure() -> Result<(), String> {
    let folder = folder()?;
    let installed = folder.join(INSTALLED);
    if fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(());
    }
    if let Err(error) = install(&folder) {
        eprintln!("xtask: no localstripe: {error}");
        return Ok(());
    }
    fs::write(&installed, REQUIREMENTS).map_err(process::failed("write", &installed))
}

/// The target folder is the second above this program.
fn folder() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("could not find this program: {error}"))?;
    let target = own.ancestors().nth(2).ok_or("this program is not in a target folder")?;
    Ok(target.join(FOLDER))
}

fn install(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(process::failed("remove", folder))?;
    }
    eprintln!("xtask: installing localstripe with pip");
    if let Err(error) = make_environment(Path::new("python3"), folder) {
        if !apt::is_possible() {
            return Err(error);
        }
        apt::install("python3-venv")?;
        // Not another Python that comes first on the path and lacks the same.
        make_environment(Path::new("/usr/bin/python3"), folder)?;
    }
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(process::failed("write", &requirements))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--requirement",
    ])
    .arg(&requirements);
    // Its words go to stderr, because stdout may be read by a machine.
    process::check(pip.stdout(std::io::stderr()))
}

fn make_environment(python: &Path, folder: &Path) -> Result<(), String> {
    let mut environment = Command::new(python);
    environment.args(["-m", "venv", "--clear"]).arg(folder);
    process::check(environment.stdout(std::io::stderr()))
}
