use std::fs;
use std::path::{Path, PathBuf};

use super::installed;
use crate::{apt, process};

/// What Debian's packages read before they make a cluster of their own.
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.conf";

/// Installs PostgreSQL, and answers where its binaries are.
pub(super) fn install() -> Result<PathBuf, String> {
    eprintln!("xtask: installing PostgreSQL with apt-get");
    keep_from_making_a_cluster(Path::new(CLUSTER_SETTINGS))?;
    apt::install("postgresql")?;
    installed::find().ok_or_else(|| "apt-get has installed PostgreSQL, but it is too old or not to be found".to_owned())
}

/// Tells Debian not to start a server that nobody has asked for, unless somebody has decided on that already.
fn keep_from_making_a_cluster(settings: &Path) -> Result<(), String> {
    if settings.exists() {
        return Ok(());
    }
    let directory = settings.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(settings, "create_main_cluster = false\n"))
        .map_err(process::failed("write", settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_of_a_cluster_is_made_once_and_never_overwritten() {
        let directory = std::env::temp_dir().join(format!("bodega-xtask-{}", std::process::id()));
        let settings = directory.join("postgresql-common/createcluster.conf");
        keep_from_making_a_cluster(&settings).unwrap();
        assert_eq!(fs::read_to_string(&settings).unwrap(), "create_main_cluster = false\n");
        fs::write(&settings, "start_conf = manual\n").unwrap();
        keep_from_making_a_cluster(&settings).unwrap();
        assert_eq!(fs::read_to_string(&settings).unwrap(), "start_conf = manual\n");
        fs::remove_dir_all(&directory).unwrap();
    }
}
