//! Imports of uploaded files, in the background of the process that took the upload.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::time::{Duration, Instant};

use database::{OrRefuse, refuse};
use diesel::PgConnection;
use kernel::Fault;
use kernel::http::{Answer, Call};
use kernel::id::{ImportId, UserId};
use product_api::ProductError;
use tokio::sync::OwnedSemaphorePermit;

use super::{Importer, Service};
use crate::domain::SCHEMA;
use crate::import::{self, ImportError, ImportFormat, ImportJob, ImportReport, Progress};
use crate::queries::imports;

/// How many wrong rows a job shows.
const SHOWN_ERRORS: usize = 1000;
/// An import of at most so many products ends when they can be found.
const AWAITED: usize = 1_000;
/// How often a job says that it lives: well within its lease.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// A file to import.
pub(crate) struct Upload {
    pub(crate) file: File,
    pub(crate) format: ImportFormat,
    pub(crate) dry_run: bool,
}

impl Service {
    /// Begins an import; the answer comes at once.
    pub(crate) async fn start_import(
        &self,
        upload: Upload,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<ImportJob>, ProductError> {
        let id = ImportId::generate();
        let permit = self.importing.clone().try_acquire_owned().ok();
        let (now, dry_run, is_free) = (self.clock.now(), upload.dry_run, permit.is_some());
        let work = move |connection: &mut PgConnection| {
            if !is_free {
                return refuse(ProductError::Fault(Fault::unavailable("another import is running")));
            }
            imports::start(connection, id.uuid(), dry_run, &actor.to_string(), now)?;
            let job = imports::find(connection, id.uuid())?;
            job.ok_or_else(|| ProductError::NotFound("import".to_owned()))
                .or_refuse()
        };
        let answer = self.db.once(SCHEMA, call, 202, now, work).await?;
        if let (Answer::Fresh(job), Some(permit)) = (&answer, permit) {
            let (service, id) = (self.clone(), job.id);
            // A thread of its own: the runtime's threads for blocking work are few, and requests need them.
            let work = move || service.run_import(id, upload, actor, permit);
            let spawned = std::thread::Builder::new().name("import".to_owned()).spawn(work);
            spawned.map_err(|error| Fault::unavailable(format!("no thread for an import: {error}")))?;
        }
        Ok(answer)
    }

    /// A background import.
    pub(crate) async fn find_import(&self, id: ImportId) -> Result<ImportJob, ProductError> {
        let missing = || ProductError::NotFound("import".to_owned());
        let work =
            move |connection: &mut PgConnection| imports::find(connection, id.uuid())?.ok_or_else(missing).or_refuse();
        self.db.run(work).await
    }

    /// Imports a file on the calling thread, over a connection of its own.
    pub(crate) fn import(
        &self,
        source: Box<dyn std::io::BufRead + Send>,
        format: ImportFormat,
        dry_run: bool,
        actor: String,
        progress: impl FnMut(Progress),
    ) -> Result<ImportReport, ImportError> {
        let products = import::read(source, format, self.currency)?;
        let connection = self.patient_connection()?;
        let importer = Importer::new(connection, self.clock().clone(), self.currency, dry_run, actor);
        let mut progress = progress;
        let imported = importer.run(products, |now| {
            self.outdate();
            progress(now);
        });
        self.outdate();
        let imported = imported?;
        // More than that is followed by its events, which takes longer than anybody should wait.
        if imported.changed.len() <= AWAITED {
            self.search.settle_blocking(imported.changed);
        }
        Ok(imported.report)
    }

    fn run_import(&self, id: ImportId, upload: Upload, actor: UserId, permit: OwnedSemaphorePermit) {
        let outcome = self.import_with_heartbeat(id, upload, actor);
        let (errors, failure) = match outcome {
            Ok(report) => (report.skipped, None),
            Err(error) => (Vec::new(), Some(told(&error))),
        };
        let shown = &errors[..errors.len().min(SHOWN_ERRORS)];
        let mut connection = match self.patient_connection() {
            Ok(connection) => connection,
            // The lease runs out, and the job then shows as failed.
            Err(error) => return tracing::error!(import = %id, %error, "the end of an import could not be noted"),
        };
        if let Err(error) = imports::finish(&mut connection, id.uuid(), shown, failure, self.clock.now()) {
            tracing::error!(import = %id, %error, "the end of an import could not be noted");
        }
        drop(permit);
    }

    fn import_with_heartbeat(
        &self,
        id: ImportId,
        mut upload: Upload,
        actor: UserId,
    ) -> Result<ImportReport, ImportError> {
        upload.file.rewind()?;
        let mut connection = self.patient_connection()?;
        let mut last: Option<Instant> = None;
        let source = Box::new(BufReader::new(upload.file));
        let mut latest = Progress::default();
        let mut beat = |now: &Progress| {
            if let Err(error) = imports::progress(&mut connection, id.uuid(), now) {
                tracing::warn!(import = %id, %error, "the progress of an import could not be noted");
            }
        };
        let report = self.import(source, upload.format, upload.dry_run, actor.to_string(), |now| {
            latest = now;
            if last.is_none_or(|last| last.elapsed() >= HEARTBEAT) {
                beat(&now);
                last = Some(Instant::now());
            }
        });
        if let Ok(report) = &report {
            latest.skipped = report.skipped.len() as u64;
        }
        beat(&latest);
        report
    }
}

/// What staff are told of a failure: technical details stay in the log.
fn told(error: &ImportError) -> String {
    match error {
        ImportError::Fault(fault) => {
            tracing::error!(%fault, "an import failed");
            "something went wrong on our side; what was imported until then stays".to_owned()
        }
        other => other.to_string(),
    }
}
