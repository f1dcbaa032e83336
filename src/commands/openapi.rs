//! `bodega openapi`: the document, for generators of clients.

use std::process::ExitCode;

use kernel::Clock;
use kernel::settings::Settings;

use crate::modules::{Site, StartError};

/// Prints the OpenAPI document of the modules that the settings run.
///
/// # Errors
///
/// Where no gateway runs, which is who documents the API.
pub fn run(settings: Settings) -> Result<ExitCode, StartError> {
    let site = Site::offline(settings, Clock::system())?;
    let gateway = site.gateway()?;
    let gateway = gateway.ok_or_else(|| StartError::Refused("the gateway does not run in this process".to_owned()))?;
    let text = gateway.document().to_pretty_json();
    let text = text.map_err(|error| StartError::Refused(error.to_string()))?;
    super::print(false, &(), || text)?;
    Ok(ExitCode::SUCCESS)
}
