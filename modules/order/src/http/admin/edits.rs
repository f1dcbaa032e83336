//! Changes of placed orders.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use kernel::address::Address;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, query::NoParameters};
use kernel::id::{LineId, OrderId, VariantId};
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::{FieldErrors, Money, Problem, Text};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::super::answer;
use super::super::refusal::OrderRefusal;
use crate::domain::Actor;
use crate::domain::edit::Reduction;
use crate::domain::view::OrderView;
use crate::service::{Addition, EditRequest, Service};

/// The most lines that a change names.
const MAX_LINES: usize = 100;

/// Mounts the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create_order_edit);
}

/// How an order is to be changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrderEdit)]
struct NewEdit {
    /// Lines of which fewer are bought: at what they cost before.
    #[serde(default)]
    lines: Vec<ReducedLine>,
    /// What is bought besides: at what it costs today.
    #[serde(default)]
    add: Vec<AddedLine>,
    /// Where the goods go instead.
    #[serde(default)]
    shipping_address: Option<Address>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    reason: Option<Text<1, 500>>,
}

/// A line of which fewer are bought.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReducedLine {
    line_id: LineId,
    /// How many are left of it; 0 takes it off the order.
    quantity: i64,
}

/// What is bought besides.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddedLine {
    variant_id: VariantId,
    /// 1 to 999.
    quantity: i64,
    /// What one costs, where that was agreed upon; otherwise what the catalogue says.
    #[serde(default)]
    unit_price: Option<Money>,
}

/// Changes a placed order. What it then costs less is given back; for what it costs more, the buyer is asked.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "create_order_edit",
    request_body = NewEdit,
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = Option<String>, Header),
        ("If-Match" = String, Header),
    ),
    responses(
        (status = 200, description = "The order as it is now", body = OrderView),
        (status = 404, description = "No such order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`, `insufficient_stock`, `other_taxes`, `paid_by_gift_cards`, \
            `request_in_progress`", body = OrderRefusal),
        (status = 412, description = "`precondition_failed`", body = ProblemSchema),
        (status = 422, description = "`validation_failed`", body = ProblemSchema),
        (status = 428, description = "`precondition_required`", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/edits")]
async fn create_order_edit(
    service: Data<Service>,
    staff: Staff,
    id: Path<OrderId>,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewEdit>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let condition = condition.required()?;
    let call = key.call(
        "create_order_edit",
        staff.0.user,
        &[order.to_string().as_bytes(), body.bytes()],
    );
    let new = body.into_inner();
    check(&new)?;
    let reduction = |line: ReducedLine| Reduction {
        line_id: line.line_id,
        quantity: line.quantity,
    };
    let addition = |line: AddedLine| Addition {
        variant_id: line.variant_id,
        quantity: line.quantity,
        unit_price: line.unit_price,
    };
    let request = EditRequest {
        lines: new.lines.into_iter().map(reduction).collect(),
        add: new.add.into_iter().map(addition).collect(),
        shipping_address: new.shipping_address,
        reason: new.reason.map(Into::into),
    };
    let actor = Actor::Staff(staff.0.user);
    answer(service.edit(order, request, actor, condition, call).await, None)
}

fn check(new: &NewEdit) -> Result<(), Problem> {
    let mut errors = FieldErrors::default();
    if new.lines.is_empty() && new.add.is_empty() && new.shipping_address.is_none() {
        errors.add("", "empty", "nothing is to be changed");
    }
    for (pointer, count) in [("/lines", new.lines.len()), ("/add", new.add.len())] {
        if count > MAX_LINES {
            errors.add(pointer, "too_many", format!("at most {MAX_LINES}"));
        }
    }
    for (index, line) in new.lines.iter().enumerate() {
        if line.quantity < 0 {
            errors.add(
                format!("/lines/{index}/quantity"),
                "out_of_range",
                "must not be below 0",
            );
        }
    }
    for (index, line) in new.add.iter().enumerate() {
        if !(1..=999).contains(&line.quantity) {
            errors.add(format!("/add/{index}/quantity"), "out_of_range", "must be 1 to 999");
        }
        if line.unit_price.is_some_and(|price| price.amount < 0) {
            errors.add(
                format!("/add/{index}/unit_price"),
                "out_of_range",
                "must not be below 0",
            );
        }
        if new.add[..index].iter().any(|other| other.variant_id == line.variant_id) {
            errors.add(
                format!("/add/{index}/variant_id"),
                "duplicate",
                "the variant is named twice",
            );
        }
    }
    errors.into_result().map_err(Problem::invalid)
}
