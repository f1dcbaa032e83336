//! The public routes of orders.

mod admin;
mod documents;
mod export;
mod live;
mod payment_webhooks;
mod refusal;
mod returns;
mod sandbox;
mod webhooks;

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use cart_api::Overrides;
use kernel::address::Address;
use kernel::http::{
    FromQuery, IdempotencyKey, IfMatch, Json, Path, Query, QueryParameters, query::NoParameters, version_tag,
};
use kernel::id::{CartId, OrderId, ShippingMethodId};
use kernel::identity::{Caller, CartSecret, Holder, OrderSecret, SignedIn};
use kernel::keys::SecretKey;
use kernel::problem::ProblemSchema;
use kernel::text::Email;
use kernel::{Money, Page, Problem, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use self::refusal::OrderRefusal;
use crate::domain::Actor;
use crate::domain::view::{Audience, OrderView};
use crate::error::OrderError;
use crate::queries::reading::OrderFilter;
use crate::service::{ListOrders, PaymentChoice, PlaceOrder, Reply, Service};

/// Mounts the routes; those of the sandbox only where it is on.
pub(crate) fn routes(config: &mut ServiceConfig<'_>, sandbox: bool) {
    config
        .service(place_order)
        .service(list_orders)
        .service(find_order)
        .service(pay_order)
        .service(cancel_order)
        .service(list_payment_providers)
        .configure(returns::routes)
        // Before the routes of single orders, whose ids it would be taken for.
        .configure(export::routes)
        .configure(documents::routes)
        .configure(admin::routes)
        .configure(live::routes)
        .configure(payment_webhooks::routes)
        .configure(webhooks::routes);
    if sandbox {
        config.configure(sandbox::routes);
    }
}

/// An order to be placed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    cart_id: CartId,
    /// The version of the cart that the buyer was shown.
    cart_version: i64,
    /// The total that the buyer was shown: the cart's `totals.total`.
    expected_total: Money,
    payment: NewPayment,
    /// Set on the cart first, as the fields below are.
    #[serde(default)]
    email: Option<Email>,
    #[serde(default)]
    shipping_address: Option<Address>,
    #[serde(default)]
    billing_address: Option<Address>,
    #[serde(default)]
    shipping_method: Option<ShippingMethodId>,
}

/// How to pay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PaymentChoice)]
struct NewPayment {
    /// One of `GET /payment-providers`.
    #[schema(value_type = String, example = "sandbox")]
    provider: Text<1, 40>,
    /// The provider's own token for the buyer's means of payment.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "tok_ok")]
    method: Option<Text<1, 200>>,
    /// Where a buyer who has to be redirected comes back to.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    return_url: Option<Text<1, 2000>>,
}

impl From<NewPayment> for PaymentChoice {
    fn from(new: NewPayment) -> Self {
        Self {
            provider: new.provider.into(),
            method: new.method.map(Into::into),
            return_url: new.return_url.map(Into::into),
            amount: None,
        }
    }
}

/// How to pay what is missing for an order, or a part of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPayment)]
struct NewAttempt {
    /// One of `GET /payment-providers`.
    #[schema(value_type = String, example = "sandbox")]
    provider: Text<1, 40>,
    /// The provider's own token for the buyer's means of payment.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "tok_ok")]
    method: Option<Text<1, 200>>,
    /// Where a buyer who has to be redirected comes back to.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    return_url: Option<Text<1, 2000>>,
    /// How much; all that is missing where nothing is said. The order is placed when nothing is missing any more.
    #[serde(default)]
    amount: Option<Money>,
}

impl From<NewAttempt> for PaymentChoice {
    fn from(new: NewAttempt) -> Self {
        Self {
            provider: new.provider.into(),
            method: new.method.map(Into::into),
            return_url: new.return_url.map(Into::into),
            amount: new.amount,
        }
    }
}

