use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::account::Account;
use super::binaries::Binaries;
use super::directory::Directory;
use super::error::StartError;
use super::{Durability, NAME};

/// Makes the cluster. The caller holds the lock for starting.
///
/// It is made under another name and renamed at the end, so a crash on the way leaves no half cluster.
pub(super) fn initialise(
    directory: &Directory,
    binaries: &Binaries,
    account: &Account,
    durability: Durability,
) -> Result<(), StartError> {
    directory.remove_abandoned();
    let new = directory.new_data();
    DirBuilder::new()
        .mode(0o700)
        .create(&new)
        .map_err(StartError::system("create", &new))?;
    account.give(&new)?;
    run_initdb(directory, binaries, account, durability, &new)?;
    tune(&new).map_err(StartError::system("write the settings of", &new))?;
    directory.remember_binaries(&binaries.directory)?;
    let data = directory.data();
    fs::rename(&new, &data).map_err(StartError::system("create", &data))?;
    File::open(directory.base())
        .and_then(|base| base.sync_all())
        .map_err(StartError::system("sync", &data))
}

fn run_initdb(
    directory: &Directory,
    binaries: &Binaries,
    account: &Account,
    durability: Durability,
    new: &Path,
) -> Result<(), StartError> {
    let initdb = binaries.program("initdb");
    let mut command = account.command(&initdb);
    command
        .current_dir(directory.base())
        .arg("--pgdata")
        .arg(new)
        .arg(format!("--username={NAME}"));
    // The socket's directory decides who gets in. The locale is the one that every machine has.
    command.args([
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
    ]);
    if durability == Durability::ThrowAway {
        command.arg("--no-sync");
    }
    let output = command.output().map_err(StartError::system("run", &initdb))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(StartError::Initialise { output: words })
}

/// What suits a small store on a machine that it shares. What the store relies on is not left to this file but
/// given on the server's command line.
const SETTINGS: &str = "
# Below: written by Bodega when it made this cluster, yours to change. The socket, the absence of a network
# listener and durability are given on the command line and win over this file.
shared_buffers = 128MB
effective_cache_size = 1GB
max_connections = 100
max_wal_size = 1GB
wal_compression = on
checkpoint_timeout = 10min
random_page_cost = 1.1
# Compiling a plan costs more than any query of a store gains.
jit = off
# Requests are many and small: one core each, so that a report does not take the cores from the checkouts.
max_parallel_workers_per_gather = 0
# The store logs its own errors. Statements and details may hold customers' data, which must not get into a log.
log_min_error_statement = panic
log_error_verbosity = terse
log_checkpoints = off
timezone = 'UTC'
log_timezone = 'UTC'
";

fn tune(data: &Path) -> io::Result<()> {
    // The directory belongs to the server's account, which must not get root to write elsewhere by a link.
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(libc::O_NOFOLLOW);
    let mut file = options.open(data.join("postgresql.conf"))?;
    file.write_all(SETTINGS.as_bytes())?;
    file.sync_all()
}
