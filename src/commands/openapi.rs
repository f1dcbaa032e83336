//! `bodega openapi`: the document, for generators of clients.

use std::process::ExitCode;

use kernel::Clock;
use kernel::settings::Settings;

use crate::modules::{Site, StartError};

/// Prints the OpenAPI document of the modules that the settings run.
///
/// # Errors
///
/// Settings that cannot be meant.
pub fn run(settings: Settings) -> Result<ExitCode, StartError> {
    let site = Site::offline(settings, Clock::system())?;
    let text = match site.gateway()? {
        Some(gateway) => gateway.document().to_pretty_json(),
        None => site.api().document().to_pretty_json(),
    };
    let text = text.map_err(|error| StartError::Refused(error.to_string()))?;
    super::print(false, &(), || text)?;
    Ok(ExitCode::SUCCESS)
}
