//! Debian's own packages, downloaded and unpacked by somebody who may not install them.
//!
//! For a machine that has neither npm nor pip. The package manager checks the packages' signatures as always; its lists
//! and downloads go into the working directory instead of the system's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::postgres::installed::newest_first;
use crate::process;

/// Whether this is a Debian or one like it.
pub(super) fn is_possible() -> bool {
    process::on_path("apt-get").is_some() && process::on_path("dpkg-deb").is_some()
}

/// Downloads PostgreSQL and the libraries that are missing here, and unpacks them; the answer holds `bin`.
pub(super) fn fetch(work: &Path) -> Result<PathBuf, String> {
    for directory in ["lists/partial", "cache/archives/partial", "ready/bin"] {
        let directory = work.join(directory);
        fs::create_dir_all(&directory).map_err(process::failed("create", &directory))?;
    }
    process::check(&mut apt_get(work, &["update"]))?;
    let install = [
        "install",
        "--download-only",
        "--yes",
        "--no-install-recommends",
        "postgresql",
    ];
    process::check(&mut apt_get(work, &install))?;
    let (archives, ready) = (work.join("cache/archives"), work.join("ready"));
    for entry in fs::read_dir(&archives)
        .map_err(process::failed("list", &archives))?
        .flatten()
    {
        if entry.path().extension().is_some_and(|extension| extension == "deb") {
            process::check(Command::new("dpkg-deb").arg("--extract").arg(entry.path()).arg(&ready))?;
        }
    }
    write_wrappers(&ready)?;
    Ok(ready)
}

fn apt_get(work: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    let option = |name: &str, value: &str| format!("--option={name}={value}");
    command.arg("--quiet");
    command.arg(option("Dir::State::Lists", &work.join("lists").to_string_lossy()));
    command.arg(option("Dir::Cache", &work.join("cache").to_string_lossy()));
    // The system's own lock is root's, and nothing that it protects is touched.
    command.arg(option("Debug::NoLocking", "true"));
    command.args(arguments).stdout(std::io::stderr());
    command
}

/// Writes programs to `bin` that run the real ones with the libraries unpacked beside them.
fn write_wrappers(ready: &Path) -> Result<(), String> {
    let real = newest_first(&ready.join("usr/lib/postgresql"), "");
    let real = real.first().and_then(|directory| directory.strip_prefix(ready).ok());
    let real = real.ok_or("the packages hold no PostgreSQL")?;
    let libraries = library_directories(ready);
    for program in ["initdb", "postgres"] {
        let path = ready.join("bin").join(program);
        fs::write(&path, wrapper(&real.join(program), &libraries)).map_err(process::failed("write", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(process::failed("change", &path))?;
    }
    Ok(())
}

/// Where the unpacked libraries lie, below the root that they were unpacked to: `usr/lib/x86_64-linux-gnu`.
fn library_directories(root: &Path) -> Vec<PathBuf> {
    let parents = ["usr/lib", "lib"].map(PathBuf::from);
    let directories = parents.iter().flat_map(|parent| {
        let entries = fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
        entries.map(|entry| parent.join(entry.file_name()))
    });
    directories
        .filter(|directory| directory.to_string_lossy().contains("-linux-"))
        .collect()
}

fn wrapper(program: &Path, libraries: &[PathBuf]) -> String {
    let libraries: Vec<String> = libraries
        .iter()
        .map(|path| format!("$root/{}", path.display()))
        .collect();
    format!(
        "#!/bin/sh\nroot=${{0%/*}}/..\nLD_LIBRARY_PATH={}\nexport LD_LIBRARY_PATH\nexec \"$root/{}\" \"$@\"\n",
        libraries.join(":"),
        program.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapper_finds_program_and_libraries_from_where_it_is() {
        let script = wrapper(
            Path::new("usr/lib/postgresql/15/bin/initdb"),
            &[PathBuf::from("usr/lib/x86_64-linux-gnu")],
        );
        let expected = "#!/bin/sh\nroot=${0%/*}/..\nLD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu\n\
                        export LD_LIBRARY_PATH\nexec \"$root/usr/lib/postgresql/15/bin/initdb\" \"$@\"\n";
        assert_eq!(script, expected);
    }
}
