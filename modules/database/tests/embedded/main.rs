//! The embedded PostgreSQL, with real servers and real crashes. Each test is a lesson that a prototype has taught.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use database::embedded::{BINARIES_VARIABLE, Cluster, NAME, Options, StartError};
use diesel::{Connection, PgConnection};

use support::{Folder, Store, be_a_store, eventually, is_root, kill_9};

#[test]
fn a_new_directory_becomes_a_cluster_that_serves() {
    let folder = Folder::new();
    let cluster = folder.start();
    assert!(PgConnection::establish(&cluster.url(NAME)).is_ok());
    assert_eq!(
        folder.ask("SELECT current_database() || ' ' || current_user"),
        "bodega bodega"
    );
    assert_eq!(folder.ask("SHOW server_encoding"), "UTF8");
    assert_eq!(folder.ask("SHOW TimeZone"), "UTC");
}

#[test]
fn a_durable_cluster_is_crash_safe_and_off_the_network() {
    let folder = Folder::new();
    let _cluster = Cluster::start(folder.durable_options()).unwrap();
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
    ] {
        assert_eq!(folder.ask(&format!("SHOW {setting}")), value, "{setting}");
    }
    assert_eq!(
        fs::metadata(folder.inside("socket")).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        fs::metadata(folder.inside("data")).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn databases_are_created_once_whatever_their_name() {
    let folder = Folder::new();
    let cluster = folder.start();
    let name = "it's \"a\" näme & more?";
    cluster.create_database_if_missing(name).unwrap();
    cluster.create_database_if_missing(name).unwrap();
    let query = "SELECT count(*)::text FROM pg_database WHERE datname LIKE 'it%more?'";
    assert_eq!(folder.ask(query), "1");
    assert!(PgConnection::establish(&cluster.url(name)).is_ok());
}

#[test]
fn data_outlast_a_stop() {
    let folder = Folder::new();
    let cluster = folder.start();
    folder.run("CREATE TABLE kept AS SELECT 'safe' AS word");
    cluster.stop();
    assert_eq!(folder.postmaster(), None);
    let _cluster = folder.start();
    assert_eq!(folder.ask("SELECT word FROM kept"), "safe");
}

#[test]
fn starters_at_once_share_one_server() {
    let folder = Folder::new();
    let stores: Vec<Store> = (0..3).map(|_| Store::launch(&folder, &[])).collect();
    let cluster = folder.start();
    let postmaster = folder.postmaster();
    let stores: Vec<Store> = stores.into_iter().map(Store::wait_until_ready).collect();
    assert_eq!(folder.postmaster(), postmaster);
    cluster.stop();
    assert_eq!(folder.postmaster(), postmaster);
    stores.into_iter().for_each(Store::stop);
    assert_eq!(folder.postmaster(), None);
}

#[test]
fn the_first_to_leave_leaves_the_server_running_and_the_last_one_stops_it() {
    let folder = Folder::new();
    let first = folder.start();
    let second = folder.start();
    let postmaster = folder.postmaster();
    first.stop();
    assert_eq!(folder.ask("SELECT 'still here'"), "still here");
    assert_eq!(folder.postmaster(), postmaster);
    drop(second);
    assert_eq!(folder.postmaster(), None);
}

#[test]
fn a_server_outlives_its_killed_store_and_is_adopted_by_the_next() {
    let folder = Folder::new();
    Store::start(&folder).kill();
    let postmaster = folder.postmaster();
    assert!(postmaster.is_some());
    let cluster = folder.start();
    assert_eq!(folder.postmaster(), postmaster);
    assert_eq!(folder.ask("SELECT 'adopted'"), "adopted");
    cluster.stop();
    assert_eq!(folder.postmaster(), None);
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let folder = Folder::new();
    let _cluster = std::thread::scope(|scope| scope.spawn(|| folder.start()).join().unwrap());
    let postmaster = folder.postmaster();
    assert_eq!(folder.ask("SELECT 'alive'"), "alive");
    assert_eq!(folder.postmaster(), postmaster);
}

#[test]
fn a_killed_postmaster_is_started_again_under_the_running_store() {
    let folder = Folder::new();
    let _cluster = Cluster::start(folder.durable_options()).unwrap();
    folder.run("CREATE TABLE kept AS SELECT 'safe' AS word");
    let before = folder.postmaster().unwrap();
    kill_9(before);
    eventually("a new server", || {
        folder.postmaster() != Some(before) && folder.connect().is_ok()
    });
    assert_eq!(folder.ask("SELECT word FROM kept"), "safe");
}

#[test]
fn a_killed_postmaster_is_started_again_once_under_several_stores() {
    let folder = Folder::new();
    let launcher = Store::start(&folder);
    let adopter = folder.start();
    let before = folder.postmaster().unwrap();
    kill_9(before);
    eventually("a new server", || {
        folder.postmaster() != Some(before) && folder.connect().is_ok()
    });
    let after = folder.postmaster();
    launcher.stop();
    assert_eq!(folder.postmaster(), after);
    assert_eq!(folder.ask("SELECT 'alive'"), "alive");
    adopter.stop();
    assert_eq!(folder.postmaster(), None);
}

#[test]
fn committed_data_survive_when_the_store_and_the_postmaster_are_killed() {
    let folder = Folder::new();
    let store = Store::start(&folder);
    folder.run("CREATE TABLE kept AS SELECT 'safe' AS word");
    let before = folder.postmaster().unwrap();
    store.kill();
    kill_9(before);
    let _cluster = Cluster::start(folder.durable_options()).unwrap();
    assert_ne!(folder.postmaster(), Some(before));
    assert_eq!(folder.ask("SELECT word FROM kept"), "safe");
}

#[test]
fn a_crash_during_initdb_leaves_nothing_half() {
    let folder = Folder::new();
    // The last argument is the directory; the script lives until it is removed, as a real initdb lives on.
    let script = "for directory; do case $directory in */data.new*) break;; esac; done
        touch $directory/half; while [ -e $directory/half ]; do sleep 0.05; done";
    let binaries = folder.wrapped_binaries(Some(script));
    let store = Store::launch(&folder, &[(BINARIES_VARIABLE, binaries.to_str().unwrap())]);
    eventually("half a cluster", || {
        half_clusters(&folder).iter().any(|path| path.join("half").exists())
    });
    store.kill();
    assert!(!folder.inside("data").exists());
    let _cluster = folder.start();
    assert_eq!(folder.ask("SELECT 'whole'"), "whole");
    assert_eq!(half_clusters(&folder), Vec::<PathBuf>::new());
}

#[test]
fn a_failed_initdb_says_why() {
    let folder = Folder::new();
    let binaries = folder.wrapped_binaries(Some("echo 'initdb: error: no space left' >&2; exit 1"));
    let error = Cluster::start(Options {
        binaries: Some(binaries),
        ..folder.options()
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "initdb could not make the database: initdb: error: no space left"
    );
    assert!(!folder.inside("data").exists());
}

#[test]
fn a_server_that_cannot_start_says_why_at_once() {
    let folder = Folder::new();
    folder.start().stop();
    let mut settings = fs::OpenOptions::new()
        .append(true)
        .open(folder.inside("data/postgresql.conf"))
        .unwrap();
    writeln!(settings, "no_such_setting = 1").unwrap();
    let error = Cluster::start(folder.options()).unwrap_err();
    assert!(matches!(error, StartError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

#[test]
fn another_version_of_postgresql_is_refused_with_a_hint() {
    let folder = Folder::new();
    folder.start().stop();
    fs::write(folder.inside("data/PG_VERSION"), "99\n").unwrap();
    let error = Cluster::start(folder.options()).unwrap_err();
    assert!(
        matches!(error, StartError::VersionMismatch { cluster: 99, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("pg_dumpall"), "{error}");
}

#[test]
fn the_binaries_that_made_a_cluster_are_preferred_at_the_next_start() {
    let folder = Folder::new();
    let wrapped = folder.wrapped_binaries(None);
    Cluster::start(Options {
        binaries: Some(wrapped.clone()),
        ..folder.options()
    })
    .unwrap()
    .stop();
    let next = Store::launch(&folder, &[(BINARIES_VARIABLE, "")]).wait_until_ready();
    assert_eq!(next.binaries(), wrapped.canonicalize().unwrap());
    next.stop();
    // Binaries that are gone are forgotten for those that serve in their place.
    fs::remove_dir_all(&wrapped).unwrap();
    let last = Store::start(&folder);
    assert_eq!(
        fs::read_to_string(folder.inside("binaries")).unwrap().trim_end(),
        last.binaries().to_str().unwrap()
    );
    last.stop();
}

#[test]
fn a_directory_that_is_too_long_for_a_socket_is_refused_before_anything_is_made() {
    let folder = Folder::new();
    let data_dir = folder.path().join("d".repeat(80));
    let error = Cluster::start(Options {
        data_dir: data_dir.clone(),
        ..folder.options()
    })
    .unwrap_err();
    assert!(matches!(error, StartError::SocketPathTooLong { .. }), "{error}");
    assert!(error.to_string().contains("choose a shorter data.dir"), "{error}");
    assert!(!data_dir.exists());
}

#[test]
fn a_path_with_blanks_and_signs_works() {
    let folder = Folder::new();
    let data_dir = folder.path().join("a shop & co% ü");
    let cluster = Cluster::start(Options {
        data_dir,
        ..folder.options()
    })
    .unwrap();
    assert!(PgConnection::establish(&cluster.url(NAME)).is_ok());
}

#[test]
fn a_directory_that_the_server_may_not_enter_is_refused_by_name() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let error = Cluster::start(Options {
        data_dir: closed.join("data"),
        ..folder.options()
    })
    .unwrap_err();
    assert!(
        matches!(&error, StartError::NotTraversable { directory, .. } if *directory == closed),
        "{error}"
    );
    assert!(error.to_string().contains("PostgreSQL does not run as root"), "{error}");
}

#[test]
fn root_runs_the_server_as_somebody_else() {
    let folder = Folder::new();
    let _cluster = folder.start();
    let server = fs::metadata(format!("/proc/{}", folder.postmaster().unwrap())).unwrap();
    assert_ne!(server.uid(), 0);
    assert_eq!(fs::metadata(folder.inside("data")).unwrap().uid(), server.uid());
}

#[test]
fn the_server_hears_neither_ctrl_c_nor_the_environment_of_the_store() {
    let folder = Folder::new();
    let store = Store::launch(
        &folder,
        &[("PGPORT", "1"), ("PGDATA", "/nowhere"), ("BODEGA_TEST_SECRET", "hush")],
    );
    let store = store.wait_until_ready();
    let postmaster = folder.postmaster().unwrap();
    let status = fs::read_to_string(format!("/proc/{postmaster}/stat")).unwrap();
    let group = status
        .rsplit_once(") ")
        .unwrap()
        .1
        .split(' ')
        .nth(2)
        .unwrap()
        .to_owned();
    assert_eq!(group, postmaster.to_string());
    let environment = fs::read(format!("/proc/{postmaster}/environ")).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("hush"));
    store.stop();
}

/// Not a test by itself: here a process of this program becomes the store that another test starts and kills.
#[test]
fn store_process() {
    be_a_store();
}

fn half_clusters(folder: &Folder) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.path().join("database")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.file_stem().is_some_and(|name| name == "data.new"))
        .collect()
}
