//! Accounts, and the rule that a shop never loses its last administrator.

use chrono::{DateTime, Utc};
use kernel::Patch;
use kernel::id::{CustomerGroupId, UserId};
use kernel::identity::Role;
use kernel::patch::present;
use serde::{Deserialize, Serialize};

/// The name of [`Role::Admin`] in the database.
const ADMIN: &str = "admin";

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = User)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    /// As its owner writes it.
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) roles: Vec<Role>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    #[serde(skip)]
    pub(crate) customer_group_id: Option<CustomerGroupId>,
    #[serde(skip)]
    pub(crate) disabled_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(crate) version: i64,
}

/// An account as administrators see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ManagedUser)]
pub(crate) struct ManagedAccount {
    #[serde(flatten)]
    pub(crate) account: Account,
    /// The group of customers that the account belongs to.
    pub(crate) customer_group_id: Option<CustomerGroupId>,
    /// Whether sign-in is refused.
    pub(crate) disabled: bool,
    /// Since when.
    pub(crate) disabled_at: Option<DateTime<Utc>>,
    /// The edit version, for `If-Match`.
    pub(crate) version: i64,
}

/// What an administrator may change of an account.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[schema(as = ManagedUserChange)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountChange {
    /// All roles of the account from now on.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<Role>, required = false)]
    pub(crate) roles: Option<Vec<Role>>,
    /// Whether sign-in is refused from now on; disabling ends all sessions.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    pub(crate) disabled: Option<bool>,
    /// The group of customers that the account belongs to from its next access token on; `null`: none.
    #[serde(default)]
    #[schema(value_type = Option<CustomerGroupId>)]
    pub(crate) customer_group_id: Patch<CustomerGroupId>,
}

impl Account {
    /// Whether sign-in is refused.
    pub(crate) fn is_disabled(&self) -> bool {
        self.disabled_at.is_some()
    }

    /// Whether the account can administer the shop.
    pub(crate) fn is_active_admin(&self) -> bool {
        self.roles.contains(&Role::Admin) && !self.is_disabled()
    }

    /// Whether the account has each of these roles.
    pub(crate) fn has_all(&self, roles: &[Role]) -> bool {
        roles.iter().all(|role| self.roles.contains(role))
    }

    /// The account after `change`. An account that is disabled twice stays disabled since the first time.
    pub(crate) fn changed(&self, change: AccountChange, now: DateTime<Utc>) -> Self {
        let mut after = self.clone();
        if let Some(mut roles) = change.roles {
            roles.sort_by_key(|role| role_name(*role));
            roles.dedup();
            after.roles = roles;
        }
        after.customer_group_id = change.customer_group_id.apply(self.customer_group_id);
        match change.disabled {
            Some(true) => after.disabled_at = self.disabled_at.or(Some(now)),
            Some(false) => after.disabled_at = None,
            None => (),
        }
        after
    }
}

impl From<Account> for ManagedAccount {
    fn from(account: Account) -> Self {
        Self {
            customer_group_id: account.customer_group_id,
            disabled: account.is_disabled(),
            disabled_at: account.disabled_at,
            version: account.version,
            account,
        }
    }
}

/// Whether nobody could administer the shop any more, were `leaving` to stop being one of its `active_admins`.
pub(crate) fn is_last_admin(leaving: UserId, active_admins: &[UserId]) -> bool {
    active_admins == [leaving]
}

/// The name of a role in the database.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => ADMIN,
    }
}

/// The roles of the given names; the database knows no others.
pub(crate) fn roles_named(names: &[String]) -> Vec<Role> {
    names
        .iter()
        .filter(|name| *name == ADMIN)
        .map(|_| Role::Admin)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Clock;

    fn account(roles: Vec<Role>) -> Account {
        let now = Clock::system().now();
        Account {
            id: UserId::generate(),
            email: "ada@example.com".to_owned(),
            name: None,
            roles,
            created_at: now,
            updated_at: now,
            customer_group_id: None,
            disabled_at: None,
            version: 1,
        }
    }

    #[test]
    fn roles_keep_their_names_in_the_database() {
        assert_eq!(
            roles_named(&[role_name(Role::Admin).to_owned(), "wizard".to_owned()]),
            [Role::Admin]
        );
    }

    #[test]
    fn a_role_given_twice_is_one_role() {
        let change = AccountChange {
            roles: Some(vec![Role::Admin, Role::Admin]),
            ..AccountChange::default()
        };
        let after = account(vec![]).changed(change, Clock::system().now());
        assert_eq!(after.roles, [Role::Admin]);
        assert!(after.is_active_admin());
    }

    #[test]
    fn a_disabled_account_is_no_active_admin_and_keeps_its_first_date() {
        let disable = AccountChange {
            disabled: Some(true),
            ..AccountChange::default()
        };
        let now = Clock::system().now();
        let once = account(vec![Role::Admin]).changed(disable.clone(), now);
        let twice = once.changed(disable, now + chrono::TimeDelta::hours(1));
        assert_eq!(twice.disabled_at, Some(now));
        assert!(!twice.is_active_admin());
    }

    #[test]
    fn only_the_only_admin_is_the_last_one() {
        let (ada, bob) = (UserId::generate(), UserId::generate());
        assert!(is_last_admin(ada, &[ada]));
        assert!(!is_last_admin(ada, &[ada, bob]));
        assert!(!is_last_admin(ada, &[bob]));
        assert!(!is_last_admin(ada, &[]));
    }
}
