//! The built binary: as a store that can be killed, and as a command that ends by itself.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::store::Shop;
use super::{Admin, PASSWORD, unique};

/// What the processes with a data directory have logged, in that directory.
pub(crate) const LOG: &str = "log.ndjson";
/// Nothing that a process does by itself takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store in a process of its own, with an embedded database that loses nothing.
pub(crate) struct StoreProcess {
    shop: Shop,
    child: Child,
    folder: PathBuf,
    changes: Vec<(String, String)>,
}

impl StoreProcess {
    /// A store with an empty database.
    pub(crate) async fn start() -> StoreProcess {
        StoreProcess::with([]).await
    }

    /// A store with other settings.
    pub(crate) async fn with<const N: usize>(changes: [(&str, &str); N]) -> StoreProcess {
        let folder = make_folder();
        let changes = changes.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let (child, shop) = spawn(folder.clone(), changes.clone()).await;
        StoreProcess {
            shop,
            child,
            folder,
            changes,
        }
    }

    /// Kills the process as a crash does (SIGKILL). Its PostgreSQL lives on.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills the PostgreSQL of the store.
    pub(crate) fn kill_postmaster(&self) {
        send(postmaster(&self.folder).unwrap(), libc::SIGKILL);
    }

    /// Starts the store again on the same data. Callers from before keep their tokens, and find it by themselves.
    pub(crate) async fn start_again(&mut self) {
        let (child, shop) = spawn(self.folder.clone(), self.changes.clone()).await;
        (self.child, self.shop) = (child, shop);
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: i32) {
        send(self.child.id(), signal);
    }

    /// Waits for the end of the process; hangs no longer than a minute.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        end_of(&mut self.child)
    }

    /// Runs a command of the binary on this store's data.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Outcome {
        self.command_with_input(arguments, "").await
    }

    /// The same, with something on its standard input.
    pub(crate) async fn command_with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut all = vec!["--data-dir", self.folder.to_str().unwrap()];
        all.extend(arguments);
        bodega_with_input(&all, &[], input).await
    }

    /// Begins a command of the binary on this store's data.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = clean_command();
        command.arg("--data-dir").arg(&self.folder).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// What `bodega verify` finds, a line each.
    pub(crate) async fn findings(&self) -> Vec<String> {
        findings(&self.folder).await
    }

    /// An administrator.
    pub(crate) async fn admin(&self) -> Admin {
        Admin::signed_in(&self.shop, &make_admin(&self.folder).await).await
    }

    /// Where the store keeps its data.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.folder
    }
}

impl Deref for StoreProcess {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl Drop for StoreProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        remove(&self.folder);
    }
}

/// A data directory that the server's account may pass through.
pub(super) fn make_folder() -> PathBuf {
    let folder = std::env::temp_dir().join(unique("bodega-store"));
    fs::DirBuilder::new().mode(0o711).create(&folder).unwrap();
    folder
}

/// Stops the PostgreSQL of a data directory, and removes both.
pub(super) fn remove(folder: &Path) {
    if let Some(postmaster) = postmaster(folder) {
        send(postmaster, libc::SIGQUIT);
    }
    // The server's own processes leave a little later, and may still be writing.
    let started = Instant::now();
    while fs::remove_dir_all(folder).is_err() && started.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for the end of a process; hangs no longer than a minute.
pub(super) fn end_of(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(started.elapsed() < PATIENCE, "the process does not stop");
        thread::sleep(Duration::from_millis(10));
    }
}

/// What `bodega verify` finds in a data directory, a line each.
pub(super) async fn findings(folder: &Path) -> Vec<String> {
    let outcome = bodega(&["--data-dir", folder.to_str().unwrap(), "--json", "verify"], &[]).await;
    let found: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
    let findings = found["findings"].as_array().unwrap();
    assert_eq!(outcome.code, i32::from(!findings.is_empty()), "{outcome:?}");
    findings.iter().map(Value::to_string).collect()
}

