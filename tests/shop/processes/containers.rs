//! The compose files and the Dockerfile, read as a container engine would: every setting in them exists, every process finds
//! what it needs, and nothing is open that should not be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bodega::modules::{self, COMPILED, Site};
use bodega::settings::{self, Sources};
use kernel::Clock;
use kernel::settings::Settings;
use serde_norway::Value;
use tempfile::TempDir;

/// Where secrets are in a container.
const SECRETS: &str = "/run/secrets/";

/// A compose file, with everything that it merges merged.
struct Compose(Value);

/// One of its services.
struct Service<'a> {
    name: &'a str,
    file: &'a Compose,
    value: &'a Value,
}

impl Compose {
    fn read(name: &str) -> Compose {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let mut value: Value = serde_norway::from_str(&text).unwrap();
        value.apply_merge().unwrap();
        Compose(value)
    }

    fn services(&self) -> impl Iterator<Item = Service<'_>> {
        let services = self.0["services"].as_mapping().unwrap();
        services.iter().map(|(name, value)| Service {
            name: name.as_str().unwrap(),
            file: self,
            value,
        })
    }

    /// Those that run the store's own image.
    fn processes(&self) -> impl Iterator<Item = Service<'_>> {
        self.services().filter(|service| service.value["image"] == "bodega")
    }

    /// The names in one of the file's sections.
    fn declared(&self, section: &str) -> BTreeSet<&str> {
        keys(&self.0[section])
    }
}

