//! `bodega export`: the catalogue as a file, in a shape that `bodega import` takes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use kernel::settings::Settings;

use crate::modules::{self, ExportFormat, StartError};

/// Writes the catalogue to a file, or to stdout.
///
/// # Errors
///
/// Where the catalogue is not here, the database fails or nothing more can be written.
pub async fn run(settings: Settings, file: Option<PathBuf>, format: ExportFormat) -> Result<ExitCode, StartError> {
    modules::require(&settings, "product")?;
    let target: Box<dyn Write + Send> = match &file {
        Some(path) => {
            let file = File::create(path);
            let file =
                file.map_err(|error| StartError::Refused(format!("cannot write {}: {error}", path.display())))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(io::stdout())),
    };
    let site = super::open(settings).await?;
    let outcome = site.export(format, target).await;
    site.close().await;
    let count = outcome?;
    eprintln!("{count} products");
    Ok(ExitCode::SUCCESS)
}
