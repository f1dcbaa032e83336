//! `bodega import`: products from a file.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kernel::settings::Settings;

use crate::modules::{self, ImportFormat, Imported, StartError};

/// What to import, and how.
#[derive(Debug)]
pub struct Import {
    /// The file; `-` is standard input.
    pub file: PathBuf,
    /// Its shape.
    pub format: ImportFormat,
    /// Change nothing.
    pub dry_run: bool,
    /// Report as JSON.
    pub json: bool,
}

/// Imports a file and prints what was done. Bad rows are reported and skipped, and make the exit code 1. What was cut short
/// is gone on with when the same file is given again.
///
/// # Errors
///
/// Where the catalogue is not here, the file cannot be read at all, or the database fails.
pub async fn run(settings: Settings, import: Import) -> Result<ExitCode, StartError> {
    modules::require(&settings, "product")?;
    let (source, size) = open(&import.file)?;
    let site = super::open(settings).await?;
    let bar = progress_bar(size);
    let source = BufReader::with_capacity(1 << 16, bar.wrap_read(source));
    let count = {
        let bar = bar.clone();
        move |products: u64| bar.set_message(format!("{products} products"))
    };
    let outcome = site.import(source, import.format, import.dry_run, count).await;
    bar.finish_and_clear();
    site.close().await;
    let report = outcome?;
    super::print(import.json, &report, || told(&report, import.dry_run))?;
    Ok(match report.skipped {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// The file, and its size.
fn open(path: &Path) -> Result<(File, u64), StartError> {
    let is_plain = path.metadata().is_ok_and(|found| found.is_file());
    let opened = match path == Path::new("-") {
        true => kept(io::stdin()),
        false if is_plain => File::open(path),
        false => File::open(path).and_then(kept),
    };
    opened
        .and_then(|file| {
            let size = file.metadata()?.len();
            Ok((file, size))
        })
        .map_err(|error| StartError::Refused(format!("cannot read {}: {error}", path.display())))
}

/// A file of what can be read only once: files are read twice, at first to know them again.
fn kept(mut source: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut source, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// How much of the file has been read, for whoever watches a terminal.
fn progress_bar(size: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent}%, {msg}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr()).with_style(style)
}

fn told(report: &Imported, dry_run: bool) -> String {
    let told = report.errors.iter().map(|error| match error.pointer.as_str() {
        "" => format!("line {}: {}\n", error.line, error.detail),
        pointer => format!("line {}: {pointer}: {}\n", error.line, error.detail),
    });
    let errors: String = told.collect();
    let would = if dry_run { "would be " } else { "" };
    format!(
        "{errors}products: {} {would}created, {} {would}updated, {} unchanged; {} rows skipped",
        report.created, report.updated, report.unchanged, report.skipped
    )
}
