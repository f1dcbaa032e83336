//! `/admin/users`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, get, patch};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{FromQuery, IfMatch, Json, Path, Query, QueryParameters, version_tag};
use kernel::id::UserId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::{ListQuery, private};
use crate::domain::account::{Account, AccountChange, ManagedAccount};
use crate::queries::accounts::AccountFilter;
use crate::service::{Service, account_list};

struct UsersQuery {
    filter: AccountFilter,
    list: ListQuery,
}

impl FromQuery for UsersQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        let filter = AccountFilter {
            email: parameters.text("email"),
            text: parameters.text("q").filter(|text| !text.is_empty()),
        };
        let list = ListQuery::from_query(parameters);
        Self { filter, list }
    }
}

/// The accounts of the shop, newest first.
#[utoipa::path(
    tag = "admin",
    operation_id = "list_users",
    params(
        ("email" = Option<String>, Query, description = "the whole address, in any case"),
        ("q" = Option<String>, Query, description = "a part of the address or the name, in any case"),
        ("limit" = Option<i64>, Query, description = "1 to 100, else 20"),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "A page of accounts", body = Page<ManagedAccount>),
        (status = 403, description = "Not an administrator", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[get("/admin/users")]
pub(super) async fn list_users(
    service: Data<Service>,
    _: Staff,
    query: Query<UsersQuery>,
) -> Result<HttpResponse, Problem> {
    let UsersQuery { filter, list } = query.into_inner();
    let after = list.after(&service.cursors, &account_list(&filter))?;
    let page = service.accounts(filter, after, list.limit).await?;
    Ok(private(StatusCode::OK).json(page.map(ManagedAccount::from)))
}

/// One account.
#[utoipa::path(
    tag = "admin",
    operation_id = "get_user",
    params(("id" = UserId, Path)),
    responses(
        (status = 200, description = "The account; its version is the ETag", body = ManagedAccount),
        (status = 403, description = "Not an administrator", body = ProblemSchema),
        (status = 404, description = "Unknown or deleted", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[get("/admin/users/{id}")]
pub(super) async fn get_user(
    service: Data<Service>,
    _: Staff,
    id: Path<UserId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let account = service.account(id.into_inner()).await?;
    Ok(answer(account))
}

/// Changes the roles of an account or its group of customers, or disables it: a merge patch. Disabling ends its sessions.
#[utoipa::path(
    tag = "admin",
    operation_id = "update_user",
    request_body = AccountChange,
    params(
        ("id" = UserId, Path),
        ("If-Match" = String, Header, description = "the version that is edited"),
    ),
    responses(
        (status = 200, description = "The account after the change", body = ManagedAccount),
        (status = 403, description = "Not an administrator", body = ProblemSchema),
        (status = 404, description = "Unknown or deleted", body = ProblemSchema),
        (status = 409, description = "`last_admin`: nobody could administer the shop any more", body = ProblemSchema),
        (status = 412, description = "The account has changed since it was read", body = ProblemSchema),
        (status = 422, description = "Fields are wrong", body = ProblemSchema),
        (status = 428, description = "`If-Match` is missing", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[patch("/admin/users/{id}")]
pub(super) async fn update_user(
    service: Data<Service>,
    staff: Staff,
    id: Path<UserId>,
    condition: IfMatch,
    body: Json<AccountChange>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let condition = condition.required()?;
    let account = service
        .change_account(staff.0, id.into_inner(), condition, body.into_inner())
        .await?;
    Ok(answer(account))
}

fn answer(account: Account) -> HttpResponse {
    private(StatusCode::OK)
        .insert_header(version_tag(account.version))
        .json(ManagedAccount::from(account))
}
