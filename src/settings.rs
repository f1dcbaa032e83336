//! Loads the settings: `config/default.toml` < `--config FILE` < environment < flags. The default file is the list of what
//! there is: a key that it does not have is an error, and so is a value of another type.

mod media;
mod payments;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Config, File, FileFormat};
use kernel::settings::{MediaStore, Settings, Shop};
use toml::{Table, Value};

/// The compiled-in defaults, which are also the manual.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// How the environment variables of the store begin.
const PREFIX: &str = "BODEGA__";

/// Keys whose values are never shown. Each can be read from the file that `<key>_file` names.
const SECRETS: [&str; 17] = [
    "cart.redis_url",
    "database.url",
    "database.user.url",
    "database.product.url",
    "database.cart.url",
    "database.order.url",
    "keys.token",
    "keys.token_other",
    "keys.service",
    "keys.secret",
    "limits.redis_url",
    "mail.smtp_url",
    "media.s3.access_key",
    "media.s3.secret_key",
    "payments.sandbox.webhook_secret",
    "payments.stripe.secret_key",
    "payments.stripe.webhook_secret",
];

/// Those of [`SECRETS`] that no file of settings may hold.
const ENVIRONMENT_ALONE: [&str; 2] = ["media.s3.access_key", "media.s3.secret_key"];

/// The most that the two phases of a stop may take together, so that the whole of it stays under 30 seconds.
const LONGEST_DRAIN: Duration = Duration::from_secs(25);

/// Where settings come from, besides the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file named by `--config`.
    pub file: Option<PathBuf>,
    /// The environment: names and values. What is not ours is passed over.
    pub environment: Vec<(String, String)>,
    /// What flags set: a key like `data.dir`, and its value in the notation of the environment.
    pub flags: Vec<(String, String)>,
}

/// The settings, as the store uses them and as they can be shown.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// For the store.
    pub settings: Settings,
    /// For people: secrets are blotted out.
    pub shown: Table,
}

/// Something in the settings cannot be meant. Each reads as one line that names the key and where it stands.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not TOML.
    #[error("{}: {detail}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        detail: String,
    },
    /// There is no such key.
    #[error("{origin}: there is no setting `{key}`; {hint}")]
    Unknown {
        /// The key.
        key: String,
        /// The file or the environment variable.
        origin: String,
        /// What there is instead.
        hint: String,
    },
    /// The value cannot be used.
    #[error("{origin}: {key} {detail}")]
    Invalid {
        /// The key.
        key: String,
        /// The file or the environment variable.
        origin: String,
        /// What it must be.
        detail: String,
    },
    /// The values do not make sense, alone or together.
    #[error("{0}")]
    Senseless(String),
}

impl Sources {
    /// The sources of this process: its environment and the given file.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        Self {
            file,
            environment: std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            flags: Vec::new(),
        }
    }

    /// Adds what a flag sets.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        self.flags.push((key.to_owned(), value.to_string()));
    }
}

/// Loads and checks the settings. `modules` are those that the binary has; without a word about `run`, all of them run.
///
/// # Errors
///
/// See [`SettingsError`].
pub fn load(sources: &Sources, modules: &[&str]) -> Result<Loaded, SettingsError> {
    let known = Known::new();
    let mut builder = Config::builder()
        .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
        .add_source(File::from_str(&format!("run = {modules:?}"), FileFormat::Toml));
    if let Some(path) = &sources.file {
        let text = read(path)?;
        known.check_file(path, &text)?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    let ours = sources.environment.iter().filter(|(name, _)| name.starts_with(PREFIX));
    let environment = ours.map(|(name, value)| (name.clone(), key_of(name), value));
    let flags = sources
        .flags
        .iter()
        .map(|(key, value)| (format!("the flag for {key}"), key.clone(), value));
    for (origin, key, text) in environment.chain(flags) {
        let (key, value) = known.parse(origin.clone(), key, text)?;
        builder = builder.set_override(&key, value).map_err(|error| senseless(&error))?;
    }
    let config = builder.build().map_err(|error| senseless(&error))?;
    let shown = redacted(config.clone().try_deserialize().map_err(|error| senseless(&error))?);
    let settings = config.try_deserialize().map_err(|error| senseless(&error))?;
    check(&settings, modules)?;
    Ok(Loaded { settings, shown })
}

/// `BODEGA__SERVER__PUBLIC` is `server.public`.
fn key_of(variable: &str) -> String {
    variable.trim_start_matches(PREFIX).to_lowercase().replace("__", ".")
}

fn senseless(error: &config::ConfigError) -> SettingsError {
    SettingsError::Senseless(error.to_string())
}

fn read(path: &Path) -> Result<String, SettingsError> {
    fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
        path: path.to_path_buf(),
        source,
    })
}

