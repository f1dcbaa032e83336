//! The routes of the catalogue.

mod administration;
mod bulk;
mod bundles;
mod catalogue;
mod categories;
mod collections;
mod exports;
mod imports;
mod locations;
mod media;
mod price_history;
mod price_lists;
mod product_types;
mod refusal;
mod relations;
mod search_rules;
mod search_settings;
mod searching;
mod spoken;
mod stock;
mod transfers;
mod translations;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use kernel::http::precondition::has_tag;
use kernel::http::version_tag;
use kernel::{Fault, Locale, Problem};
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;
use xxhash_rust::xxh3::xxh3_64;

use crate::service::Service;

/// How long what visitors see may be kept by browsers, proxies and the gateway, who hears of every edit.
const EDITED: &str = "public, max-age=60, stale-while-revalidate=30, stale-if-error=300";

/// The same for what shows stock, of whose sales nobody hears.
const SOLD: &str = "public, max-age=5, stale-while-revalidate=30, stale-if-error=300";

/// What most answers fit in, in bytes: a list then grows its buffer once or twice instead of ten times.
const USUAL_SIZE: usize = 1 << 14;

/// Mounts all routes, relative to `/api/v1`.
pub(crate) fn routes(service: &web::Data<Service>, config: &mut ServiceConfig<'_>) {
    config.app_data(service.clone());
    config
        .service(catalogue::list_products)
        .service(catalogue::suggest_products)
        .service(catalogue::get_product)
        .service(catalogue::get_product_prices)
        .service(categories::list_categories)
        .service(categories::get_category)
        .service(media::get_media);
    config
        .service(administration::list_admin_products)
        .service(administration::create_product)
        // Before the product whose id it could be.
        .service(exports::get_product_export)
        .service(administration::get_admin_product)
        .service(administration::update_product)
        .service(administration::delete_product)
        .service(media::create_image)
        .service(administration::create_variant)
        .service(administration::update_variant)
        .service(administration::delete_variant)
        .service(bundles::update_components);
    config
        .service(categories::list_admin_categories)
        .service(categories::create_category)
        .service(categories::update_category)
        .service(categories::delete_category)
        .service(stock::create_adjustment)
        // Before the route that takes any variant's id in their place.
        .service(transfers::list_stock_transfers)
        .service(transfers::create_stock_transfer)
        .service(transfers::create_stock_count)
        .service(stock::get_stock)
        .service(stock::update_stock)
        .service(locations::list_locations)
        .service(locations::create_location)
        .service(locations::get_location)
        .service(locations::update_location)
        .service(locations::delete_location)
        .service(imports::create_import)
        .service(imports::list_imports)
        .service(imports::get_import)
        .service(imports::list_import_errors)
        .service(imports::cancel_import)
        .service(exports::create_export)
        .service(exports::list_exports)
        .service(exports::get_export)
        .service(exports::get_export_file)
        .service(exports::delete_export);
    config
        .service(bulk::update_products)
        .service(bulk::update_prices)
        .service(relations::list_related_products)
        .service(relations::get_related_products)
        .service(relations::update_related_products);
    config
        .service(price_history::list_price_history)
        .service(price_lists::list_price_lists)
        .service(price_lists::create_price_list)
        .service(price_lists::get_price_list)
        .service(price_lists::update_price_list)
        .service(price_lists::delete_price_list)
        .service(price_lists::list_list_prices)
        .service(price_lists::update_list_prices);
    config
        .service(searching::list_parked_products)
        .service(searching::retry_parked_product)
        .service(searching::list_search_misses)
        .service(search_settings::list_search_synonyms)
        .service(search_settings::create_search_synonyms)
        .service(search_settings::get_search_synonyms)
        .service(search_settings::update_search_synonyms)
        .service(search_settings::delete_search_synonyms)
        .service(search_settings::get_stop_words)
        .service(search_settings::update_stop_words)
        .service(search_rules::list_search_rules)
        .service(search_rules::create_search_rule)
        .service(search_rules::get_search_rule)
        .service(search_rules::update_search_rule)
        .service(search_rules::delete_search_rule);
    config
        .service(product_types::list_product_types)
        .service(product_types::create_product_type)
        .service(product_types::get_product_type)
        .service(product_types::update_product_type)
        .service(product_types::delete_product_type)
        .service(product_types::list_product_type_violations);
    config
        .service(collections::list_collections)
        .service(collections::get_collection)
        .service(collections::list_collection_products)
        .service(collections::list_admin_collections)
        .service(collections::create_collection)
        .service(collections::get_admin_collection)
        .service(collections::update_collection)
        .service(collections::delete_collection)
        .service(collections::update_collection_products)
        .service(collections::show_collection_preview);
    config
        .service(translations::list_product_translations)
        .service(translations::update_product_translation)
        .service(translations::delete_product_translation)
        .service(translations::list_category_translations)
        .service(translations::update_category_translation)
        .service(translations::delete_category_translation)
        .service(translations::list_collection_translations)
        .service(translations::update_collection_translation)
        .service(translations::delete_collection_translation);
}

/// A public answer in a language, that changes its tag whenever anything shown changes; without a body for whoever has it
/// already.
fn cacheable(
    request: &HttpRequest,
    language: &Locale,
    caching: &'static str,
    value: &impl Serialize,
) -> Result<HttpResponse, Problem> {
    let mut body = Vec::with_capacity(USUAL_SIZE);
    serde_json::to_writer(&mut body, value).map_err(|error| Fault::internal(error.to_string()))?;
    // Weak: a proxy may send the same answer compressed.
    let tag = format!("W/\"{:016x}\"", xxh3_64(&body));
    let is_known = has_tag(request.headers(), &tag);
    let mut response = match is_known {
        true => HttpResponse::NotModified(),
        false => HttpResponse::Ok(),
    };
    response.insert_header((header::CACHE_CONTROL, caching));
    response.insert_header((header::CONTENT_LANGUAGE, language.as_str()));
    response.insert_header((header::ETAG, tag));
    Ok(match is_known {
        true => response.finish(),
        false => response.content_type("application/json").body(body),
    })
}

/// An answer for staff, never kept by anybody between.
fn private(mut response: actix_web::HttpResponseBuilder, value: &impl Serialize) -> HttpResponse {
    response
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .json(value)
}

/// An answer for staff whose tag is the version to edit.
fn versioned(version: i64, value: &impl Serialize) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header(version_tag(version));
    private(response, value)
}