/// Places an order.
///
/// Takes the cart as the buyer was shown it. 201 where the order is placed, 202 where the buyer or the provider has the
/// next word, 402 where the payment was declined: the order then waits for another try.
#[utoipa::path(
    tag = "orders",
    operation_id = "place_order",
    request_body = NewOrder,
    params(
        ("Idempotency-Key" = String, Header, description = "New for each order; the same one for its repeats"),
        ("Cart-Secret" = Option<String>, Header, description = "A guest's proof of the cart"),
    ),
    responses(
        (status = 201, description = "Placed", body = OrderWithSecret),
        (status = 202, description = "Waits for the buyer or the provider", body = OrderWithSecret),
        (status = 400, description = "Malformed, or `idempotency_key_required`", body = ProblemSchema),
        (status = 402, description = "`payment_declined`: the order waits for another try", body = OrderRefusal),
        (status = 404, description = "No such cart", body = ProblemSchema),
        (status = 409, description = "`insufficient_stock`, `price_changed`, `cart_changed`, `cart_completed`, \
            `cart_in_checkout`, `cart_closed`, `wrong_state`, `request_in_progress`", body = OrderRefusal),
        (status = 422, description = "`validation_failed`, `cart_not_ready`, `idempotency_key_reused`",
            body = OrderRefusal),
        (status = 503, description = "Busy; repeat with the same key", body = ProblemSchema),
    ),
    security((), ("bearer" = []), ("cart_secret" = []))
)]
#[post("/orders")]
async fn place_order(
    service: Data<Service>,
    secret_key: Data<SecretKey>,
    caller: Caller,
    secret: CartSecret,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewOrder>,
) -> Result<HttpResponse, Problem> {
    let holder = Holder {
        user: caller.user(),
        group: caller.group(),
        secret: secret.0,
    };
    let cart = body.cart_id;
    let scope = match (holder.user, &holder.secret) {
        (Some(user), _) => user.to_string(),
        (None, Some(secret)) if secret_key.is_guest_secret(cart, secret) => cart.to_string(),
        (None, _) => return Err(Problem::not_found("cart")),
    };
    let call = key.required("place_order", scope, &[body.bytes()])?;
    let new = body.into_inner();
    let request = PlaceOrder {
        cart,
        cart_version: new.cart_version,
        expected_total: new.expected_total,
        payment: new.payment.into(),
        overrides: Overrides {
            email: new.email,
            shipping_address: new.shipping_address,
            billing_address: new.billing_address,
            shipping_method: new.shipping_method,
        },
        holder,
    };
    let guest = caller.user().is_none();
    answer(service.place(request, call).await, guest.then_some(&secret_key))
}

/// The signed-in user's orders, newest first.
#[utoipa::path(
    tag = "orders",
    operation_id = "list_orders",
    params(("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page of orders", body = Page<OrderView>), (status = 401, description = "Not signed in", body = ProblemSchema)),
    security(("bearer" = []))
)]
#[get("/orders")]
async fn list_orders(service: Data<Service>, who: SignedIn, query: Query<PageQuery>) -> Result<HttpResponse, Problem> {
    let PageQuery { limit, cursor } = query.into_inner();
    let filter = OrderFilter {
        user: Some(who.user),
        ..OrderFilter::default()
    };
    Ok(HttpResponse::Ok().json(
        service
            .list(ListOrders {
                filter,
                audience: Audience::Buyer,
                limit,
                cursor,
            })
            .await?,
    ))
}

/// One order: the signed-in user's own, or a guest's by its secret.
#[utoipa::path(
    tag = "orders",
    operation_id = "find_order",
    params(("id" = OrderId, Path), ("Order-Secret" = Option<String>, Header)),
    responses((status = 200, description = "The order", body = OrderView), (status = 404, description = "No such order", body = ProblemSchema)),
    security((), ("bearer" = []), ("order_secret" = []))
)]
#[get("/orders/{id}")]
async fn find_order(
    service: Data<Service>,
    caller: Caller,
    secret: OrderSecret,
    id: Path<OrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let holder = Holder {
        user: caller.user(),
        group: caller.group(),
        secret: secret.0,
    };
    let order = service.find(id.into_inner(), holder).await.map_err(Problem::from)?;
    Ok(HttpResponse::Ok().insert_header(version_tag(order.version)).json(order))
}

/// Another try to pay an order that waits for its payment, or what is missing after a change; all of it, or a part.
#[utoipa::path(
    tag = "orders",
    operation_id = "pay_order",
    request_body = NewAttempt,
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = String, Header),
        ("Order-Secret" = Option<String>, Header),
    ),
    responses(
        (status = 201, description = "Placed", body = OrderWithSecret),
        (status = 202, description = "Waits for the buyer or the provider", body = OrderWithSecret),
        (status = 400, description = "Malformed, or `idempotency_key_required`", body = ProblemSchema),
        (status = 402, description = "`payment_declined`: the order waits for another try", body = OrderRefusal),
        (status = 404, description = "No such order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`, `payment_in_progress`, `too_many_attempts`, \
            `request_in_progress`", body = OrderRefusal),
    ),
    security((), ("bearer" = []), ("order_secret" = []))
)]
#[post("/orders/{id}/payments")]
async fn pay_order(
    service: Data<Service>,
    secret_key: Data<SecretKey>,
    (caller, secret): (Caller, OrderSecret),
    id: Path<OrderId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewAttempt>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let holder = Holder {
        user: caller.user(),
        group: caller.group(),
        secret: secret.0,
    };
    service.authorise(order, &holder).await.map_err(Problem::from)?;
    let call = key.required(
        "pay_order",
        scope(&holder, order),
        &[order.to_string().as_bytes(), body.bytes()],
    )?;
    let reply = service.pay(order, holder, body.into_inner().into(), call).await;
    answer(reply, caller.user().is_none().then_some(&secret_key))
}

