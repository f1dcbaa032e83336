//! Imports of uploaded files, as staff begin, see and cancel them.

use std::fs::File;
use std::io::{self, Read, Seek};

use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::Fault;
use kernel::http::{Answer, Call};
use kernel::id::{ImportId, UserId};
use kernel::page::Page;
use product_api::ProductError;
use uuid::Uuid;

use super::Service;
use crate::domain::SCHEMA;
use crate::import::{ImportFormat, ImportJob, RowError};
use crate::queries::imports::{self, NewImport};

/// How many imports may wait or run.
const MOST: i64 = 20;
/// Files are kept in pieces of this many bytes, a few of which are written at a time.
const CHUNK: usize = 1 << 18;
const CHUNKS: usize = 16;
/// What cursors of the list of imports are made for.
const LIST: &str = "imports";

/// A file to import.
pub(crate) struct Upload {
    pub(crate) file: File,
    pub(crate) format: ImportFormat,
    pub(crate) dry_run: bool,
}

impl Service {
    /// Keeps a file and puts its import at the end of the queue.
    pub(crate) async fn start_import(
        &self,
        upload: Upload,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<ImportJob>, ProductError> {
        let id = ImportId::generate();
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            let mut upload = upload;
            let size = upload.file.seek(io::SeekFrom::End(0)).map_err(unreadable)?;
            let new = NewImport {
                id: id.uuid(),
                format: upload.format,
                dry_run: upload.dry_run,
                actor: actor.to_string(),
                bytes: i64::try_from(size).unwrap_or(i64::MAX),
                now,
            };
            if !imports::enqueue(connection, new, MOST)? {
                let detail = format!("{MOST} imports wait already");
                return refuse(ProductError::Fault(Fault::unavailable(detail)));
            }
            store(connection, id.uuid(), &mut upload.file)?;
            find(connection, id)
        };
        let answer = self.db.once(SCHEMA, call, 202, now, work).await?;
        self.uploaded.wake();
        Ok(answer)
    }

    /// A background import.
    pub(crate) async fn find_import(&self, id: ImportId) -> Result<ImportJob, ProductError> {
        self.db.run(move |connection| find(connection, id)).await
    }

    /// A page of imports, the newest first.
    pub(crate) async fn list_imports(
        &self,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<ImportJob>, ProductError> {
        let before: Option<Uuid> = self.opened(LIST, cursor)?;
        let work = move |connection: &mut PgConnection| Ok(imports::list(connection, before, limit + 1)?);
        let rows = self.db.run(work).await.map_err(ProductError::Fault)?;
        let cursor = |job: &ImportJob| self.cursors.seal(LIST, &job.id.uuid());
        Ok(Page::from_surplus(rows, limit, cursor))
    }

    /// A page of what was wrong with rows of an import, in the order in which it was found.
    pub(crate) async fn list_import_errors(
        &self,
        id: ImportId,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<RowError>, ProductError> {
        let list = format!("imports/{id}/errors");
        let after: Option<i64> = self.opened(&list, cursor)?;
        let work = move |connection: &mut PgConnection| {
            find(connection, id)?;
            Ok(imports::errors(connection, id.uuid(), after.unwrap_or(0), limit + 1)?)
        };
        let rows: Result<_, ProductError> = self.db.run(work).await;
        let page = Page::from_surplus(rows?, limit, |(number, _)| self.cursors.seal(&list, number));
        Ok(page.map(|(_, error)| error))
    }

    /// Cancels an import. What was imported until then stays, and nothing is added from here on.
    pub(crate) async fn cancel_import(
        &self,
        id: ImportId,
        call: Option<Call>,
    ) -> Result<Answer<ImportJob>, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            if !imports::cancel(connection, id.uuid(), now)? {
                find(connection, id)?;
                return refuse(ProductError::Ended("import".to_owned()));
            }
            find(connection, id)
        };
        self.db.once(SCHEMA, call, 200, now, work).await
    }
}

fn find(connection: &mut PgConnection, id: ImportId) -> Result<ImportJob, Failure<ProductError>> {
    let missing = || ProductError::NotFound("import".to_owned());
    imports::find(connection, id.uuid())?.ok_or_else(missing).or_refuse()
}

/// Copies a file into the database, a few pieces at a time.
fn store(connection: &mut PgConnection, id: Uuid, file: &mut File) -> Result<(), Failure<ProductError>> {
    file.rewind().map_err(unreadable)?;
    let mut number = 0;
    loop {
        let mut chunks = Vec::with_capacity(CHUNKS);
        while chunks.len() < CHUNKS {
            let mut chunk = Vec::with_capacity(CHUNK);
            let limit = u64::try_from(CHUNK).unwrap_or(u64::MAX);
            file.by_ref().take(limit).read_to_end(&mut chunk).map_err(unreadable)?;
            if chunk.is_empty() {
                break;
            }
            chunks.push(chunk);
        }
        let count = chunks.len();
        if count > 0 {
            imports::store_chunks(connection, id, number, chunks)?;
        }
        if count < CHUNKS {
            return Ok(());
        }
        number += i32::try_from(count).unwrap_or(0);
    }
}

fn unreadable(error: io::Error) -> Failure<ProductError> {
    Failure::Refused(ProductError::Fault(Fault::internal(format!("upload: {error}"))))
}