/// The keys that there are, each with an example of its value.
struct Known(BTreeMap<String, Value>);

impl Known {
    fn new() -> Self {
        let mut keys = BTreeMap::new();
        // The defaults are part of the program; a test reads them.
        let defaults: Table = DEFAULTS.parse().unwrap_or_default();
        collect("", &defaults, &mut keys);
        for module in ["user", "product", "cart", "order"] {
            keys.insert(format!("database.{module}.url"), Value::String(String::new()));
            keys.insert(format!("upstream.{module}"), Value::Array(Vec::new()));
        }
        Self(keys)
    }

    /// Refuses a file with a key that is not known, or a value of another type.
    fn check_file(&self, path: &Path, text: &str) -> Result<(), SettingsError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| SettingsError::Syntax {
            path: path.to_path_buf(),
            detail: error.to_string(),
        })?;
        let mut found = BTreeMap::new();
        collect("", &table, &mut found);
        let origin = path.display().to_string();
        found.iter().try_for_each(|(key, value)| {
            let example = self.0.get(key).ok_or_else(|| self.unknown(key, &origin))?;
            if ENVIRONMENT_ALONE.contains(&key.as_str()) {
                let variable = format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"));
                return Err(SettingsError::Invalid {
                    key: key.clone(),
                    origin: origin.clone(),
                    detail: format!("is taken from the environment alone: {variable}, or {variable}_FILE"),
                });
            }
            if example.same_type(value) {
                return Ok(());
            }
            Err(SettingsError::Invalid {
                key: key.clone(),
                origin: origin.clone(),
                detail: must_be(example).to_owned(),
            })
        })
    }

    /// The value of a key, from the notation of the environment.
    fn parse(&self, origin: String, key: String, text: &str) -> Result<(String, config::Value), SettingsError> {
        if let Some(secret) = key.strip_suffix("_file").filter(|secret| SECRETS.contains(secret))
            && !self.0.contains_key(&key)
        {
            let content = read(Path::new(text))?;
            return Ok((secret.to_owned(), config::Value::from(content.trim_end())));
        }
        let example = self.0.get(&key).ok_or_else(|| self.unknown(&key, &origin))?;
        let value = match example {
            Value::Integer(_) => text.parse::<i64>().ok().map(config::Value::from),
            Value::Boolean(_) => text.parse::<bool>().ok().map(config::Value::from),
            Value::Array(_) => Some(config::Value::from(list(text))),
            _ => Some(config::Value::from(text)),
        };
        match value {
            Some(value) => Ok((key, value)),
            None => Err(SettingsError::Invalid {
                key,
                origin,
                detail: must_be(example).to_owned(),
            }),
        }
    }

    fn unknown(&self, key: &str, origin: &str) -> SettingsError {
        let section = key.rsplit_once('.').map_or("", |(section, _)| section);
        let siblings: Vec<&str> = self
            .0
            .keys()
            .filter_map(|known| match known.rsplit_once('.') {
                Some((parent, name)) => (parent == section).then_some(name),
                None => section.is_empty().then_some(known.as_str()),
            })
            .collect();
        let hint = match (siblings.is_empty(), section) {
            (true, _) => "see `bodega config print` for all there are".to_owned(),
            (false, "") => format!("outside of the sections there is {}", siblings.join(", ")),
            (false, section) => format!("[{section}] has {}", siblings.join(", ")),
        };
        SettingsError::Unknown {
            key: key.to_owned(),
            origin: origin.to_owned(),
            hint,
        }
    }
}

