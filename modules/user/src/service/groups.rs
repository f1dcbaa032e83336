//! Groups of customers, for the shop's own people.

use database::{OnViolation, refuse};
use diesel::PgConnection;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::CustomerGroupId;
use kernel::page::Page;
use user_api::UserError;

use super::{Outcome, Service};
use crate::SCHEMA;
use crate::domain::group::{CustomerGroup, CustomerGroupPatch, NewCustomerGroup};
use crate::queries::groups;

/// What the cursors of the list of groups belong to.
pub(crate) const GROUP_LIST: &str = "customer groups";

impl Service {
    /// A page of groups.
    pub(crate) async fn groups(
        &self,
        after: Option<CustomerGroupId>,
        limit: i64,
    ) -> Result<Page<CustomerGroup>, UserError> {
        let rows = self
            .database
            .run(move |connection| Outcome::Ok(groups::list(connection, after, limit + 1)?))
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(GROUP_LIST, &last.id)
        }))
    }

    /// A group by its id.
    pub(crate) async fn group(&self, id: CustomerGroupId) -> Result<CustomerGroup, UserError> {
        self.database
            .run(move |connection| match groups::find(connection, id)? {
                Some(group) => Ok(group),
                None => refuse(missing()),
            })
            .await
    }

    /// Adds a group, to which nobody belongs yet.
    pub(crate) async fn add_group(
        &self,
        new: NewCustomerGroup,
        call: Option<Call>,
    ) -> Result<Answer<CustomerGroup>, UserError> {
        let now = self.clock.now();
        self.database
            .once(SCHEMA, call, 201, now, move |connection| {
                let group = CustomerGroup {
                    id: CustomerGroupId::generate(),
                    name: new.name.into_string(),
                    version: 1,
                    created_at: now,
                    updated_at: now,
                };
                groups::insert(connection, &group).on_violation(groups::NAME_KEY, name_taken)?;
                Ok(group)
            })
            .await
    }

    /// Changes a group.
    pub(crate) async fn change_group(
        &self,
        id: CustomerGroupId,
        patch: CustomerGroupPatch,
        condition: IfMatch,
    ) -> Result<CustomerGroup, UserError> {
        let now = self.clock.now();
        self.database
            .transaction(move |connection| {
                let before = lock(connection, id, &condition)?;
                let after = CustomerGroup {
                    name: patch.name.map_or(before.name, String::from),
                    version: before.version + 1,
                    updated_at: now,
                    ..before
                };
                groups::update(connection, &after).on_violation(groups::NAME_KEY, name_taken)?;
                Ok(after)
            })
            .await
    }

    /// Removes a group to which nobody belongs. Price lists for it then hold for nobody.
    pub(crate) async fn remove_group(&self, id: CustomerGroupId, condition: IfMatch) -> Result<(), UserError> {
        let in_use = || UserError::InUse("there are customers in this group".to_owned());
        self.database
            .transaction(move |connection| {
                lock(connection, id, &condition)?;
                groups::delete(connection, id).on_violation(groups::MEMBERS_KEY, in_use)
            })
            .await
    }
}

fn lock(connection: &mut PgConnection, id: CustomerGroupId, condition: &IfMatch) -> Outcome<CustomerGroup> {
    match groups::lock(connection, id)? {
        None => refuse(missing()),
        Some(group) if !condition.allows(group.version) => refuse(UserError::VersionMismatch(group.version)),
        Some(group) => Ok(group),
    }
}

fn name_taken() -> UserError {
    UserError::Taken("customer group (by its name)".to_owned())
}

fn missing() -> UserError {
    UserError::NotFound("customer group".to_owned())
}
