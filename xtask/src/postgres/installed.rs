use std::fs;
use std::path::{Path, PathBuf};

/// The best binaries that are installed on this machine.
///
/// The store looks in the same places, and further where a cluster of another version is; this only has to say
/// whether the store will find any.
pub(super) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A program on the PATH may be a link into the directory that holds them all.
    let linked = std::env::split_paths(&path).filter_map(|directory| {
        let postgres = directory.join("postgres").canonicalize().ok()?;
        Some(postgres.parent()?.to_path_buf())
    });
    let packaged = [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
    ];
    let packaged = packaged
        .into_iter()
        .flat_map(|(parent, prefix)| newest_first(Path::new(parent), prefix));
    linked
        .chain(packaged)
        .find(|directory| holds_binaries(directory) && super::check(directory).is_ok())
}

/// The `bin` directories of the installations in a directory whose names begin so, highest version first.
pub(super) fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_by_key(|name| numbers_in(name));
    names.iter().rev().map(|name| parent.join(name).join("bin")).collect()
}

/// Whether the programs are there, without running them.
pub(super) fn holds_binaries(directory: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| directory.join(program).is_file())
}

/// The numbers in a name, in order: `postgresql@16` has 16, `postgres-18.4` has 18 and 4.
fn numbers_in(name: &str) -> Vec<u32> {
    name.split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers_in("postgresql@9.6") < numbers_in("postgresql@16"));
        assert!(numbers_in("postgres-18.4") < numbers_in("postgres-18.10"));
    }
}