/// Makes an administrator in a data directory; answers their address.
pub(super) async fn make_admin(folder: &Path) -> String {
    let email = format!("{}@staff.example", unique("admin"));
    let arguments = ["--data-dir", folder.to_str().unwrap(), "user", "create-admin", &email];
    let made = bodega_with_input(&arguments, &[], PASSWORD).await;
    assert_eq!(made.code, 0, "{made:?}");
    email
}

/// Starts the store and waits until it serves.
async fn spawn(folder: PathBuf, changes: Vec<(String, String)>) -> (Child, Shop) {
    let mut settings = vec![
        ("server.public".to_owned(), "127.0.0.1:0".to_owned()),
        ("server.management".to_owned(), "127.0.0.1:0".to_owned()),
        ("server.drain_delay".to_owned(), "0s".to_owned()),
    ];
    settings.extend(changes);
    let (child, log) = serve(folder, settings).await;
    let address = |name: &str| log[name].as_str().unwrap().parse().unwrap();
    (child, Shop::at(vec![address("public")], vec![address("management")]))
}

/// Starts the binary with these settings and waits until it serves; answers what it logs then.
pub(super) async fn serve(folder: PathBuf, settings: Vec<(String, String)>) -> (Child, Value) {
    let started = move || {
        let mut command = clean_command();
        command.args(["--data-dir", folder.to_str().unwrap(), "serve"]);
        let own = [
            ("payments.sandbox.enabled", "true"),
            ("limits.enabled", "false"),
            ("gateway.cache_bytes", "0"),
            ("log.format", "json"),
        ];
        for (key, value) in own {
            command.env(variable(key), value);
        }
        for (key, value) in &settings {
            command.env(variable(key), value);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = serving(&mut child, &folder.join(LOG));
        (child, log)
    };
    tokio::task::spawn_blocking(started).await.unwrap()
}

/// What a process logs when it serves. Its log is read to the end, or it would block, and is kept in a file.
fn serving(child: &mut Child, kept: &Path) -> Value {
    let log = BufReader::new(child.stderr.take().unwrap());
    let mut kept = fs::OpenOptions::new().create(true).append(true).open(kept).unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            // The folder may be gone before the process is.
            let _ = writeln!(kept, "{line}");
            // Nobody listens any more once the process serves.
            let _ = sender.send(line);
        }
    });
    let mut seen = Vec::new();
    loop {
        let line = receiver
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("the process does not serve: {seen:#?}"));
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        if entry["message"] == "serving" {
            return entry;
        }
        seen.push(line);
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary to its end, with these settings.
pub(crate) async fn bodega(arguments: &[&str], settings: &[(&str, &str)]) -> Outcome {
    bodega_with_input(arguments, settings, "").await
}

/// The same, with something on its standard input.
pub(crate) async fn bodega_with_input(arguments: &[&str], settings: &[(&str, &str)], input: &str) -> Outcome {
    let mut command = clean_command();
    command.args(arguments);
    for (key, value) in settings {
        command.env(variable(key), value);
    }
    let input = input.to_owned();
    let run = move || {
        let streams = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap();
        // A command that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(run).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome {
        code: status.code().unwrap_or(-1),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// The binary without the settings of whoever runs the tests.
fn clean_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bodega"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BODEGA__") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

/// `server.public` is `BODEGA__SERVER__PUBLIC`.
fn variable(key: &str) -> String {
    format!("BODEGA__{}", key.replace('.', "__").to_uppercase())
}

fn postmaster(folder: &Path) -> Option<u32> {
    let text = fs::read_to_string(folder.join("database/data/postmaster.pid")).ok()?;
    text.lines().next()?.parse().ok()
}

#[expect(
    unsafe_code,
    reason = "the standard library sends no signals but SIGKILL to children"
)]
pub(super) fn send(process: u32, signal: i32) {
    // SAFETY: kill has no preconditions; a process that is gone already is an error that says so.
    let _ = unsafe { libc::kill(i32::try_from(process).unwrap(), signal) };
}
