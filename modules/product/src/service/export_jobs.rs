//! Exports that are made in the background, as staff ask for, see, download and remove them.

use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::Fault;
use kernel::http::{Answer, Call};
use kernel::id::ExportId;
use kernel::page::Page;
use product_api::ProductError;
use uuid::Uuid;

use super::Service;
use super::exporting::{TRIES, file_failure};
use crate::domain::SCHEMA;
use crate::import::{ExportFormat, ExportJob, JobState, unpack};
use crate::queries::exports;

/// How many exports may wait or run.
const MOST: i64 = 5;
/// What cursors of the list of exports are made for.
const LIST: &str = "exports";

impl Service {
    /// Puts an export at the end of the queue.
    pub(crate) async fn start_export(
        &self,
        format: ExportFormat,
        call: Option<Call>,
    ) -> Result<Answer<ExportJob>, ProductError> {
        let (id, now) = (ExportId::generate(), self.clock.now());
        let work = move |connection: &mut PgConnection| {
            if !exports::enqueue(connection, id.uuid(), format, now, MOST)? {
                let detail = format!("{MOST} exports wait already");
                return refuse(ProductError::Fault(Fault::unavailable(detail)));
            }
            find(connection, id)
        };
        let answer = self.db.once(SCHEMA, call, 202, now, work).await?;
        self.export_asked.wake();
        Ok(answer)
    }

    /// A background export.
    pub(crate) async fn find_export(&self, id: ExportId) -> Result<ExportJob, ProductError> {
        self.db.run(move |connection| find(connection, id)).await
    }

    /// A page of exports, the newest first.
    pub(crate) async fn list_exports(
        &self,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<ExportJob>, ProductError> {
        let before: Option<Uuid> = self.opened(LIST, cursor)?;
        let work = move |connection: &mut PgConnection| Ok(exports::list(connection, before, limit + 1)?);
        let rows = self.db.run(work).await.map_err(ProductError::Fault)?;
        let cursor = |job: &ExportJob| self.cursors.seal(LIST, &job.id.uuid());
        Ok(Page::from_surplus(rows, limit, cursor))
    }

    /// Removes an export with its file; one that is not finished is given up.
    pub(crate) async fn delete_export(&self, id: ExportId) -> Result<(), ProductError> {
        let work = move |connection: &mut PgConnection| match exports::delete(connection, id.uuid())? {
            true => Ok(()),
            false => refuse(missing()),
        };
        self.db.run(work).await
    }

    /// An export whose file can be downloaded.
    pub(crate) async fn find_exported(&self, id: ExportId) -> Result<ExportJob, ProductError> {
        let job = self.find_export(id).await?;
        match job.state {
            JobState::Succeeded => Ok(job),
            JobState::Queued | JobState::Running => Err(ProductError::Unfinished("export".to_owned())),
            JobState::Failed | JobState::Cancelled => Err(ProductError::NotFound("file".to_owned())),
        }
    }

    /// What a file has from its byte `position` on, as far as its piece goes.
    pub(crate) async fn exported_from(&self, id: ExportId, position: u64) -> Result<Vec<u8>, Fault> {
        let read = move |connection: &mut PgConnection| {
            let position = i64::try_from(position).unwrap_or(i64::MAX);
            let Some(chunk) = exports::chunk(connection, id.uuid(), position)? else {
                return Ok(Vec::new());
            };
            let mut text = unpack(&chunk.bytes).map_err(file_failure)?;
            let before = usize::try_from(position - chunk.start).unwrap_or(usize::MAX);
            text.drain(..before.min(text.len()));
            Ok(text)
        };
        match self.read_patiently(TRIES, read).await? {
            text if text.is_empty() => Err(Fault::unavailable("somebody has removed the file")),
            text => Ok(text),
        }
    }
}

fn find(connection: &mut PgConnection, id: ExportId) -> Result<ExportJob, Failure<ProductError>> {
    exports::find(connection, id.uuid())?.ok_or_else(missing).or_refuse()
}

fn missing() -> ProductError {
    ProductError::NotFound("export".to_owned())
}
