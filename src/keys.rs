//! The keys of this process: given by the settings, or made once and kept beside the embedded database.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::Clock;
use kernel::keys::{KeyError, Keys, SecretKey};
use kernel::settings::KeySettings;
use kernel::token::TokenSigner;
use secrecy::{ExposeSecret, SecretString};

/// A key that is needed cannot be had. Names the setting and never the value.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// There is none, and none is made beside a database of the shop's own.
    #[error(
        "keys.{0} is not set: with a database of your own all processes of a shop share keys of your own; \
         `bodega config print` shows how each is given"
    )]
    Missing(&'static str),
    /// Both the key and a file were given.
    #[error("keys.{0} and keys.{0}_file are both set; leave one empty")]
    Twice(&'static str),
    /// It cannot be used.
    #[error("keys.{name} {reason}")]
    Unusable {
        /// Which key.
        name: &'static str,
        /// Why not.
        reason: KeyError,
    },
    /// Everybody on the machine can read it.
    #[error("keys.{name}: {} can be read by everybody on this machine: `chmod o= {}`", path.display(), path.display())]
    Exposed {
        /// Which key.
        name: &'static str,
        /// Its file.
        path: PathBuf,
    },
    /// Its file cannot be read or made.
    #[error("keys.{name}: {}: {source}", path.display())]
    File {
        /// Which key.
        name: &'static str,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One key for two purposes.
    #[error("keys.service and keys.secret are the same; each purpose needs a key of its own")]
    Shared,
}

/// Which keys a process needs, by what it runs.
#[derive(Clone, Copy, Debug)]
pub struct Needed {
    /// `keys.token`: where the user module runs.
    pub token: bool,
    /// `keys.service`: where anything of the shop runs elsewhere.
    pub service: bool,
    /// `keys.secret`: where any module runs.
    pub secret: bool,
}

/// The keys that are `needed`, from the settings. Those that are not given there are made under `keys` in the data directory
/// `beside` the embedded database, where there is one. What is not needed is not even read, so that one file of settings
/// serves every process of a shop, and each sees the keys that it has a use for.
///
/// # Errors
///
/// See [`KeysError`].
pub fn load(settings: &KeySettings, needed: Needed, beside: Option<&Path>) -> Result<Keys, KeysError> {
    let given_or_kept = |name, value, file, make: fn() -> SecretString| match (find(name, value, file)?, beside) {
        (Some(text), _) => Ok(text),
        (None, Some(data_dir)) => kept(name, &data_dir.join("keys"), make),
        (None, None) => Err(KeysError::Missing(name)),
    };
    let token = match needed.token {
        true => given_or_kept(
            "token",
            &settings.token,
            &settings.token_file,
            TokenSigner::generate_key,
        )?,
        false => TokenSigner::generate_key(),
    };
    let token_other = match needed.token {
        true => find("token_other", &settings.token_other, &settings.token_other_file)?,
        false => None,
    };
    let service = match needed.service {
        true => given_or_kept("service", &settings.service, &settings.service_file, make_symmetric)?,
        false => make_symmetric(),
    };
    let secret = match needed.secret {
        true => given_or_kept("secret", &settings.secret, &settings.secret_file, make_symmetric)?,
        false => make_symmetric(),
    };
    check_token("token", &token)?;
    if let Some(other) = &token_other {
        check_token("token_other", other)?;
    }
    let keys = Keys {
        token: Arc::new(token),
        token_other: token_other.map(Arc::new),
        service: parse("service", &service)?,
        secret: parse("secret", &secret)?,
    };
    match keys.service.encode() == keys.secret.encode() {
        true => Err(KeysError::Shared),
        false => Ok(keys),
    }
}

fn check_token(name: &'static str, pem: &SecretString) -> Result<(), KeysError> {
    let signer = TokenSigner::new(pem, Clock::system());
    signer.map(drop).map_err(|reason| KeysError::Unusable { name, reason })
}

/// Keys for a process that serves nobody.
pub fn ephemeral() -> Keys {
    Keys {
        token: Arc::new(TokenSigner::generate_key()),
        token_other: None,
        service: SecretKey::generate(),
        secret: SecretKey::generate(),
    }
}

fn parse(name: &'static str, text: &SecretString) -> Result<SecretKey, KeysError> {
    SecretKey::parse(text.expose_secret()).map_err(|reason| KeysError::Unusable { name, reason })
}

fn make_symmetric() -> SecretString {
    SecretKey::generate().encode().into()
}

/// The key as the settings give it, directly or by a file.
fn find(name: &'static str, value: &SecretString, file: &Path) -> Result<Option<SecretString>, KeysError> {
    match (value.expose_secret().is_empty(), file.as_os_str().is_empty()) {
        (true, true) => Ok(None),
        (false, true) => Ok(Some(value.clone())),
        (true, false) => read(name, file).map(Some),
        (false, false) => Err(KeysError::Twice(name)),
    }
}

fn read(name: &'static str, path: &Path) -> Result<SecretString, KeysError> {
    let failed = |source| KeysError::File {
        name,
        path: path.to_path_buf(),
        source,
    };
    let exposed = fs::metadata(path).map_err(failed)?.mode() & 0o007 != 0;
    if exposed {
        return Err(KeysError::Exposed {
            name,
            path: path.to_path_buf(),
        });
    }
    fs::read_to_string(path).map(SecretString::from).map_err(failed)
}

/// The key in the folder, made when it is not there. Of several processes that make it at once, one prevails.
fn kept(name: &'static str, folder: &Path, make: fn() -> SecretString) -> Result<SecretString, KeysError> {
    let path = folder.join(name);
    if !path.exists() {
        write_once(folder, &path, make().expose_secret()).map_err(|source| KeysError::File {
            name,
            path: path.clone(),
            source,
        })?;
    }
    read(name, &path)
}

/// Writes a file that appears whole or not at all, and that stays as it is where another process was first.
fn write_once(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let unfinished = path.with_extension(std::process::id().to_string());
    // A process of the same number may have been killed here before.
    let _ = fs::remove_file(&unfinished);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::File::open(folder)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn none() -> KeySettings {
        KeySettings {
            token: String::new().into(),
            token_file: PathBuf::new(),
            token_other: String::new().into(),
            token_other_file: PathBuf::new(),
            service: String::new().into(),
            service_file: PathBuf::new(),
            secret: String::new().into(),
            secret_file: PathBuf::new(),
        }
    }

    const ALL: Needed = Needed {
        token: true,
        service: true,
        secret: true,
    };

    fn complaint(settings: &KeySettings, beside: Option<&Path>) -> String {
        load(settings, ALL, beside).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn keys_are_made_once_and_only_for_their_owner_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let first = load(&none(), ALL, Some(folder.path())).unwrap();
        let second = load(&none(), ALL, Some(folder.path())).unwrap();
        assert_eq!(first.token.expose_secret(), second.token.expose_secret());
        assert_eq!(first.secret.encode(), second.secret.encode());
        assert_ne!(first.secret.encode(), first.service.encode());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&folder.path().join("keys")), 0o700);
        for name in ["token", "service", "secret"] {
            assert_eq!(mode(&folder.path().join("keys").join(name)), 0o600);
        }
        assert_eq!(fs::read_dir(folder.path().join("keys")).unwrap().count(), 3);
    }

    #[test]
    fn many_processes_that_make_keys_at_once_end_with_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::thread::scope(|scope| {
            for text in ["one", "two", "three", "four"] {
                let path = path.clone();
                // Each thread stands for a process: its unfinished file has a name of its own.
                scope.spawn(move || {
                    DirBuilder::new().recursive(true).mode(0o700).create(&path).unwrap();
                    let unfinished = path.join(text);
                    fs::write(&unfinished, text).unwrap();
                    let _ = fs::hard_link(&unfinished, path.join("secret"));
                });
            }
        });
        let won = fs::read_to_string(path.join("secret")).unwrap();
        write_once(&path, &path.join("secret"), "late").unwrap();
        assert_eq!(fs::read_to_string(path.join("secret")).unwrap(), won);
    }

    #[test]
    fn without_an_embedded_database_keys_must_be_given() {
        assert!(complaint(&none(), None).starts_with("keys.token is not set"));
    }

    #[test]
    fn a_process_needs_only_the_keys_of_what_it_runs() {
        let gateway = Needed {
            token: false,
            service: true,
            secret: false,
        };
        let service = KeySettings {
            service: SecretKey::generate().encode().into(),
            ..none()
        };
        assert!(load(&service, gateway, None).is_ok());
        // What the same settings say of others' keys need not be there.
        let shared = KeySettings {
            token_file: "/nonexistent/token.pem".into(),
            secret_file: "/nonexistent/secret.key".into(),
            ..service
        };
        assert!(load(&shared, gateway, None).is_ok());
        let error = load(&none(), gateway, None).map(|_| ()).unwrap_err();
        assert!(error.to_string().starts_with("keys.service is not set"));
    }

    #[test]
    fn weak_sample_and_shared_keys_are_refused_by_name_without_their_value() {
        let folder = tempfile::tempdir().unwrap();
        let with = |service: &str, secret: &str| KeySettings {
            service: service.to_owned().into(),
            secret: secret.to_owned().into(),
            ..none()
        };
        let beside = Some(folder.path());
        let good = SecretKey::generate().encode();
        assert_eq!(complaint(&with("changeme!", ""), beside), "keys.service is not base64");
        assert!(complaint(&with("", "c2hvcnQ="), beside).starts_with("keys.secret has fewer than"));
        assert!(complaint(&with("", &"A".repeat(43)), beside).contains("sample"));
        let shared = complaint(&with(&good, &good), beside);
        assert!(shared.contains("are the same") && !shared.contains(&good), "{shared}");
        let token = KeySettings {
            token: "not a key".to_owned().into(),
            ..none()
        };
        assert!(complaint(&token, beside).starts_with("keys.token is not an Ed25519"));
    }

    #[test]
    fn a_file_that_everybody_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.key");
        fs::write(&file, SecretKey::generate().encode()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let settings = KeySettings {
            secret_file: file.clone(),
            ..none()
        };
        assert!(complaint(&settings, Some(folder.path())).contains("can be read by everybody"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        load(&settings, ALL, Some(folder.path())).unwrap();
    }
}
