//! `bodega config`: looks at the settings without starting anything.

use std::process::ExitCode;

use kernel::Clock;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::keys;
use crate::modules::{self, Site, StartError};
use crate::settings::Loaded;

/// Says that the settings can be used; whatever is wrong with them has been said by then, or is said here about siblings
/// and keys.
///
/// # Errors
///
/// Where nobody has said where a sibling is, or keys are missing or cannot be used.
pub fn check(loaded: &Loaded, json: bool) -> Result<ExitCode, StartError> {
    let settings = &loaded.settings;
    Site::offline(settings.clone(), Clock::system())?.gateway()?;
    let made = settings
        .run
        .iter()
        .any(|module| module != "gateway" && settings.database.url_of(module).expose_secret().is_empty());
    // Those that a start would make are left out.
    let given = [
        (&settings.keys.token, &settings.keys.token_file),
        (&settings.keys.service, &settings.keys.service_file),
        (&settings.keys.secret, &settings.keys.secret_file),
    ];
    let all_given = given
        .iter()
        .all(|(value, file)| !value.expose_secret().is_empty() || !file.as_os_str().is_empty());
    if all_given || !made {
        keys::load(&settings.keys, modules::needed_keys(settings), None)?;
    }
    super::print(json, &json!({"ok": true}), || "the settings can be used".to_owned())?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the settings in force.
///
/// # Errors
///
/// Where nothing can be written.
pub fn print(loaded: &Loaded, json: bool) -> Result<ExitCode, StartError> {
    super::print(json, &loaded.shown, || loaded.to_string())?;
    Ok(ExitCode::SUCCESS)
}
