//! Folders, processes and queries for the tests of the embedded PostgreSQL.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use database::embedded::{Cluster, Durability, NAME, Options, find_binaries};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

/// Tells a test process that it is the store of another test, and where its data are.
const STORE_VARIABLE: &str = "BODEGA_TEST_STORE";

/// How the line begins that a store prints when its cluster answers; its binaries follow.
const READY: &str = "the cluster is ready, from ";

/// A data directory that the account of the server may pass through and that is removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "bodega-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o711).create(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A path in the folder of the cluster.
    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        self.0.join("database").join(name)
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            data_dir: self.0.clone(),
            durability: Durability::ThrowAway,
            binaries: None,
        }
    }

    pub(crate) fn durable_options(&self) -> Options {
        Options {
            durability: Durability::Durable,
            ..self.options()
        }
    }

    /// Starts a cluster that is made fast, and loses the last commits when it is killed.
    pub(crate) fn start(&self) -> Cluster {
        Cluster::start(self.options()).unwrap()
    }

    /// The process id that the server has noted.
    pub(crate) fn postmaster(&self) -> Option<u32> {
        fs::read_to_string(self.inside("data/postmaster.pid"))
            .ok()?
            .lines()
            .next()?
            .parse()
            .ok()
    }

    /// A session with the store's database, through libpq.
    pub(crate) fn connect(&self) -> ConnectionResult<PgConnection> {
        let host = self.inside("socket");
        PgConnection::establish(&format!(
            "host='{}' port=5432 user={NAME} dbname={NAME}",
            host.display()
        ))
    }

    /// The one value that a query answers, as text.
    pub(crate) fn ask(&self, query: &str) -> String {
        sql::<Text>(query).get_result(&mut self.connect().unwrap()).unwrap()
    }

    pub(crate) fn run(&self, statement: &str) {
        diesel::sql_query(statement)
            .execute(&mut self.connect().unwrap())
            .unwrap();
    }

    /// A directory of binaries that pass on to the real ones, except for a program with a script of its own.
    pub(crate) fn wrapped_binaries(&self, initdb_script: Option<&str>) -> PathBuf {
        let real = find_binaries(self.path(), None).unwrap();
        let wrapped = self.0.join("wrapped");
        fs::create_dir(&wrapped).unwrap();
        for program in ["initdb", "postgres"] {
            let pass_on = format!("exec {} \"$@\"", real.join(program).display());
            let script = initdb_script
                .filter(|_| program == "initdb")
                .map_or(pass_on, str::to_owned);
            fs::write(wrapped.join(program), format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(wrapped.join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        wrapped
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that failed may have left its server running.
        if let Some(postmaster) = self.postmaster() {
            let _ = signal("-QUIT", postmaster);
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A store in a process of its own: it starts a durable cluster, and stops it when it is told to.
pub(crate) struct Store {
    process: Child,
    binaries: PathBuf,
}

impl Store {
    /// Begins to start a cluster and does not wait for it.
    pub(crate) fn launch(folder: &Folder, environment: &[(&str, &str)]) -> Store {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store_process", "--nocapture"])
            .env(STORE_VARIABLE, folder.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Store {
            process,
            binaries: PathBuf::new(),
        }
    }

    pub(crate) fn start(folder: &Folder) -> Store {
        Store::launch(folder, &[]).wait_until_ready()
    }

    pub(crate) fn wait_until_ready(mut self) -> Store {
        let mut lines = BufReader::new(self.process.stdout.as_mut().unwrap())
            .lines()
            .map_while(Result::ok);
        let binaries = lines.find_map(|line| line.strip_prefix(READY).map(PathBuf::from));
        self.binaries = binaries.expect("the store did not come up");
        self
    }

    /// The binaries that the store has found for its cluster.
    pub(crate) fn binaries(&self) -> &Path {
        &self.binaries
    }

    pub(crate) fn stop(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What a process does that [`Store::launch`] has started; nothing in any other.
pub(crate) fn be_a_store() {
    let Some(data_dir) = std::env::var_os(STORE_VARIABLE) else {
        return;
    };
    let options = Options {
        data_dir: data_dir.into(),
        durability: Durability::Durable,
        binaries: None,
    };
    let cluster = Cluster::start(options.clone()).unwrap();
    let binaries = find_binaries(&options.data_dir, None).unwrap();
    println!("\n{READY}{}", binaries.display());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    cluster.stop();
}

/// Waits until a condition holds, and fails when it does not within a minute.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{what} did not happen within a minute"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn kill_9(process: u32) {
    assert!(signal("-KILL", process).unwrap().success());
}

fn signal(signal: &str, process: u32) -> std::io::Result<ExitStatus> {
    // The shell's own kill, because a bare machine has no program of that name.
    Command::new("sh")
        .args(["-c", &format!("kill {signal} {process}")])
        .status()
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
