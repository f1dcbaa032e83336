//! The user module over the wire: both ends of each call.

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use async_trait::async_trait;
use kernel::Fault;
use kernel::id::UserId;
use kernel::identity::{Authority, SignedIn};
use kernel::remote::{Remote, Repeat, answer};
use kernel::token::{KeySource, PublicKeys};

use crate::{Profile, UserApi, UserError};

const MODULE: &str = "user";

/// The user module in other processes.
#[derive(Clone)]
pub struct RemoteUser(Remote);

impl RemoteUser {
    /// The module that `remote` calls.
    pub fn new(remote: Remote) -> Self {
        Self(remote)
    }
}

#[async_trait]
impl UserApi for RemoteUser {
    async fn profile(&self, user: UserId) -> Result<Profile, UserError> {
        self.0.call("profile", &user, Repeat::Yes).await
    }
}

#[async_trait]
impl Authority for RemoteUser {
    async fn still_holds(&self, who: &SignedIn) -> Result<bool, Fault> {
        self.0.call("still-holds", who, Repeat::Yes).await
    }
}

#[async_trait]
impl KeySource for RemoteUser {
    async fn keys(&self) -> Result<PublicKeys, Fault> {
        self.0.call("keys", &(), Repeat::Yes).await
    }
}

/// Mounts the module for siblings in other processes.
pub fn serve<M: UserApi + KeySource + 'static>(config: &mut ServiceConfig, module: &Arc<M>) {
    answer(config, MODULE, "profile", module, |this, user| async move {
        this.profile(user).await
    });
    answer(
        config,
        MODULE,
        "keys",
        module,
        |this, ()| async move { this.keys().await },
    );
    answer(
        config,
        MODULE,
        "still-holds",
        module,
        |this, who: SignedIn| async move { this.still_holds(&who).await },
    );
}
