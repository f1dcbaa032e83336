//! Address books.

use database::refuse;
use kernel::address::{Address, AddressPatch};
use kernel::http::{Answer, IdempotencyKey};
use kernel::id::AddressId;
use kernel::identity::SignedIn;
use kernel::page::Page;
use user_api::UserError;

use super::profile::scope;
use super::{Outcome, Service, caller, locked_caller};
use crate::SCHEMA;
use crate::domain::address::{Entry, MAX_ADDRESSES};
use crate::queries;

impl Service {
    /// A page of the caller's address book, newest first.
    pub(crate) async fn addresses(
        &self,
        who: SignedIn,
        after: Option<AddressId>,
        limit: i64,
    ) -> Result<Page<Entry>, UserError> {
        let now = self.clock.now();
        let list = address_list(&who);
        let rows = self
            .database
            .run(move |connection| {
                caller(connection, &who, now)?;
                queries::addresses::list(connection, who.user, after, limit + 1)
            })
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(&list, &last.id)
        }))
    }

    /// Adds an entry to the caller's address book. `body` is what an idempotency key is bound to.
    pub(crate) async fn add_address(
        &self,
        who: SignedIn,
        key: IdempotencyKey,
        body: &[u8],
        address: Address,
    ) -> Result<Answer<Entry>, UserError> {
        let now = self.clock.now();
        let call = key.call("create_address", scope(who.user), &[body]);
        self.database
            .once(SCHEMA, call, 201, now, move |connection| {
                locked_caller(connection, &who, now)?;
                if queries::addresses::count(connection, who.user)? >= MAX_ADDRESSES {
                    return refuse(UserError::AddressBookFull);
                }
                let entry = Entry {
                    id: AddressId::generate(),
                    address,
                    created_at: now,
                    updated_at: now,
                };
                queries::addresses::insert(connection, who.user, &entry)?;
                Ok(entry)
            })
            .await
    }

    /// One entry of the caller's address book.
    pub(crate) async fn address(&self, who: SignedIn, id: AddressId) -> Result<Entry, UserError> {
        let now = self.clock.now();
        self.database
            .run(move |connection| {
                caller(connection, &who, now)?;
                found(queries::addresses::find(connection, who.user, id)?)
            })
            .await
    }

    /// Changes an entry of the caller's address book.
    pub(crate) async fn change_address(
        &self,
        who: SignedIn,
        id: AddressId,
        patch: AddressPatch,
    ) -> Result<Entry, UserError> {
        let now = self.clock.now();
        self.database
            .transaction(move |connection| {
                caller(connection, &who, now)?;
                let mut entry = found(queries::addresses::lock(connection, who.user, id)?)?;
                let address = patch.over(entry.address.clone());
                if address != entry.address {
                    entry.address = address;
                    entry.updated_at = now;
                    queries::addresses::update(connection, &entry)?;
                }
                Ok(entry)
            })
            .await
    }

    /// Removes an entry from the caller's address book.
    pub(crate) async fn delete_address(&self, who: SignedIn, id: AddressId) -> Result<(), UserError> {
        let now = self.clock.now();
        self.database
            .transaction(move |connection| {
                caller(connection, &who, now)?;
                match queries::addresses::delete(connection, who.user, id)? {
                    true => Ok(()),
                    false => refuse(no_such_address()),
                }
            })
            .await
    }
}

/// What the cursors of the caller's address book belong to.
pub(crate) fn address_list(who: &SignedIn) -> String {
    format!("addresses of {}", who.user)
}

fn found(entry: Option<Entry>) -> Outcome<Entry> {
    entry.map_or_else(|| refuse(no_such_address()), Ok)
}

fn no_such_address() -> UserError {
    UserError::NotFound("address".to_owned())
}
