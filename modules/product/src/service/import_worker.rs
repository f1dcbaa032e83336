//! The work at uploaded files, in whichever process takes it. A process holds an import by a lease; what it has written is
//! noted in the same transaction, so that another one goes on exactly there when it is gone.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::PgConnection;
use kernel::Fault;
use kernel::job::{Job, Round};
use uuid::Uuid;

use super::Service;
use super::importing::{Account, Importer, Manner};
use super::leases::{self, ATTEMPTS, Step, Taken};
use crate::import::{self, ImportError, Products};
use crate::queries::import_work::{self, Claim};
use crate::queries::imports;
use crate::search::Changes;

/// How often a process says that it lives while it writes nothing: well within the lease.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long imports are shown after their end.
pub(super) const RETENTION: TimeDelta = TimeDelta::days(30);

/// A file that this process is at.
pub(super) struct Running {
    claim: Claim,
    pub(super) importer: Importer,
    pub(super) products: Products,
}

impl Service {
    /// The job that imports uploaded files.
    pub(crate) fn import_job(&self) -> Job {
        leases::job(self, "imports", &self.uploaded, |service| {
            let (take, step) = (|| service.take_import(), |running| service.import_further(running));
            leases::work_for_a_while(&service.importing, take, step)
        })
    }

    /// Imports the next rows.
    fn import_further(&self, mut running: Box<Running>) -> Result<Step<Box<Running>>, Fault> {
        let outcome = running.importer.step(&mut running.products);
        self.outdate();
        match outcome {
            Ok(true) => Ok(Step::Further(running)),
            Ok(false) => {
                let Running { claim, importer, .. } = *running;
                self.search
                    .settle_blocking(Changes::of_products(importer.changed().iter().copied()));
                let round = self.end_import(&claim, None)?;
                importer.tidy();
                Ok(Step::Ended(round))
            }
            Err(error) => Ok(Step::Ended(self.end_import(&running.claim, Some(&error))?)),
        }
    }

    fn take_import(&self) -> Result<Taken<Box<Running>>, Fault> {
        let mut connection = self.patient_connection()?;
        let claimed = import_work::claim(&mut connection, Uuid::now_v7(), self.clock.now());
        let Some(claim) = leases::unless_raced(claimed)? else {
            return Ok(Taken::Nothing);
        };
        if claim.attempts > ATTEMPTS {
            self.end_import(&claim, Some(&ImportError::Stuck(ATTEMPTS)))?;
            return Ok(Taken::Ended);
        }
        let chunks = Chunks {
            connection,
            import: claim.id,
            left: claim.bytes,
            next: 0,
            chunk: Vec::new(),
            position: 0,
        };
        match self.open_import(&claim, chunks) {
            Ok(running) => Ok(Taken::Work(Box::new(running))),
            Err(error) => {
                self.end_import(&claim, Some(&error))?;
                Ok(Taken::Ended)
            }
        }
    }

    /// Reads a file to where its import is.
    pub(super) fn open_import(
        &self,
        claim: &Claim,
        source: impl BufRead + Send + 'static,
    ) -> Result<Running, ImportError> {
        let fail = |error| ImportError::Fault(database::failure::fault_of(&error));
        let mut connection = self.patient_connection()?;
        let read = Arc::new(AtomicU64::new(0));
        let source = Counted {
            source,
            read: Arc::clone(&read),
        };
        let mut products = import::read(Box::new(source), claim.format, self.currencies.clone())?;
        let implied = import_work::implied(&mut connection, claim.id).map_err(fail)?;
        let manner = Manner {
            dry_run: claim.dry_run,
            actor: claim.actor.clone(),
            locales: self.locales.clone(),
        };
        let account = Account {
            claim: claim.clone(),
            errors: claim.errors_total,
            read,
        };
        let own = self.patient_connection()?;
        let mut importer = Importer::new(own, self.clock.clone(), self.currencies.main(), manner, account);
        let mut renewed = Instant::now();
        importer.catch_up(&mut products, claim.progress, implied, || {
            if renewed.elapsed() < HEARTBEAT {
                return Ok(());
            }
            renewed = Instant::now();
            match import_work::renew(&mut connection, claim).map_err(fail)? {
                true => Ok(()),
                false => Err(ImportError::Interrupted),
            }
        })?;
        Ok(Running {
            claim: claim.clone(),
            importer,
            products,
        })
    }

    /// Notes how an import ended. What failed for technical reasons goes on when its lease has run out, here or elsewhere.
    pub(super) fn end_import(&self, claim: &Claim, failure: Option<&ImportError>) -> Result<Round, Fault> {
        match failure {
            Some(ImportError::Interrupted) => {
                tracing::info!(import = %claim.id, "an import was cancelled, or taken over by another process");
                return Ok(Round::More);
            }
            Some(ImportError::Fault(fault)) => {
                tracing::warn!(import = %claim.id, %fault, "an import failed and will be gone on with");
                return Ok(Round::Idle);
            }
            _ => (),
        }
        self.finish_import(claim, failure)?;
        Ok(Round::More)
    }

    /// The same for what has come to its end; false where somebody has cancelled it or taken it over just before.
    pub(super) fn finish_import(&self, claim: &Claim, failure: Option<&ImportError>) -> Result<bool, Fault> {
        let fail = |error| database::failure::fault_of(&error);
        let now = self.clock.now();
        let mut connection = self.patient_connection()?;
        let is_ended = import_work::finish(&mut connection, claim, failure, now).map_err(fail)?;
        imports::prune(&mut connection, now - RETENTION).map_err(fail)?;
        Ok(is_ended)
    }
}

/// A file, and how much of it has been read.
struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.source.consume(count);
        self.read.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

/// A file out of the database, a piece in memory.
struct Chunks {
    connection: PgConnection,
    import: Uuid,
    /// How many bytes of it have not been read.
    left: u64,
    next: i32,
    chunk: Vec<u8>,
    position: usize,
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.chunk.len() && self.left > 0 {
            let found = import_work::chunk(&mut self.connection, self.import, self.next)
                .map_err(|error| io::Error::other(database::failure::fault_of(&error)))?;
            // The pieces go when somebody cancels the import.
            self.chunk = found.ok_or_else(|| io::Error::other(Fault::unavailable("a piece of the file is gone")))?;
            self.next += 1;
            self.position = 0;
        }
        Ok(&self.chunk[self.position..])
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
        self.left = self.left.saturating_sub(count as u64);
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
