//! Invoices and credit notes: issued by staff, read by them and by the order's buyer.

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use kernel::http::{FromQuery, IdempotencyKey, Json, Path, Query, QueryParameters, query::NoParameters};
use kernel::id::{DocumentId, LineId, OrderId};
use kernel::identity::{Caller, Holder, OrderSecret, Staff};
use kernel::problem::ProblemSchema;
use kernel::{FieldErrors, Money, Page, Problem, Text};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::refusal::OrderRefusal;
use crate::domain::Actor;
use crate::domain::documents::{Credit, Document, LineCredit};
use crate::service::{CreditContent, ListDocuments, Service};

/// How many lines a credit note may name: as many as an order has.
const MAX_LINES: usize = 100;

/// Mounts the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_invoice)
        .service(create_credit_note)
        .service(list_order_documents)
        .service(find_document)
        .service(get_document_file)
        .service(list_own_documents)
        .service(get_own_document_file);
}

/// Nothing more than the route says: all of the order is billed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvoice {}

/// What is credited: an `amount`, or `lines` and `shipping`, or all that is left where none of them is given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCreditNote {
    /// So much, tax included; it is spread over what is left of the invoice.
    #[serde(default)]
    amount: Option<Money>,
    /// Pieces of the order's lines; at most 100.
    #[serde(default)]
    lines: Option<Vec<CreditedLine>>,
    /// Whether shipping is credited, too.
    #[serde(default)]
    shipping: bool,
    /// Why, as it stands on the credit note.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    reason: Option<Text<1, 200>>,
}

/// Pieces of a line.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreditedLine {
    line_id: LineId,
    /// From 1 to as many as were billed.
    quantity: i64,
}

impl NewCreditNote {
    fn into_content(self, actor: Actor) -> Result<CreditContent, FieldErrors> {
        let is_by_line = self.lines.is_some() || self.shipping;
        let credit = match (self.amount, is_by_line) {
            (Some(_), true) => {
                return Err(FieldErrors::one(
                    "/amount",
                    "not_together",
                    "is given with neither lines nor shipping",
                ));
            }
            (Some(amount), false) if amount.amount < 1 => {
                return Err(FieldErrors::one("/amount/amount", "too_small", "must be at least 1"));
            }
            (Some(amount), false) => Credit::Amount(amount),
            (None, true) => Credit::Lines {
                lines: line_credits(self.lines.unwrap_or_default())?,
                shipping: self.shipping,
            },
            (None, false) => Credit::Rest,
        };
        Ok(CreditContent {
            credit,
            reason: self.reason.map(Into::into),
            actor,
        })
    }
}

fn line_credits(lines: Vec<CreditedLine>) -> Result<Vec<LineCredit>, FieldErrors> {
    if lines.len() > MAX_LINES {
        return Err(FieldErrors::one("/lines", "too_long", "must be at most 100 lines"));
    }
    let credit = |(index, line): (usize, CreditedLine)| match line.quantity {
        1.. => Ok(LineCredit {
            line: line.line_id,
            quantity: line.quantity,
        }),
        _ => {
            let pointer = format!("/lines/{index}/quantity");
            Err(FieldErrors::one(pointer, "too_small", "must be at least 1"))
        }
    };
    lines.into_iter().enumerate().map(credit).collect()
}

/// `limit` and `cursor`.
struct DocumentQuery(ListDocuments);

impl FromQuery for DocumentQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self(ListDocuments {
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        })
    }
}

