//! `bodega migrate`: its own step, before new code serves.

use std::process::ExitCode;

use kernel::Clock;
use kernel::settings::Settings;
use serde_json::json;

use crate::modules::{self, Site, StartError};

/// Runs what is pending and prints what ran; nothing to do is fine too.
///
/// # Errors
///
/// Where the database cannot be reached or a migration fails.
pub async fn run(settings: Settings, json: bool) -> Result<ExitCode, StartError> {
    modules::require_books(&settings)?;
    let site = Site::open(settings, Clock::system()).await?;
    let outcome = site.migrate().await;
    site.close().await;
    let ran = outcome?;
    super::print(json, &json!({"ran": ran}), || match ran.is_empty() {
        true => "the database is up to date".to_owned(),
        false => ran.join("\n"),
    })?;
    Ok(ExitCode::SUCCESS)
}
