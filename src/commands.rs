//! One file per command.

pub mod config;
pub mod export;
pub mod health;
pub mod import;
pub mod migrate;
pub mod openapi;
pub mod serve;
pub mod user;
pub mod verify;

use std::io::{self, Write};

use kernel::Clock;
use kernel::settings::Settings;
use serde::Serialize;

use crate::modules::{Site, StartError};

/// The modules, for a command that needs them and an up-to-date database.
async fn open(settings: Settings) -> Result<Site, StartError> {
    let site = Site::open(settings, Clock::system()).await?;
    match site.prepare_for_command().await {
        Ok(()) => Ok(site),
        Err(error) => {
            site.close().await;
            Err(error)
        }
    }
}

/// Prints a result: as JSON for machines, else the lines of `text`.
fn print(json: bool, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), StartError> {
    let text = match json {
        true => serde_json::to_string(value).map_err(|error| StartError::Refused(error.to_string()))?,
        false => text(),
    };
    let mut stdout = io::stdout().lock();
    let written = match text.is_empty() {
        true => Ok(()),
        false => writeln!(stdout, "{text}"),
    };
    match written.and_then(|()| stdout.flush()) {
        // Whoever read along has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(StartError::Refused(format!("cannot write the result: {error}"))),
        Ok(()) => Ok(()),
    }
}
