//! Webhooks, for staff: endpoints, and what was sent to them.

mod deliveries;
mod endpoints;

use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts the routes of webhooks.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.configure(endpoints::routes).configure(deliveries::routes);
}
