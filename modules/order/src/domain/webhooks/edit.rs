//! Endpoints as staff arrange them.

use chrono::{DateTime, Utc};
use kernel::id::WebhookEndpointId;
use kernel::patch::present;
use kernel::{FieldErrors, Patch, Text};
use serde::Deserialize;
use utoipa::ToSchema;

use super::address::Allowance;
use super::target::{MAX_URL, Target};
use super::{Endpoint, EventType};

type Description = Text<1, 500>;

/// An endpoint to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhookEndpoint)]
pub(crate) struct NewEndpoint {
    /// Where messages are sent: `https`, without a name, a password or a fragment, to the port 80, 443, or 1024 and above of
    /// a host of the Internet.
    #[schema(value_type = String, example = "https://erp.example/hooks/bodega")]
    url: Text<1, MAX_URL>,
    /// For staff.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    description: Option<Description>,
    /// Of which events; all, also those that there will be, where it is `null` or not given.
    #[serde(default)]
    event_types: Option<Vec<EventType>>,
    #[serde(default = "enabled")]
    #[schema(default = true)]
    enabled: bool,
}

fn enabled() -> bool {
    true
}

/// What is to be changed of an endpoint: a merge patch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookEndpointPatch)]
pub(crate) struct EndpointPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, nullable = false)]
    url: Option<Text<1, MAX_URL>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    description: Patch<Description>,
    /// The list as a whole; `null` for all events.
    #[serde(default)]
    #[schema(value_type = Option<Vec<EventType>>)]
    event_types: Patch<Vec<EventType>>,
    /// Whether it is sent anything. One that is enabled again begins as if nothing had failed, and gets what was pending.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

impl NewEndpoint {
    /// The endpoint as it begins.
    ///
    /// # Errors
    ///
    /// What is wrong with its fields.
    pub(crate) fn into_endpoint(self, allowance: &Allowance, now: DateTime<Utc>) -> Result<Endpoint, FieldErrors> {
        let target = Target::parse(&self.url, allowance)?;
        Ok(Endpoint {
            id: WebhookEndpointId::generate(),
            url: target.url.into(),
            description: self.description.map(Text::into_string),
            event_types: self.event_types.map(chosen).transpose()?,
            enabled: self.enabled,
            disabled_reason: None,
            disabled_at: (!self.enabled).then_some(now),
            failing_since: None,
            secret_generation: 1,
            previous_secret_until: None,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }
}

impl EndpointPatch {
    /// The endpoint after the patch.
    ///
    /// # Errors
    ///
    /// What is wrong with its fields.
    pub(crate) fn apply(
        self,
        before: Endpoint,
        allowance: &Allowance,
        now: DateTime<Utc>,
    ) -> Result<Endpoint, FieldErrors> {
        let url = match self.url {
            Some(url) => Target::parse(&url, allowance)?.url.into(),
            None => before.url.clone(),
        };
        let enabled = self.enabled.unwrap_or(before.enabled);
        let is_new = url != before.url || (enabled && !before.enabled);
        Ok(Endpoint {
            description: self.description.map(Text::into_string).apply(before.description),
            event_types: match self.event_types {
                Patch::Keep => before.event_types,
                Patch::Clear => None,
                Patch::Set(events) => Some(chosen(events)?),
            },
            disabled_reason: before.disabled_reason.filter(|_| !enabled),
            disabled_at: match (enabled, before.enabled) {
                (true, _) => None,
                (false, true) => Some(now),
                (false, false) => before.disabled_at,
            },
            failing_since: before.failing_since.filter(|_| !is_new),
            url,
            enabled,
            version: before.version + 1,
            updated_at: now,
            ..before
        })
    }
}

/// Each once, in the order of the closed list.
fn chosen(events: Vec<EventType>) -> Result<Vec<EventType>, FieldErrors> {
    if events.is_empty() {
        let detail = "name at least one event, or none at all (null) for every event";
        return Err(FieldErrors::one("/event_types", "too_few", detail));
    }
    Ok(EventType::ALL
        .into_iter()
        .filter(|event| events.contains(event))
        .collect())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::DisabledReason;
    use super::*;

    fn made(json: serde_json::Value) -> Result<Endpoint, FieldErrors> {
        let new: NewEndpoint = serde_json::from_value(json).unwrap();
        new.into_endpoint(&Allowance::default(), DateTime::UNIX_EPOCH)
    }

    fn patched(before: &Endpoint, json: serde_json::Value) -> Endpoint {
        let patch: EndpointPatch = serde_json::from_value(json).unwrap();
        let now = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        patch.apply(before.clone(), &Allowance::default(), now).unwrap()
    }

    #[test]
    fn a_list_of_events_has_each_once_and_at_least_one() {
        let url = "https://erp.example/hooks";
        let listed = made(serde_json::json!({"url": url, "event_types": ["stock.low", "order.placed", "stock.low"]}));
        assert_eq!(
            listed.unwrap().event_types,
            Some(vec![EventType::OrderPlaced, EventType::StockLow])
        );
        assert_eq!(made(serde_json::json!({"url": url})).unwrap().event_types, None);
        assert!(made(serde_json::json!({"url": url, "event_types": []})).is_err());
        let unknown = serde_json::json!({"url": url, "event_types": ["user.deleted"]});
        assert!(serde_json::from_value::<NewEndpoint>(unknown).is_err());
    }

    #[test]
    fn an_endpoint_that_is_enabled_again_begins_anew() {
        let mut failed = made(serde_json::json!({"url": "https://erp.example/hooks"})).unwrap();
        failed.enabled = false;
        failed.disabled_reason = Some(DisabledReason::Failing);
        failed.disabled_at = Some(failed.created_at);
        failed.failing_since = Some(failed.created_at);
        let described = patched(&failed, serde_json::json!({"description": "ERP"}));
        assert_eq!(described.disabled_reason, Some(DisabledReason::Failing));
        assert_eq!(
            (described.disabled_at, described.failing_since),
            (failed.disabled_at, failed.failing_since)
        );
        let again = patched(&described, serde_json::json!({"enabled": true}));
        assert_eq!(
            (again.disabled_reason, again.disabled_at, again.failing_since),
            (None, None, None)
        );
        assert_eq!(again.version, 3);
        let off = patched(&again, serde_json::json!({"enabled": false, "event_types": null}));
        assert_eq!((off.disabled_reason, off.disabled_at), (None, Some(off.updated_at)));
    }
}
