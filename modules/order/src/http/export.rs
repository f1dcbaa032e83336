//! Orders as a file for spreadsheets.

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpResponse, get};
use futures_util::{StreamExt, stream};
use kernel::http::{FromQuery, Query, QueryParameters};
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::{Fault, Problem};
use utoipa_actix_web::service_config::ServiceConfig;

use super::admin::statuses;
use crate::queries::export::OrderSelection;
use crate::service::{ExportPart, Service};

/// Mounts the route.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_order_export);
}

/// Which orders.
struct ExportQuery(OrderSelection);

impl FromQuery for ExportQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self(OrderSelection {
            statuses: statuses(parameters),
            placed_after: parameters.parsed("placed_after"),
            placed_before: parameters.parsed("placed_before"),
        })
    }
}

// A stream is enough here, and no job makes the file beforehand as it does for the catalogue: nobody reads it back, it has a
// fraction of the catalogue's size, and whoever loses the connection asks for a shorter time.
/// Downloads orders as CSV, oldest first: a row for each line, the order's own columns on each of them.
///
/// It is written while it is read: an answer that breaks off has not all of the orders, and those that change meanwhile are
/// in it as they were or as they are. Texts that a spreadsheet would take for a formula have an apostrophe in front.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "get_order_export",
    params(
        ("status" = Option<Vec<String>>, Query, description = "Repeat for several"),
        ("placed_after" = Option<String>, Query, description = "Placed then or later: RFC 3339"),
        ("placed_before" = Option<String>, Query, description = "Placed earlier: RFC 3339"),
    ),
    responses(
        (status = 200, description = "The file", content_type = "text/csv", body = String),
        (status = 401, description = "Not signed in", body = ProblemSchema),
        (status = 403, description = "Not an administrator", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/orders/export")]
async fn get_order_export(
    service: Data<Service>,
    _: Staff,
    query: Query<ExportQuery>,
) -> Result<HttpResponse, Problem> {
    let selection = query.into_inner().0;
    // Read before anything is answered: most of what can go wrong is still a problem then.
    let ExportPart { text, last } = service.export_part(&selection, None).await?;
    let rest = stream::try_unfold(last, move |after| {
        let (service, selection) = (service.clone(), selection.clone());
        async move {
            let Some(after) = after else { return Ok(None) };
            let part = service.export_part(&selection, Some(after)).await?;
            Ok::<_, Fault>(Some((Bytes::from(part.text), part.last)))
        }
    });
    let first = stream::iter([Ok(Bytes::from(text))]);
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"orders.csv\""))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .streaming(first.chain(rest)))
}