/// The leaves of a table by their dotted keys. An empty table is no leaf.
fn collect(prefix: &str, table: &Table, leaves: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = match prefix {
            "" => name.clone(),
            prefix => format!("{prefix}.{name}"),
        };
        match value {
            Value::Table(inner) => collect(&key, inner, leaves),
            leaf => {
                leaves.insert(key, leaf.clone());
            }
        }
    }
}

fn must_be(example: &Value) -> &'static str {
    match example {
        Value::Integer(_) => "must be a whole number",
        Value::Boolean(_) => "must be true or false",
        Value::Array(_) => "must be a list",
        _ => "must be a text",
    }
}

fn list(text: &str) -> Vec<String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// The settings without their secrets.
fn redacted(mut settings: Table) -> Table {
    for key in SECRETS {
        let mut path = key.split('.').peekable();
        let mut table = &mut settings;
        while let Some(name) = path.next() {
            match table.get_mut(name) {
                Some(Value::Table(inner)) => table = inner,
                Some(Value::String(secret)) if path.peek().is_none() && !secret.is_empty() => {
                    *secret = "[redacted]".to_owned();
                    break;
                }
                _ => break,
            }
        }
    }
    settings
}

/// What the types of the settings cannot say.
fn check(settings: &Settings, modules: &[&str]) -> Result<(), SettingsError> {
    let refuse = |text: String| Err(SettingsError::Senseless(text));
    if let Some(unknown) = settings.run.iter().find(|name| !modules.contains(&name.as_str())) {
        let inside = modules.join(", ");
        return refuse(format!("run: `{unknown}` is not in this binary, which has {inside}"));
    }
    if settings.run.is_empty() {
        return refuse("run: name at least one module".to_owned());
    }
    if !["auto", "json", "pretty"].contains(&settings.log.format.as_str()) {
        return refuse(format!(
            "log.format: `{}` is none of auto, json, pretty",
            settings.log.format
        ));
    }
    if settings.server.drain_delay + settings.server.drain_timeout > LONGEST_DRAIN {
        return refuse(format!(
            "server.drain_delay and server.drain_timeout are together more than {} seconds",
            LONGEST_DRAIN.as_secs()
        ));
    }
    check_locales(&settings.shop).or_else(refuse)?;
    if settings.run.iter().any(|name| name == "order") {
        payments::check(&settings.payments).or_else(refuse)?;
    }
    let positive = [
        ("limits.body_bytes", settings.limits.body_bytes),
        ("limits.upload_bytes", settings.limits.upload_bytes),
        ("limits.connections", settings.limits.connections),
        ("limits.in_flight", settings.limits.in_flight),
        ("media.image_bytes", settings.media.image_bytes),
    ];
    if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
        return refuse(format!("{key} must be at least 1"));
    }
    let has_images = settings.run.iter().any(|name| name == "product");
    match has_images && settings.media.store == MediaStore::S3 {
        true => media::check(&settings.media.s3).or_else(refuse),
        false => Ok(()),
    }
}

