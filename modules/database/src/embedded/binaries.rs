use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::directory::{cluster_version, default_data_dir, remembered_binaries};
use super::error::StartError;

/// The environment variable that names the directory of the PostgreSQL binaries, over everything found.
pub const BINARIES_VARIABLE: &str = "BODEGA_POSTGRES_BIN";

/// The oldest major version of PostgreSQL that the store runs on.
pub const OLDEST_VERSION: u32 = 15;

/// Finds the directory of the PostgreSQL binaries for the cluster of a data directory, which need not exist yet.
///
/// A `chosen` directory (from the settings) counts before the environment's `BODEGA_POSTGRES_BIN`, and both before
/// anything that is found. Then come those that made the cluster, those on `PATH`, those of Debian, Red Hat and
/// Homebrew, newest first, and those that `cargo xtask` has fetched, into `postgres-*` in this data directory or
/// in the default one. Among what is found, the first of the cluster's own version wins.
///
/// # Errors
///
/// [`StartError::NoBinaries`], or [`StartError::UnusableBinaries`] for what was chosen.
pub fn find_binaries(data_dir: &Path, chosen: Option<&Path>) -> Result<PathBuf, StartError> {
    Binaries::find(data_dir, chosen).map(|binaries| binaries.directory)
}

/// The programs of one PostgreSQL installation.
#[derive(Debug)]
pub(super) struct Binaries {
    /// Holds `initdb` and `postgres`; links are resolved.
    pub(super) directory: PathBuf,
    /// The major version.
    pub(super) version: u32,
}

impl Binaries {
    pub(super) fn find(data_dir: &Path, chosen: Option<&Path>) -> Result<Binaries, StartError> {
        let named = std::env::var_os(BINARIES_VARIABLE)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from);
        if let Some(path) = chosen.map(Path::to_path_buf).or(named) {
            return Binaries::inspect(&path).map_err(|reason| StartError::UnusableBinaries { path, reason });
        }
        let wanted = cluster_version(data_dir);
        let mut first = None;
        for directory in candidates(data_dir) {
            let Ok(binaries) = Binaries::inspect(&directory) else {
                continue;
            };
            if wanted.is_none_or(|version| version == binaries.version) {
                return Ok(binaries);
            }
            first = first.or(Some(binaries));
        }
        first.ok_or(StartError::NoBinaries)
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Takes a directory that holds the binaries, or links to them; else says why not, as the rest of a sentence.
    fn inspect(directory: &Path) -> Result<Binaries, String> {
        let postgres = directory.join("postgres").canonicalize();
        let postgres = postgres.map_err(|error| format!("has no program `postgres`: {error}"))?;
        let directory = postgres.parent().unwrap_or(directory).to_path_buf();
        if !directory.join("initdb").is_file() {
            return Err("has no program `initdb`".to_owned());
        }
        let output = Command::new(&postgres)
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let output = output.map_err(|error| format!("cannot be run: {error}"))?;
        let version = version_in(&String::from_utf8_lossy(&output.stdout)).ok_or("does not tell its version")?;
        if version < OLDEST_VERSION {
            return Err(format!(
                "is version {version}, but {OLDEST_VERSION} is the oldest that will do"
            ));
        }
        Ok(Binaries { directory, version })
    }
}

/// Where binaries may be, best first; each directory once.
fn candidates(data_dir: &Path) -> impl Iterator<Item = PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = remembered_binaries(data_dir).into_iter().collect();
    places.extend(std::env::split_paths(&on_path));
    places.extend(newest_first(Path::new("/usr/lib/postgresql"), ""));
    places.extend(newest_first(Path::new("/usr"), "pgsql-"));
    places.extend(newest_first(Path::new("/opt/homebrew/opt"), "postgresql"));
    places.extend(newest_first(Path::new("/usr/local/opt"), "postgresql"));
    places.extend(newest_first(data_dir, "postgres-"));
    places.extend(
        default_data_dir()
            .iter()
            .flat_map(|directory| newest_first(directory, "postgres-")),
    );
    let mut seen = BTreeSet::new();
    places.into_iter().filter(move |place| seen.insert(place.clone()))
}

/// The `bin` directories of the installations in a directory whose names begin so, highest version first.
fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut installations: Vec<(Vec<u32>, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| {
            (
                numbers_in(&entry.file_name().to_string_lossy()),
                entry.path().join("bin"),
            )
        })
        .collect();
    installations.sort();
    installations
        .into_iter()
        .rev()
        .map(|(_, directory)| directory)
        .collect()
}

/// The numbers in a name, in order: `postgresql@16` has 16, `postgres-18.4` has 18 and 4.
fn numbers_in(name: &str) -> Vec<u32> {
    name.split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// The major version in what `postgres --version` prints: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version_in(output: &str) -> Option<u32> {
    let (_, version) = output.split_once("(PostgreSQL) ")?;
    numbers_in(version).first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_releases_and_betas_of_any_packager() {
        assert_eq!(
            version_in("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(version_in("postgres (PostgreSQL) 18.4\n"), Some(18));
        assert_eq!(version_in("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(version_in("sh: not found\n"), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers_in("postgresql@9.6") < numbers_in("postgresql@16"));
        assert!(numbers_in("postgres-18.4") < numbers_in("postgres-18.10"));
    }

    #[test]
    fn a_directory_without_binaries_is_refused_by_name_and_reason() {
        let error = Binaries::find(Path::new("/nowhere"), Some(Path::new("/etc"))).unwrap_err();
        assert!(
            error.to_string().starts_with("/etc, named for the PostgreSQL binaries"),
            "{error}"
        );
        assert!(error.to_string().contains("has no program `postgres`"), "{error}");
    }
}
