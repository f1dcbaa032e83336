//! Imports of uploaded files, and exports, as the API shows them.

use chrono::{DateTime, Utc};
use kernel::id::{ExportId, ImportId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ExportFormat;

/// An import that runs in the background.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImportJob {
    pub(crate) id: ImportId,
    pub(crate) state: JobState,
    pub(crate) dry_run: bool,
    /// How large the file is, as it was uploaded.
    pub(crate) bytes_total: u64,
    /// How much of it has been read.
    pub(crate) bytes_done: u64,
    /// How many rows have been seen to: the sum of the four that follow. A row is a product, whose lines may be many.
    pub(crate) rows_done: u64,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    /// How many rows were wrong, and left out.
    pub(crate) skipped: u64,
    /// How many mistakes they had; `errors` of the import lists the first ten thousand.
    pub(crate) errors_total: u64,
    /// Why it has failed. What was imported until then stays.
    pub(crate) failure: Option<JobFailure>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// An export that runs in the background.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ExportJob {
    pub(crate) id: ExportId,
    pub(crate) state: JobState,
    pub(crate) format: ExportFormat,
    /// How many products there were when it began, `null` before; once it has succeeded, how many are in the file.
    pub(crate) products_total: Option<u64>,
    /// How many of them are in the file.
    pub(crate) products_done: u64,
    /// How large the file is so far, as it is downloaded.
    pub(crate) bytes: u64,
    /// Why it has failed.
    pub(crate) failure: Option<JobFailure>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// The file is kept for seven days from then on.
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// Why a background job has failed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobFailure {
    /// Stable and machine-readable, e.g. `unsupported_encoding`.
    pub(crate) code: String,
    /// For people.
    pub(crate) detail: String,
}

/// How far a background job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    /// Others go first.
    Queued,
    /// It goes on by itself, also where the process that is at it dies; one of the command line does when the same file is
    /// given again.
    Running,
    Succeeded,
    Failed,
    /// Somebody has cancelled it. What was imported until then stays.
    Cancelled,
}

impl JobState {
    /// The state of a name; the database has no others.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "succeeded" => Self::Succeeded,
            "cancelled" => Self::Cancelled,
            _ => Self::Failed,
        }
    }
}

impl JobFailure {
    /// The failure that the database has, if it has one.
    pub(crate) fn stored(code: Option<String>, detail: Option<String>) -> Option<Self> {
        let detail = detail.unwrap_or_default();
        code.map(|code| Self { code, detail })
    }
}
