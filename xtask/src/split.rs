//! The store in five processes on this machine: each module for itself, and the gateway in front.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cargo::{cargo, store_binary};
use crate::{postgres, process, signals};

/// The modules in the order of their start: whoever is asked by others comes first. They stop the other way round.
const MODULES: [Place; 4] = [
    Place::new("user", 8111, 8112),
    Place::new("product", 8121, 8122),
    Place::new("cart", 8131, 8132),
    Place::new("order", 8141, 8142),
];

/// How often the processes are looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a process may take until it is ready. The first makes a database.
const PATIENCE: Duration = Duration::from_secs(120);

/// A module and its ports on the loopback.
struct Place {
    module: &'static str,
    internal: u16,
    management: u16,
}

impl Place {
    const fn new(module: &'static str, internal: u16, management: u16) -> Self {
        Self {
            module,
            internal,
            management,
        }
    }
}

/// The processes that have been started, in the order of their start.
struct Fleet {
    binary: PathBuf,
    arguments: Vec<String>,
    processes: Vec<(&'static str, Child)>,
}

/// Serves the store in demo mode until Ctrl-C; whatever comes after `--` goes to all five processes.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    postgres::ensure()?;
    process::check(cargo("build").args(["--release", "--package", "bodega", "--bin", "bodega"]))?;
    signals::hear();
    let mut fleet = Fleet {
        binary: store_binary("release")?,
        arguments: arguments.to_vec(),
        processes: Vec::new(),
    };
    let outcome = fleet.start().and_then(|()| fleet.watch());
    fleet.stop();
    outcome
}

impl Fleet {
    /// Starts the modules one after the other, because each is asked for by the next, and the gateway at the end.
    fn start(&mut self) -> Result<(), String> {
        let data_dir = self.data_dir()?;
        for place in &MODULES {
            let settings = [
                ("RUN", place.module.to_owned()),
                ("SERVER__INTERNAL", format!("127.0.0.1:{}", place.internal)),
                ("SERVER__MANAGEMENT", format!("127.0.0.1:{}", place.management)),
            ];
            self.start_one(place.module, &settings)?;
        }
        // The processes with the embedded database have made the keys. The gateway has no database, and is told.
        let service = data_dir.join("keys/service");
        let settings = [
            ("RUN", "gateway".to_owned()),
            ("KEYS__SERVICE_FILE", service.display().to_string()),
        ];
        self.start_one("gateway", &settings)
    }

    /// Where the processes will keep their data: the store itself says so.
    fn data_dir(&self) -> Result<PathBuf, String> {
        let mut print = Command::new(&self.binary);
        print.args(["config", "print"]).args(&self.arguments);
        let settings = process::output(&mut print)?;
        let named = value_of(&settings, "data", "dir").unwrap_or_default();
        match named {
            "" => postgres::default_data_dir().ok_or_else(|| "neither XDG_DATA_HOME nor HOME is set".to_owned()),
            named => Ok(Path::new(named).to_path_buf()),
        }
    }

    fn start_one(&mut self, name: &'static str, settings: &[(&str, String)]) -> Result<(), String> {
        if signals::heard() > 0 {
            return Ok(());
        }
        let mut serve = self.command(&["serve", "--demo"], settings);
        // In a group of its own, so that Ctrl-C reaches this program alone, which then stops all of them in order.
        serve.process_group(0);
        let child = serve
            .spawn()
            .map_err(|error| format!("could not start `{}`: {error}", process::shown(&serve)))?;
        self.processes.push((name, child));
        self.wait_until_ready(name, settings)
    }

    fn wait_until_ready(&mut self, name: &str, settings: &[(&str, String)]) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if signals::heard() > 0 {
                return Ok(());
            }
            self.check_alive()?;
            let mut ask = self.command(&["health"], settings);
            let asked = ask.stdout(Stdio::null()).stderr(Stdio::null()).status();
            if asked.is_ok_and(|status| status.success()) {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        Err(format!("`{name}` is not ready after {} seconds", PATIENCE.as_secs()))
    }

    /// The binary with the settings that all processes share, and one process's own.
    fn command(&self, words: &[&str], settings: &[(&str, String)]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words).args(&self.arguments).stdin(Stdio::null());
        // No load balancer has to notice that a process is about to stop.
        command.env("BODEGA__SERVER__DRAIN_DELAY", "0s");
        for place in &MODULES {
            let name = format!("BODEGA__UPSTREAM__{}", place.module.to_uppercase());
            command.env(name, format!("http://127.0.0.1:{}", place.internal));
        }
        for (name, value) in settings {
            command.env(format!("BODEGA__{name}"), value);
        }
        command
    }

    /// Waits until this program is told to end, or one of the processes ends by itself.
    fn watch(&mut self) -> Result<(), String> {
        while signals::heard() == 0 {
            self.check_alive()?;
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn check_alive(&mut self) -> Result<(), String> {
        for (name, child) in &mut self.processes {
            // A process that cannot be asked about is not known to have ended.
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("`{name}` has ended: {status}"));
            }
        }
        Ok(())
    }

    /// Stops the processes in order, each when the one before is gone. Told to end once more, it kills those that are left.
    fn stop(&mut self) {
        let told = signals::heard();
        for (name, child) in self.processes.iter_mut().rev() {
            if let Err(error) = ask_to_end(child) {
                eprintln!("xtask: `{name}`: {error}");
            }
            while let Ok(None) = child.try_wait() {
                if signals::heard() > told {
                    // It is gone already where it cannot be killed.
                    let _ = child.kill();
                }
                thread::sleep(PAUSE);
            }
        }
    }
}

/// The standard library kills, and does not ask.
fn ask_to_end(child: &mut Child) -> Result<(), String> {
    match child.try_wait() {
        Ok(Some(_)) => Ok(()),
        _ => process::check(Command::new("kill").arg(child.id().to_string())),
    }
}

/// The text of a key in settings as `bodega config print` shows them.
fn value_of<'a>(settings: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let (_, section) = settings.split_once(&format!("[{section}]\n"))?;
    let section = section.split("\n[").next()?;
    let line = section
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
    line.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_in_its_section() {
        let settings = "run = [\"user\"]\n\n[data]\ndir = \"/tmp/a\"\n\n[mail]\ndir = \"/tmp/b\"\nfrom = \"x\"\n";
        assert_eq!(value_of(settings, "data", "dir"), Some("/tmp/a"));
        assert_eq!(value_of(settings, "mail", "from"), Some("x"));
        assert_eq!(value_of(settings, "data", "from"), None);
        assert_eq!(value_of(settings, "shop", "name"), None);
    }
}
