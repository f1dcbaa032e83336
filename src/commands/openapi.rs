//! `bodega openapi`: the document, for generators of clients.

use std::process::ExitCode;

use kernel::Clock;
use kernel::settings::Settings;

use crate::modules::{self, Site, StartError};

/// Prints the OpenAPI document of the modules that the settings run.
///
/// # Errors
///
/// Settings that cannot be meant.
pub fn run(settings: Settings) -> Result<ExitCode, StartError> {
    let site = Site::offline(modules::with_siblings_nowhere(settings), Clock::system())?;
    let text = site.document()?;
    super::print(false, &(), || text)?;
    Ok(ExitCode::SUCCESS)
}
