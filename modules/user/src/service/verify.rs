//! Proof that the books are in order.

use database::Failure;
use kernel::Fault;
use kernel::id::{AddressId, SessionId, UserId};
use kernel::module::Finding;
use kernel::text::Email;
use uuid::Uuid;

use super::Service;
use crate::queries::books;

/// How many accounts are read at a time.
const BATCH: i64 = 1000;

impl Service {
    /// Everything that is wrong in this module's data.
    pub(crate) async fn verify(&self) -> Result<Vec<Finding>, Fault> {
        let mut findings = self
            .database
            .run(|connection| {
                let sessions = books::sessions_without_account(connection)?;
                let addresses = books::addresses_of_deleted_accounts(connection)?;
                let sessions = sessions.into_iter().map(session_without_account);
                let addresses = addresses.into_iter().map(address_of_deleted_account);
                Ok::<_, Failure<Fault>>(sessions.chain(addresses).collect::<Vec<_>>())
            })
            .await?;
        let mut after = Uuid::nil();
        loop {
            let batch = self
                .database
                .run(move |connection| Ok::<_, Failure<Fault>>(books::emails(connection, after, BATCH)?))
                .await?;
            let Some((last, ..)) = batch.last() else {
                return Ok(findings);
            };
            after = *last;
            findings.extend(batch.into_iter().filter_map(email_out_of_form));
        }
    }
}

fn session_without_account(id: Uuid) -> Finding {
    let detail = "the session belongs to an account that is deleted or disabled";
    Finding::new("sessions_end_with_the_account", SessionId::from(id), detail)
}

fn address_of_deleted_account(id: Uuid) -> Finding {
    let detail = "the address belongs to a deleted account";
    Finding::new("addresses_go_with_the_account", AddressId::from(id), detail)
}

fn email_out_of_form((id, email, canonical): (Uuid, String, String)) -> Option<Finding> {
    let sound = Email::parse(email).is_ok_and(|email| email.canonical() == canonical);
    let finding = || {
        let detail = "the stored canonical address is not the one of the address";
        Finding::new("canonical_email_is_of_the_email", UserId::from(id), detail)
    };
    (!sound).then(finding)
}
