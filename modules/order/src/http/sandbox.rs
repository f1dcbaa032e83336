//! The sandbox's own page, where a buyer answers a challenge of `tok_requires_action`. Mounted only where it is on.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use kernel::Problem;
use kernel::http::{Json, Path, Query, query::NoParameters};
use kernel::problem::ProblemSchema;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::service::Service;

/// Mounts the sandbox's page.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(show_challenge).service(answer_challenge);
}

/// The buyer's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Authentication {
    /// Whether the buyer is who they say they are.
    approve: bool,
}

/// What a redirected buyer sees.
#[utoipa::path(
    tag = "sandbox",
    operation_id = "show_challenge",
    params(("reference" = String, Path)),
    responses((status = 200, description = "A page with two buttons", content_type = "text/html"))
)]
#[get("/sandbox/authentications/{reference}")]
async fn show_challenge(_: Path<String>, _: Query<NoParameters>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(PAGE)
}

/// Answers a challenge; the order hears of it at once.
#[utoipa::path(
    tag = "sandbox",
    operation_id = "answer_challenge",
    request_body = Authentication,
    params(("reference" = String, Path)),
    responses((status = 204, description = "Answered"), (status = 404, description = "Nothing waits for this answer", body = ProblemSchema))
)]
#[post("/sandbox/authentications/{reference}")]
async fn answer_challenge(
    service: Data<Service>,
    reference: Path<String>,
    body: Json<Authentication>,
) -> Result<HttpResponse, Problem> {
    let known = service
        .authenticate(reference.into_inner(), body.approve)
        .await
        .map_err(Problem::from)?;
    match known {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found("challenge")),
    }
}

/// The page speaks to its own address and needs nothing from elsewhere.
const PAGE: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sandbox payment</title>
<h1>Sandbox payment</h1>
<p>This is a test. No money moves.</p>
<button data-approve="true">Approve</button> <button data-approve="false">Decline</button>
<p id="result" role="status"></p>
<script>
for (const button of document.querySelectorAll("button")) button.onclick = async () => {
  const body = JSON.stringify({approve: button.dataset.approve === "true"});
  const answer = await fetch(location.pathname, {method: "POST", headers: {"Content-Type": "application/json"}, body});
  document.getElementById("result").textContent = answer.ok ? "Done. You can go back to the shop." : "This was answered before.";
};
</script></html>
"#;