/// Bills an order: the whole of it, as it was placed.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "create_invoice",
    request_body = NewInvoice,
    params(("id" = OrderId, Path), ("Idempotency-Key" = String, Header)),
    responses(
        (status = 201, description = "The invoice", body = Document),
        (status = 404, description = "No such order", body = ProblemSchema),
        (status = 409, description = "`already_invoiced`, `wrong_state`, `request_in_progress`", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/invoices")]
async fn create_invoice(
    service: Data<Service>,
    staff: Staff,
    id: Path<OrderId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewInvoice>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let call = key.required(
        "create_invoice",
        staff.0.user,
        &[order.to_string().as_bytes(), body.bytes()],
    )?;
    let issued = service.create_invoice(order, Actor::Staff(staff.0.user), call).await?;
    Ok(issued.respond(StatusCode::CREATED, Some("/api/v1/admin/documents/{id}")))
}

/// Credits an order's invoice: an amount, some goods, or all that is left.
///
/// Never more than was billed, however often. This moves no money.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "create_credit_note",
    request_body = NewCreditNote,
    params(("id" = OrderId, Path), ("Idempotency-Key" = String, Header)),
    responses(
        (status = 201, description = "The credit note", body = Document),
        (status = 404, description = "No such order", body = ProblemSchema),
        (status = 409, description = "`not_invoiced`, `nothing_to_credit`, `exceeds_invoice`, `request_in_progress`",
            body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/credit-notes")]
async fn create_credit_note(
    service: Data<Service>,
    staff: Staff,
    id: Path<OrderId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewCreditNote>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let call = key.required(
        "create_credit_note",
        staff.0.user,
        &[order.to_string().as_bytes(), body.bytes()],
    )?;
    let content = body
        .into_inner()
        .into_content(Actor::Staff(staff.0.user))
        .map_err(Problem::invalid)?;
    let issued = service.create_credit_note(order, content, call).await?;
    Ok(issued.respond(StatusCode::CREATED, Some("/api/v1/admin/documents/{id}")))
}

/// The invoices and credit notes of an order, newest first.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "list_order_documents",
    params(("id" = OrderId, Path), ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page of documents", body = Page<Document>),
        (status = 404, description = "No such order", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/orders/{id}/documents")]
async fn list_order_documents(
    service: Data<Service>,
    _: Staff,
    id: Path<OrderId>,
    query: Query<DocumentQuery>,
) -> Result<HttpResponse, Problem> {
    let page = service.documents_of(id.into_inner(), query.into_inner().0).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// An invoice or a credit note, as it was issued.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "find_document",
    params(("id" = DocumentId, Path)),
    responses(
        (status = 200, description = "The document", body = Document),
        (status = 404, description = "No such document", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/documents/{id}")]
async fn find_document(
    service: Data<Service>,
    _: Staff,
    id: Path<DocumentId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let document = service.document(id.into_inner()).await.map_err(Problem::from)?;
    Ok(HttpResponse::Ok().json(document))
}

/// The same as a file to print.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "get_document_file",
    params(("id" = DocumentId, Path)),
    responses(
        (status = 200, description = "The document", content_type = "application/pdf", body = Vec<u8>),
        (status = 404, description = "No such document", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/documents/{id}/pdf")]
async fn get_document_file(
    service: Data<Service>,
    _: Staff,
    id: Path<DocumentId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let document = service.document(id.into_inner()).await.map_err(Problem::from)?;
    file(&service, document).await
}

/// The invoices and credit notes of one's order, newest first.
#[utoipa::path(
    tag = "orders",
    operation_id = "list_own_documents",
    params(
        ("id" = OrderId, Path),
        ("Order-Secret" = Option<String>, Header),
        ("limit" = Option<i64>, Query),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "A page of documents", body = Page<Document>),
        (status = 404, description = "No such order", body = ProblemSchema),
    ),
    security((), ("bearer" = []), ("order_secret" = []))
)]
#[get("/orders/{id}/documents")]
async fn list_own_documents(
    service: Data<Service>,
    caller: Caller,
    secret: OrderSecret,
    id: Path<OrderId>,
    query: Query<DocumentQuery>,
) -> Result<HttpResponse, Problem> {
    let page = service
        .own_documents(id.into_inner(), holder(&caller, secret), query.into_inner().0)
        .await?;
    Ok(HttpResponse::Ok().json(page))
}

/// An invoice or a credit note of one's order, as a file to print.
#[utoipa::path(
    tag = "orders",
    operation_id = "get_own_document_file",
    params(("id" = OrderId, Path), ("document_id" = DocumentId, Path), ("Order-Secret" = Option<String>, Header)),
    responses(
        (status = 200, description = "The document", content_type = "application/pdf", body = Vec<u8>),
        (status = 404, description = "No such document", body = ProblemSchema),
    ),
    security((), ("bearer" = []), ("order_secret" = []))
)]
#[get("/orders/{id}/documents/{document_id}/pdf")]
async fn get_own_document_file(
    service: Data<Service>,
    caller: Caller,
    secret: OrderSecret,
    path: Path<(OrderId, DocumentId)>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (order, document) = path.into_inner();
    let document = service
        .own_document(order, holder(&caller, secret), document)
        .await
        .map_err(Problem::from)?;
    file(&service, document).await
}

fn holder(caller: &Caller, secret: OrderSecret) -> Holder {
    Holder {
        user: caller.user(),
        group: caller.group(),
        secret: secret.0,
    }
}

async fn file(service: &Service, document: Document) -> Result<HttpResponse, Problem> {
    let name = document.file_name();
    let pdf = service.pdf(document).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/pdf")
        .insert_header((header::CONTENT_DISPOSITION, format!("inline; filename=\"{name}\"")))
        .body(pdf))
}
