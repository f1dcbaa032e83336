//! Telling places outside the shop of events, as Standard Webhooks 1.0 has it.
//!
//! Events are read from the outboxes of order, cart and product (`fan_out.rs`), which writes down one delivery for each
//! endpoint that wants to hear; deliveries are sent with a lease (`sending.rs`) through a client that reaches nothing which the
//! public cannot reach (`client.rs`). Whatever dies on the way, an event arrives at least once, under the same `webhook-id`.

pub(super) mod client;
mod deliveries;
mod endpoints;
pub(crate) mod fan_out;
mod sending;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::Fault;
use kernel::job::Wake;
use kernel::settings::Settings;
use uuid::Uuid;

use crate::domain::webhooks::address::Allowance;
pub(crate) use deliveries::ListDeliveries;

use client::Client;

/// What sending takes.
pub(super) struct Webhooks {
    allowance: Allowance,
    client: Client,
    events: Wake,
    sending: Wake,
    busy: Arc<Busy>,
}

/// How many requests this process is sending to each endpoint.
#[derive(Default)]
struct Busy(Mutex<HashMap<Uuid, i64>>);

/// A request that is being sent, until it is dropped.
struct Seat {
    busy: Arc<Busy>,
    endpoint: Uuid,
    sending: Wake,
}

impl Webhooks {
    /// As the settings have it.
    ///
    /// # Errors
    ///
    /// Settings that cannot be meant.
    pub(super) fn new(settings: &Settings) -> Result<Self, Fault> {
        let allowance = allowance(settings).map_err(Fault::internal)?;
        Ok(Self {
            client: Client::new(allowance.clone())?,
            allowance,
            events: Wake::default(),
            sending: Wake::default(),
            busy: Arc::default(),
        })
    }

    /// Where may be sent to.
    pub(super) fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Wakes the job that reads the module's own events.
    pub(super) fn events(&self) -> Wake {
        self.events.clone()
    }

    /// Wakes the job that sends.
    pub(super) fn wake(&self) -> Wake {
        self.sending.clone()
    }

    fn busy(&self) -> Vec<(Uuid, i64)> {
        let busy = self.busy.0.lock().unwrap_or_else(PoisonError::into_inner);
        busy.iter().map(|(endpoint, requests)| (*endpoint, *requests)).collect()
    }

    fn seat(&self, endpoint: Uuid) -> Seat {
        let mut busy = self.busy.0.lock().unwrap_or_else(PoisonError::into_inner);
        *busy.entry(endpoint).or_default() += 1;
        Seat {
            busy: Arc::clone(&self.busy),
            endpoint,
            sending: self.sending.clone(),
        }
    }
}

/// What the settings say of where may be sent to.
///
/// # Errors
///
/// One line that names the setting.
pub(crate) fn allowance(settings: &Settings) -> Result<Allowance, String> {
    Allowance::parse(settings.webhooks.allow_insecure, &settings.webhooks.allow_networks)
}

impl Drop for Seat {
    /// What waited for this seat may be sent now.
    fn drop(&mut self) {
        let mut busy = self.busy.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = busy.get_mut(&self.endpoint) {
            *requests -= 1;
            if *requests <= 0 {
                busy.remove(&self.endpoint);
            }
        }
        self.sending.wake();
    }
}