/// Cancels an order that was not sent yet; what was paid is given back.
#[utoipa::path(
    tag = "orders",
    operation_id = "cancel_order",
    params(
        ("id" = OrderId, Path),
        ("Order-Secret" = Option<String>, Header),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "Cancelled", body = OrderView),
        (status = 404, description = "No such order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`, `payment_in_progress`, `returned_by_hand`, \
            `provider_refused`, `request_in_progress`", body = OrderRefusal),
        (status = 412, description = "`precondition_failed`", body = ProblemSchema),
    ),
    security((), ("bearer" = []), ("order_secret" = []))
)]
#[post("/orders/{id}/cancel")]
async fn cancel_order(
    service: Data<Service>,
    caller: Caller,
    secret: OrderSecret,
    id: Path<OrderId>,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let holder = Holder {
        user: caller.user(),
        group: caller.group(),
        secret: secret.0,
    };
    service.authorise(order, &holder).await.map_err(Problem::from)?;
    let call = key.call("cancel_order", scope(&holder, order), &[order.to_string().as_bytes()]);
    answer(service.cancel(order, Actor::Customer, condition, call).await, None)
}

/// A way of paying that the shop takes.
#[derive(Serialize, ToSchema)]
struct PaymentProvider {
    /// For `payment.provider`.
    #[schema(example = "manual")]
    name: &'static str,
}

/// What the shop takes.
#[derive(Serialize, ToSchema)]
struct PaymentProviderList {
    data: Vec<PaymentProvider>,
}

/// The payment providers that this shop takes.
#[utoipa::path(
    tag = "orders",
    operation_id = "list_payment_providers",
    responses((status = 200, description = "The providers", body = PaymentProviderList))
)]
#[get("/payment-providers")]
async fn list_payment_providers(service: Data<Service>, _: Query<NoParameters>) -> HttpResponse {
    let data = service
        .payment_providers()
        .iter()
        .map(|name| PaymentProvider { name })
        .collect();
    HttpResponse::Ok().json(PaymentProviderList { data })
}

/// `limit` and `cursor`.
struct PageQuery {
    limit: i64,
    cursor: Option<String>,
}

impl FromQuery for PageQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        }
    }
}

/// Whose idempotency key it is: the user's, or that of whoever holds the order's secret.
fn scope(holder: &Holder, order: OrderId) -> String {
    holder.user.map_or_else(|| order.to_string(), |user| user.to_string())
}

/// The HTTP answer of a reply. A guest gets the order's secret with it, also when the reply is a remembered one: secrets
/// are derived, never stored.
fn answer(reply: Result<Reply, OrderError>, secret_key: Option<&SecretKey>) -> Result<HttpResponse, Problem> {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => Reply::Refused(error.into()),
    };
    let secret = secret_key
        .zip(reply.order_id())
        .map(|(key, order)| key.guest_secret(order));
    match reply {
        Reply::Order(status, order) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let mut response = HttpResponse::build(status);
            response.insert_header(version_tag(order.version));
            if status == StatusCode::CREATED || status == StatusCode::ACCEPTED {
                response.insert_header((header::LOCATION, format!("/api/v1/orders/{}", order.id)));
            }
            Ok(response
                .content_type("application/json")
                .body(with_secret(order.json, secret)))
        }
        Reply::Stored(mut stored) => {
            let carries_secret = matches!(stored.status, 201 | 202 | 402);
            if let (Some(secret), true, Value::Object(body)) = (secret, carries_secret, &mut stored.body) {
                body.insert("secret".to_owned(), secret.into());
            }
            Ok(stored.respond(Some("/api/v1/orders/{id}")))
        }
        Reply::Refused(problem) if problem.status() == StatusCode::PAYMENT_REQUIRED => match secret {
            Some(secret) => Err(problem.with("secret", secret)),
            None => Err(problem),
        },
        Reply::Refused(problem) => Err(problem),
    }
}

/// An order and, for a guest, what proves it: one member more in the same JSON object.
fn with_secret(mut order: String, secret: Option<String>) -> String {
    if let (Some(secret), true) = (secret, order.ends_with('}')) {
        order.pop();
        order.push_str(&format!(",\"secret\":{}}}", Value::from(secret)));
    }
    order
}

/// The shape of what [`with_secret`] makes, for the OpenAPI document.
#[derive(Serialize, ToSchema)]
#[schema(as = PlacedOrder)]
struct OrderWithSecret {
    #[serde(flatten)]
    order: OrderView,
    /// A guest's alone, for the `Order-Secret` header: whoever has it may see, pay and cancel the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    secret: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_answer_is_the_same_object_with_its_secret() {
        let order = || r#"{"id":"ord_1","lines":[{}]}"#.to_owned();
        assert_eq!(with_secret(order(), None), order());
        let answer: Value = serde_json::from_str(&with_secret(order(), Some("s3\"cret".to_owned()))).unwrap();
        assert_eq!(
            answer,
            serde_json::json!({"id": "ord_1", "lines": [{}], "secret": "s3\"cret"})
        );
    }
}
