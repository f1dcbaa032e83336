//! Imports of files that the command line reads. Their progress is noted as that of uploaded files is, so that whoever gives
//! the same file again goes on where an import was cut short.

use std::io::{self, BufRead, Seek};

use kernel::id::ImportId;
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3Default;

use super::Service;
use super::import_worker::{RETENTION, Running};
use crate::import::{ImportError, ImportFormat, ImportReport, MAX_ERRORS, Progress};
use crate::queries::import_work::{self, Claim};
use crate::queries::imports::{self, NewImport};
use crate::search::Changes;

impl Service {
    /// Imports a file on the calling thread, over connections of its own. Where an import of the same file was cut short,
    /// it goes on with that; a process that should still be at it loses it.
    pub(crate) fn import(
        &self,
        mut source: impl BufRead + Seek + Send + 'static,
        format: ImportFormat,
        dry_run: bool,
        actor: String,
        progress: impl FnMut(Progress),
    ) -> Result<ImportReport, ImportError> {
        let (checksum, bytes) = checksum(&mut source)?;
        source.rewind()?;
        let new = NewImport {
            id: ImportId::generate().uuid(),
            format,
            dry_run,
            actor,
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            now: self.clock.now(),
        };
        let claim = self.claim_file(new, checksum)?;
        let imported = self
            .open_import(&claim, source)
            .and_then(|running| self.import_to_the_end(&claim, running, progress));
        if let Err(error) = &imported {
            self.end_import(&claim, Some(error))?;
        }
        imported
    }

    fn claim_file(&self, new: NewImport, checksum: Uuid) -> Result<Claim, ImportError> {
        let mut connection = self.patient_connection()?;
        let claim = imports::prune(&mut connection, new.now - RETENTION)
            .and_then(|()| import_work::claim_file(&mut connection, new, checksum))
            .map_err(|error| database::failure::fault_of(&error))?;
        if claim.progress.rows > 0 {
            tracing::info!(
                rows = claim.progress.rows,
                "the import of this file goes on where it was cut short"
            );
        }
        Ok(claim)
    }

    fn import_to_the_end(
        &self,
        claim: &Claim,
        mut running: Running,
        mut progress: impl FnMut(Progress),
    ) -> Result<ImportReport, ImportError> {
        let mut more = true;
        while more {
            let step = running.importer.step(&mut running.products);
            self.outdate();
            progress(running.importer.progress());
            more = step?;
        }
        let importer = running.importer;
        self.search
            .settle_blocking(Changes::of_products(importer.changed().iter().copied()));
        if !self.finish_import(claim, None)? {
            return Err(ImportError::Interrupted);
        }
        let report = self.report(claim, importer.progress())?;
        importer.tidy();
        Ok(report)
    }

    fn report(&self, claim: &Claim, done: Progress) -> Result<ImportReport, ImportError> {
        let most = i64::try_from(MAX_ERRORS).unwrap_or(i64::MAX);
        let errors = imports::errors(&mut self.patient_connection()?, claim.id, 0, most)
            .map_err(|error| database::failure::fault_of(&error))?;
        let mut errors: Vec<_> = errors.into_iter().map(|(_, error)| error).collect();
        errors.sort_by_key(|error| error.line);
        Ok(ImportReport {
            created: done.created,
            updated: done.updated,
            unchanged: done.unchanged,
            skipped: done.skipped,
            errors,
        })
    }
}

/// What a file is known by, and how many bytes it has.
fn checksum(source: &mut impl BufRead) -> io::Result<(Uuid, u64)> {
    let (mut hasher, mut bytes) = (Xxh3Default::new(), 0);
    loop {
        let read = source.fill_buf()?;
        if read.is_empty() {
            return Ok((Uuid::from_u128(hasher.digest128()), bytes));
        }
        hasher.update(read);
        let count = read.len();
        bytes += count as u64;
        source.consume(count);
    }
}
