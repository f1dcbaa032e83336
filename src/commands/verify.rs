//! `bodega verify`: are the books in order?

use std::process::ExitCode;

use kernel::settings::Settings;
use serde_json::{Value, json};

use crate::modules::{self, StartError};

/// Prints what is wrong in the data of any module; the exit code is 1 where there is something.
///
/// # Errors
///
/// Where the database cannot be read.
pub async fn run(settings: Settings, json: bool) -> Result<ExitCode, StartError> {
    modules::require_books(&settings)?;
    let site = super::open(settings).await?;
    let outcome = site.verify().await;
    site.close().await;
    let findings = outcome?;
    let told = findings.iter().map(|(module, finding)| {
        json!({"module": module, "rule": finding.rule, "subject": finding.subject, "detail": finding.detail})
    });
    let value = json!({"findings": told.collect::<Value>()});
    super::print(json, &value, || match findings.is_empty() {
        true => "the books are in order".to_owned(),
        false => {
            let line = |(module, finding): &(&str, kernel::module::Finding)| {
                format!("{module}: {}: {}: {}", finding.rule, finding.subject, finding.detail)
            };
            findings.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    })?;
    Ok(match findings.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
