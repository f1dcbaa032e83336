//! The public routes, relative to `/api/v1`: parse, authorise, call the service, answer.

mod addresses;
mod administration;
mod groups;
mod profile;
mod sessions;
mod sign_in;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use kernel::Problem;
use kernel::http::{FromQuery, QueryParameters};
use kernel::page::Cursors;
use serde::de::DeserializeOwned;
use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(sign_in::register)
        .service(sign_in::log_in)
        .service(sign_in::refresh)
        .service(sign_in::log_out)
        .service(sign_in::jwks)
        .service(profile::get_me)
        .service(profile::update_me)
        .service(profile::delete_me)
        .service(profile::update_password)
        .service(addresses::list_addresses)
        .service(addresses::create_address)
        .service(addresses::get_address)
        .service(addresses::update_address)
        .service(addresses::delete_address)
        .service(sessions::list_sessions)
        .service(sessions::delete_session)
        .service(administration::list_users)
        .service(administration::get_user)
        .service(administration::update_user)
        .service(groups::list_groups)
        .service(groups::create_group)
        .service(groups::get_group)
        .service(groups::update_group)
        .service(groups::delete_group);
}

/// The query of a list without filters.
struct ListQuery {
    limit: i64,
    cursor: Option<String>,
}

impl FromQuery for ListQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        }
    }
}

impl ListQuery {
    /// Where the list goes on; 400 where the cursor is not one of `list`.
    fn after<P: DeserializeOwned>(&self, cursors: &Cursors, list: &str) -> Result<Option<P>, Problem> {
        let open = |cursor| cursors.open(list, cursor).map_err(Problem::invalid_query);
        self.cursor.as_deref().map(open).transpose()
    }
}

/// An answer that belongs to one person.
fn private(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "private, no-store"));
    response
}
