//! `bodega user`: accounts, for whoever has access to the machine. There is no account and no password by default.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kernel::keys::random_bytes;
use kernel::settings::Settings;
use kernel::text::Email;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::modules::{self, StartError};

/// The longest text that is read for a password, in bytes; the module has its own, shorter limit.
const LONGEST_INPUT: u64 = 4096;

/// Makes an administrator. The password is generated and printed, or asked for on a terminal, or read from stdin.
///
/// # Errors
///
/// Where the address or the password will not do, or the database fails.
pub async fn create_admin(settings: Settings, email: &str, generate: bool, json: bool) -> Result<ExitCode, StartError> {
    modules::require(&settings, "user")?;
    let address = Email::parse(email).map_err(|error| StartError::Refused(format!("{email}: {error}")))?;
    let password = match generate {
        true => URL_SAFE_NO_PAD.encode(random_bytes(18)).into(),
        false => ask_password().map_err(StartError::Refused)?,
    };
    let site = super::open(settings).await?;
    let outcome = site.create_admin(address, password.clone()).await;
    site.close().await;
    let user = outcome?;
    let shown = generate.then(|| password.expose_secret());
    let value = json!({"id": user, "email": email, "password": shown});
    super::print(json, &value, || {
        let made = format!("{email} may do everything now ({user})");
        shown.map_or(made.clone(), |password| format!("{made}\npassword: {password}"))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn ask_password() -> Result<SecretString, String> {
    if !io::stdin().is_terminal() {
        let mut text = String::new();
        let read = io::stdin().lock().take(LONGEST_INPUT).read_to_string(&mut text);
        read.map_err(|error| format!("cannot read the password from standard input: {error}"))?;
        return Ok(text.trim_end_matches(['\r', '\n']).into());
    }
    let ask = |prompt| {
        eprint!("{prompt}: ");
        console::Term::stderr()
            .read_secure_line()
            .map_err(|error| format!("cannot read the password: {error}"))
    };
    let password = ask("Password")?;
    match password == ask("Once more")? {
        true => Ok(password.into()),
        false => Err("the two are not the same".to_owned()),
    }
}
