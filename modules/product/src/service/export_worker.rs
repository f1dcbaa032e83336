//! The work at exports, in whichever process takes it. Each page of products is one piece of the file; what comes next is
//! noted in the transaction of the piece, so that the file has every product once, whoever makes it.

use chrono::TimeDelta;
use diesel::{Connection, PgConnection, QueryResult};
use kernel::Fault;
use kernel::job::{Job, Round};
use uuid::Uuid;

use super::Service;
use super::exporting::{file_failure, page};
use super::leases::{self, ATTEMPTS, Step, Taken};
use crate::import::{JobFailure, pack};
use crate::queries::exports::{self, Claim, Piece};

/// How long exports are kept after their end.
const RETENTION: TimeDelta = TimeDelta::days(7);

/// An export that this process is at.
pub(super) struct Exporting {
    claim: Claim,
    connection: PgConnection,
}

/// How a step went.
enum Written {
    /// There is more.
    Page,
    All,
    /// Nothing: somebody has removed the export, or another process goes on with it.
    Lost,
}

impl Service {
    /// The job that makes exports, and removes old ones.
    pub(crate) fn export_job(&self) -> Job {
        leases::job(self, "exports", &self.export_asked, |service| {
            let (take, step) = (
                || service.take_export(),
                |exporting| Ok(service.export_further(exporting)),
            );
            leases::work_for_a_while(&service.exporting, take, step)
        })
    }

    fn take_export(&self) -> Result<Taken<Box<Exporting>>, Fault> {
        let fail = |error| database::failure::fault_of(&error);
        let now = self.clock.now();
        let mut connection = self.patient_connection()?;
        exports::prune(&mut connection, now - RETENTION).map_err(fail)?;
        let claimed = exports::claim(&mut connection, Uuid::now_v7(), now);
        let Some(claim) = leases::unless_raced(claimed)? else {
            return Ok(Taken::Nothing);
        };
        if claim.attempts > ATTEMPTS {
            let failure = JobFailure {
                code: "stuck".to_owned(),
                detail: format!("the export was begun {ATTEMPTS} times and got nowhere"),
            };
            let end = |connection: &mut PgConnection| exports::finish(connection, &claim, Some(failure), now);
            connection.transaction(end).map_err(fail)?;
            return Ok(Taken::Ended);
        }
        exports::count_products(&mut connection, &claim).map_err(fail)?;
        Ok(Taken::Work(Box::new(Exporting { claim, connection })))
    }

    /// Adds the next page. What failed for technical reasons goes on when its lease has run out, here or elsewhere.
    fn export_further(&self, mut exporting: Box<Exporting>) -> Step<Box<Exporting>> {
        let written = self.add_page(&mut exporting);
        let export = exporting.claim.id;
        match written {
            Ok(Written::Page) => Step::Further(exporting),
            Ok(Written::All) => Step::Ended(Round::More),
            Ok(Written::Lost) => {
                tracing::info!(%export, "an export was removed, or taken over by another process");
                Step::Ended(Round::More)
            }
            Err(error) => {
                tracing::warn!(%export, %error, "an export failed and will be gone on with");
                Step::Ended(Round::Idle)
            }
        }
    }

    fn add_page(&self, exporting: &mut Exporting) -> QueryResult<Written> {
        let Exporting { claim, connection } = exporting;
        let page = page(connection, claim.format, claim.after, &self.locales)?;
        let piece = Piece {
            products: i64::try_from(page.count).unwrap_or(i64::MAX),
            last: page.last,
            length: i64::try_from(page.text.len()).unwrap_or(i64::MAX),
            bytes: pack(&page.text).map_err(file_failure)?,
        };
        let (length, now) = (piece.length, self.clock.now());
        let written = connection.transaction(|connection| {
            if !exports::append(connection, claim, piece)? {
                return Ok(Written::Lost);
            }
            if page.last.is_some() {
                return Ok(Written::Page);
            }
            exports::finish(connection, claim, None, now)?;
            Ok(Written::All)
        });
        claim.after = page.last;
        claim.bytes += length;
        written
    }
}
