//! `/me/sessions`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{Path, Query};
use kernel::id::SessionId;
use kernel::identity::SignedIn;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::{ListQuery, private};
use crate::domain::session::Session;
use crate::service::{Service, session_list};

/// Where the caller is signed in, newest first.
#[utoipa::path(
    tag = "me",
    operation_id = "list_sessions",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, else 20"),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, description = "A page of sessions", body = Page<Session>)),
    security(("bearer" = [])),
)]
#[get("/me/sessions")]
pub(super) async fn list_sessions(
    service: Data<Service>,
    who: SignedIn,
    query: Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let after = query.after(&service.cursors, &session_list(&who))?;
    let page = service.sessions(who, after, query.limit).await?;
    Ok(private(StatusCode::OK).json(page))
}

/// Ends one of the caller's sessions.
#[utoipa::path(
    tag = "me",
    operation_id = "delete_session",
    params(("id" = SessionId, Path)),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 404, description = "Unknown, ended before, or somebody else's", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[delete("/me/sessions/{id}")]
pub(super) async fn delete_session(
    service: Data<Service>,
    who: SignedIn,
    id: Path<SessionId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.end_session(who, id.into_inner()).await?;
    Ok(private(StatusCode::NO_CONTENT).finish())
}