/// A shop that does not name its own language among all of them is more likely one that has named the wrong ones.
fn check_locales(shop: &Shop) -> Result<(), String> {
    let (own, all) = (&shop.locale, &shop.locales);
    if !all.is_empty() && !all.contains(own) {
        return Err(format!(
            "shop.locales: `{own}`, which is shop.locale, must be among them"
        ));
    }
    let twice = all
        .iter()
        .enumerate()
        .find(|(place, locale)| all[..*place].contains(locale));
    match twice {
        Some((_, locale)) => Err(format!("shop.locales: `{locale}` comes twice")),
        None => Ok(()),
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = toml::to_string(&self.shown).map_err(|_| fmt::Error)?;
        formatter.write_str(text.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULES: [&str; 5] = ["gateway", "user", "product", "cart", "order"];

    fn with(environment: &[(&str, &str)]) -> Result<Loaded, SettingsError> {
        let environment = environment
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        load(
            &Sources {
                environment: environment.collect(),
                ..Sources::default()
            },
            &MODULES,
        )
    }

    fn with_file(text: &str) -> Result<Loaded, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.toml");
        fs::write(&file, text).unwrap();
        load(
            &Sources {
                file: Some(file),
                ..Sources::default()
            },
            &MODULES,
        )
    }

    fn complaint(result: Result<Loaded, SettingsError>) -> String {
        result.map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_complete() {
        let settings = with(&[]).unwrap().settings;
        assert_eq!(settings.run, MODULES);
        assert_eq!(settings.order.payment_window, Duration::from_secs(900));
        assert!(settings.limits.enabled);
    }

    #[test]
    fn the_environment_wins_over_the_file_and_flags_win_over_both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.toml");
        fs::write(
            &file,
            "[shop]\nname = \"File\"\ncurrency = \"EUR\"\n[limits]\nconnections = 7\n",
        )
        .unwrap();
        let mut sources = Sources {
            file: Some(file),
            environment: vec![("BODEGA__SHOP__NAME".into(), "Environment".into())],
            flags: Vec::new(),
        };
        sources.set("limits.connections", 9);
        let settings = load(&sources, &MODULES).unwrap().settings;
        assert_eq!(settings.shop.name, "Environment");
        assert_eq!(settings.shop.currency.to_string(), "EUR");
        assert_eq!(settings.limits.connections, 9);
    }

    #[test]
    fn lists_numbers_and_truth_come_from_the_environment_too() {
        let settings = with(&[
            ("BODEGA__RUN", "gateway, user"),
            ("BODEGA__UPSTREAM__PRODUCT", "http://a:8081,http://b:8081"),
            ("BODEGA__CORS__ORIGINS", ""),
            ("BODEGA__DATABASE__CONNECTIONS", "3"),
            ("BODEGA__LIMITS__ENABLED", "false"),
            ("BODEGA__SHOP__NAME", "1e5"),
            ("BODEGA__DATABASE__ORDER__URL", "postgres://orders"),
        ])
        .unwrap()
        .settings;
        assert_eq!(settings.run, ["gateway", "user"]);
        assert_eq!(settings.upstream["product"], ["http://a:8081", "http://b:8081"]);
        assert!(settings.cors.origins.is_empty());
        assert_eq!(settings.database.connections, 3);
        assert!(!settings.limits.enabled);
        assert_eq!(settings.shop.name, "1e5");
        assert!(settings.database.order.is_some());
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it_its_place_and_what_there_is() {
        let error = complaint(with(&[("BODEGA__SERVER__PUBLICK", "x")]));
        assert!(
            error.starts_with("BODEGA__SERVER__PUBLICK: there is no setting `server.publick`"),
            "{error}"
        );
        assert!(error.contains("management, public"), "{error}");
        let error = complaint(with_file("[shop]\ncurency = \"EUR\"\n"));
        assert!(
            error.contains(
                "shop.toml: there is no setting `shop.curency`; [shop] has currencies, currency, locale, locales, name"
            ),
            "{error}"
        );
        assert!(complaint(with_file("[shopp]\nname = \"x\"\n")).contains("shopp.name"));
        assert!(complaint(with(&[("BODEGA__RUNS", "x")])).contains("there is run"));
        assert!(complaint(with(&[("BODEGA__UPSTREAM__SHIPPING", "x")])).contains("upstream.shipping"));
    }

    #[test]
    fn a_value_of_another_kind_is_an_error_that_names_its_key() {
        let number = complaint(with(&[("BODEGA__SERVER__WORKERS", "many")]));
        assert_eq!(number, "BODEGA__SERVER__WORKERS: server.workers must be a whole number");
        assert!(complaint(with_file("[server]\nworkers = \"2\"\n")).contains("server.workers must be a whole number"));
        for (key, value) in [
            ("BODEGA__ORDER__LEASE", "30"),
            ("BODEGA__SHOP__CURRENCY", "EURO"),
            ("BODEGA__SHOP__LOCALE", "de_DE"),
            ("BODEGA__SHOP__LOCALES", "en,deutsch"),
            ("BODEGA__MAIL__FROM", "nobody"),
            ("BODEGA__LIMITS__CONNECTIONS", "-1"),
            ("BODEGA__LOG__FORMAT", "xml"),
            ("BODEGA__MEDIA__STORE", "ftp"),
            ("BODEGA__SERVER__DRAIN_TIMEOUT", "60s"),
            ("BODEGA__RUN", "gateway,shipping"),
        ] {
            let error = complaint(with(&[(key, value)]));
            let name = key_of(key);
            assert!(error.contains(&name), "{error}");
        }
        assert!(complaint(with_file("[server\n")).contains("shop.toml"));
    }

    #[test]
    fn a_shop_speaks_its_own_language_and_each_once() {
        let locales = |locales: &str| with(&[("BODEGA__SHOP__LOCALE", "de"), ("BODEGA__SHOP__LOCALES", locales)]);
        let told = locales("de,pt-br").unwrap().settings.shop.locales;
        assert_eq!(
            told.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["de", "pt-BR"]
        );
        assert!(locales("").is_ok());
        let error = complaint(locales("en,fr"));
        assert_eq!(error, "shop.locales: `de`, which is shop.locale, must be among them");
        assert_eq!(complaint(locales("de,fr,FR")), "shop.locales: `fr` comes twice");
    }

    #[test]
    fn a_secret_can_come_from_a_file_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        fs::write(&file, "postgres://canary@db/shop\n").unwrap();
        let loaded = with(&[
            ("BODEGA__DATABASE__URL_FILE", file.to_str().unwrap()),
            ("BODEGA__KEYS__SECRET", "canary"),
            ("BODEGA__CART__REDIS_URL", "redis://:canary@cache/1"),
            ("BODEGA__DATABASE__CART__URL", "postgres://canary"),
        ])
        .unwrap();
        use secrecy::ExposeSecret;
        assert_eq!(
            loaded.settings.database.url.expose_secret(),
            "postgres://canary@db/shop"
        );
        let shown = loaded.to_string();
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("[redacted]"), "{shown}");
        assert!(!format!("{:?}", loaded.settings).contains("canary"));
    }

    #[test]
    fn a_bucket_is_complete_where_images_are_and_its_keys_are_in_no_file() {
        let bucket = [
            ("BODEGA__MEDIA__STORE", "s3"),
            ("BODEGA__MEDIA__S3__BUCKET", "images"),
            ("BODEGA__MEDIA__S3__ACCESS_KEY", "canary"),
            ("BODEGA__MEDIA__S3__SECRET_KEY", "canary"),
        ];
        let loaded = with(&bucket).unwrap();
        assert_eq!(loaded.settings.media.store, MediaStore::S3);
        assert!(!loaded.to_string().contains("canary"));
        assert_eq!(
            complaint(with(&bucket[..3])),
            "media.s3.secret_key is needed where media.store is \"s3\""
        );
        let elsewhere = [bucket[0], ("BODEGA__RUN", "gateway,cart")];
        assert!(with(&elsewhere).is_ok());
        let error = complaint(with_file("[media.s3]\nsecret_key = \"canary\"\n"));
        assert!(
            error.ends_with(
                "shop.toml: media.s3.secret_key is taken from the environment alone: \
                 BODEGA__MEDIA__S3__SECRET_KEY, or BODEGA__MEDIA__S3__SECRET_KEY_FILE"
            ),
            "{error}"
        );
    }

    #[test]
    fn the_example_file_can_be_used() {
        with_file(include_str!("../config/shop.example.toml")).unwrap();
    }
}
