//! The modules that run in other processes, and how they are called.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::module::Context;
use kernel::remote::Remote;
use kernel::service_token::ServiceTokens;
use kernel::upstream::{Client, Limits, Upstream};

use super::StartError;

pub(super) struct Elsewhere {
    /// By module; those that run here are left out, whatever the settings say of them.
    pub(super) upstreams: BTreeMap<String, Arc<Upstream>>,
    pub(super) client: Client,
    pub(super) tokens: ServiceTokens,
}

impl Elsewhere {
    pub(super) fn of(context: &Context) -> Result<Self, StartError> {
        let settings = &context.settings;
        let limits = Limits {
            in_flight: settings.gateway.upstream_requests,
            queue: settings.gateway.upstream_queue,
        };
        let elsewhere = settings
            .upstream
            .iter()
            .filter(|(name, _)| !settings.run.contains(name));
        let upstreams = elsewhere.map(|(name, addresses)| {
            let upstream = Upstream::new(name, addresses, limits).map_err(StartError::Refused)?;
            Ok((name.clone(), upstream))
        });
        Ok(Self {
            upstreams: upstreams.collect::<Result<_, StartError>>()?,
            client: Client::default(),
            tokens: ServiceTokens::new(settings.run.join("+"), &context.keys.service, context.clock.clone()),
        })
    }

    pub(super) fn upstream(&self, module: &str) -> Option<Arc<Upstream>> {
        self.upstreams.get(module).cloned()
    }

    pub(super) fn remote(&self, module: &str) -> Option<Remote> {
        let upstream = self.upstream(module)?;
        Some(Remote::new(upstream, self.client.clone(), self.tokens.clone()))
    }
}