impl Service<'_> {
    /// The texts of a list, such as `networks`.
    fn list(&self, key: &str) -> BTreeSet<&str> {
        let items = self.value[key].as_sequence().into_iter().flatten();
        items.map(|item| item.as_str().unwrap()).collect()
    }

    fn variables(&self) -> BTreeMap<String, String> {
        let own = self.value["environment"].as_mapping().into_iter().flatten();
        let own = own.map(|(name, value)| (name.as_str().unwrap().to_owned(), value.as_str().unwrap().to_owned()));
        image_variables().into_iter().chain(own).collect()
    }

    /// The settings that the process would have, with made-up secrets in place of those in the container.
    fn settings(&self, secrets: &TempDir) -> Settings {
        let mut variables = self.variables();
        let file = variables.remove("BODEGA_CONFIG").map(|path| self.config(&path));
        for value in variables.values_mut() {
            if let Some(secret) = value.strip_prefix(SECRETS) {
                assert!(
                    self.list("secrets").contains(secret),
                    "{} is not given {secret}",
                    self.name
                );
                let path = secrets.path().join(secret);
                fs::write(
                    &path,
                    format!("postgres://{secret}:x@postgres/bodega?sslmode=disable\n"),
                )
                .unwrap();
                *value = path.display().to_string();
            }
        }
        let sources = Sources {
            file,
            environment: variables.into_iter().collect(),
            flags: Vec::new(),
        };
        let loaded = settings::load(&sources, COMPILED).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        loaded.settings
    }

    /// The file of this repository that is mounted at `target`.
    fn config(&self, target: &str) -> PathBuf {
        let mounted = self.value["configs"].as_sequence().unwrap();
        let config = mounted.iter().find(|config| config["target"] == target).unwrap();
        let source = config["source"].as_str().unwrap();
        folder().join(self.file.0["configs"][source]["file"].as_str().unwrap())
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the compose files are; paths in them are relative to it.
fn folder() -> PathBuf {
    root().join("config")
}

fn keys(mapping: &Value) -> BTreeSet<&str> {
    let keys = mapping.as_mapping().into_iter().flatten();
    keys.map(|(key, _)| key.as_str().unwrap()).collect()
}

fn dockerfile() -> String {
    fs::read_to_string(root().join("Dockerfile")).unwrap()
}

/// The settings that the image itself makes.
fn image_variables() -> Vec<(String, String)> {
    let text = dockerfile();
    let words = text.split_whitespace().filter_map(|word| word.split_once('='));
    let ours = words.filter(|(name, _)| name.starts_with("BODEGA__"));
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn both() -> [Compose; 2] {
    ["compose.yaml", "compose.split.yaml"].map(Compose::read)
}

#[tokio::test]
async fn every_process_has_settings_that_exist_and_finds_its_siblings() {
    let secrets = tempfile::tempdir().unwrap();
    let mut run = BTreeSet::new();
    for file in &both() {
        for service in file.processes() {
            let settings = service.settings(&secrets);
            modules::check(&settings).unwrap();
            let site = Site::offline(settings.clone(), Clock::system()).unwrap();
            site.gateway().unwrap();
            run.insert(settings.run.join(","));
        }
    }
    for one in COMPILED {
        assert!(run.contains(*one), "no container runs {one} alone: {run:?}");
    }
    assert!(run.contains(&COMPILED.join(",")));
}

#[tokio::test]
async fn each_process_is_given_the_keys_that_it_needs_and_no_other() {
    let secrets = tempfile::tempdir().unwrap();
    for service in Compose::read("compose.split.yaml").processes() {
        let settings = service.settings(&secrets);
        let needed = modules::needed_keys(&settings);
        let given = service.list("secrets");
        for (key, needed, file) in [
            ("token", needed.token, &settings.keys.token_file),
            ("service", needed.service, &settings.keys.service_file),
            ("secret", needed.secret, &settings.keys.secret_file),
        ] {
            assert_eq!(given.contains(key), needed, "{} and {key}", service.name);
            assert_eq!(file, &Path::new(SECRETS).join(key));
        }
        for module in ["user", "product", "cart", "order"] {
            let runs = settings.run.iter().any(|name| name == module);
            let secret = format!("database_{module}");
            assert_eq!(given.contains(secret.as_str()), runs, "{} and {secret}", service.name);
        }
    }
}

#[test]
fn only_the_gateway_is_published_and_processes_meet_on_a_network_of_their_own() {
    let file = Compose::read("compose.split.yaml");
    let published: Vec<&str> = file
        .services()
        .filter(|service| !service.list("ports").is_empty())
        .map(|service| service.name)
        .collect();
    assert_eq!(published, ["gateway"]);
    let serving = file.processes().filter(|service| service.name != "migrate");
    for service in serving {
        assert!(service.list("networks").contains("inside"), "{}", service.name);
        let upstream = fs::read_to_string(service.config("/etc/bodega/shop.toml")).unwrap();
        let address = format!("{0} = [\"http://{0}:8081\"]", service.name);
        assert!(service.name == "gateway" || upstream.contains(&address), "{address}");
    }
    for network in ["inside", "data"] {
        assert_eq!(file.0["networks"][network]["internal"], true, "{network}");
    }
    let gateway = file.services().find(|service| service.name == "gateway").unwrap();
    assert!(!gateway.list("networks").contains("data"));
    for service in both()[0].services() {
        assert_eq!(service.list("ports"), BTreeSet::from(["8080:8080"]));
    }
}

#[test]
fn whatever_a_service_names_is_declared_and_every_container_is_locked_down() {
    for file in &both() {
        for service in file.services() {
            for section in ["secrets", "networks"] {
                let declared = file.declared(section);
                assert!(
                    service.list(section).is_subset(&declared),
                    "{}: {section}",
                    service.name
                );
            }
            let after = keys(&service.value["depends_on"]);
            assert!(
                after.is_subset(&file.declared("services")),
                "{}: depends_on",
                service.name
            );
            for volume in service.list("volumes") {
                let (source, _) = volume.split_once(':').unwrap();
                let there = match source.strip_prefix("./") {
                    Some(path) => folder().join(path).is_file(),
                    None => file.declared("volumes").contains(source),
                };
                assert!(there, "{}: {volume}", service.name);
            }
        }
        for process in file.processes() {
            assert_eq!(process.value["read_only"], true, "{}", process.name);
            assert_eq!(process.list("cap_drop"), BTreeSet::from(["ALL"]), "{}", process.name);
            let check = &process.value["healthcheck"];
            let asked = check["test"].as_sequence().into_iter().flatten();
            let asked: Vec<&str> = asked.map(|word| word.as_str().unwrap()).collect();
            assert!(
                check["disable"] == true || asked == ["CMD", "bodega", "health"],
                "{}",
                process.name
            );
        }
    }
}

#[test]
fn an_image_has_everything_inside_unless_told_otherwise() {
    let text = dockerfile();
    let features = text
        .lines()
        .find_map(|line| line.strip_prefix("ARG FEATURES="))
        .unwrap();
    let inside: BTreeSet<&str> = features.split(',').collect();
    assert_eq!(inside, COMPILED.iter().copied().collect());
    assert!(text.contains("\nUSER 10001:10001\n"));
}
