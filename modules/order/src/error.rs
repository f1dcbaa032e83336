//! Why the order module refuses or fails.

use actix_web::http::StatusCode;
use cart_api::CartError;
use kernel::http::precondition::precondition_failed;
use kernel::id::OrderId;
use kernel::{Fault, FieldErrors, Problem};
use product_api::{ProductError, Shortage};
use std::time::Duration;

use crate::domain::Status;
use crate::domain::documents::CreditRefusal;
use crate::domain::edit::EditRefusal;
use crate::domain::returning::ReturnStatus;
use crate::providers::EventRefusal;

/// Why the order module refuses or fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OrderError {
    /// Unknown, or somebody else's.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// Fields are wrong.
    #[error("{0}")]
    Invalid(FieldErrors),
    /// The cart says no.
    #[error(transparent)]
    Cart(CartError),
    /// There is not enough stock.
    #[error("not enough stock")]
    InsufficientStock(Vec<Shortage>),
    /// The payment was refused, with a code such as `card_declined`; the order waits for another.
    #[error("the payment was declined")]
    Declined {
        /// The order that still waits for its payment.
        order: OrderId,
        /// Why, e.g. `insufficient_funds`.
        reason: String,
    },
    /// The outcome of a payment, or of something asked about it, is not known yet.
    #[error("a payment of this order is being processed; try again in a moment")]
    PaymentInProgress,
    /// The order was tried to pay too often.
    #[error("this order was tried to pay too often; cancel it and order again")]
    TooManyAttempts,
    /// The money was moved by hand, and only staff can move it back.
    #[error("the shop has to return the money by hand; ask it to cancel the order")]
    ReturnedByHand,
    /// The order is not in a state in which this can be done.
    #[error("an order that is {} cannot be {action}", status.name())]
    WrongState {
        /// What was asked, as a participle: `paid`, `cancelled`.
        action: &'static str,
        /// How the order stands.
        status: Status,
    },
    /// The draft is an order already.
    #[error("the draft is an order already")]
    DraftOrdered(OrderId),
    /// The parcel is not in a state in which this can be done; how it is.
    #[error("the parcel is {0}")]
    ParcelIs(&'static str),
    /// The return is not in a state in which this can be done.
    #[error("the return is {}", .0.name())]
    ReturnIs(ReturnStatus),
    /// Its buyer has asked to return goods of the order too often.
    #[error("goods of this order were to be returned too often; ask the shop")]
    TooManyReturns,
    /// Prices contain tax in another way than when the order was placed.
    #[error("prices contain tax in another way than when the order was placed; make a new order instead")]
    OtherTaxes,
    /// Gift cards have paid more than the order would then cost.
    #[error("gift cards have paid more than the order would then cost; cancel it, or take less off it")]
    PaidByGiftCards,
    /// No payment of the order is in a state in which this can be done.
    #[error("no payment of this order can be {0}")]
    NoSuitablePayment(&'static str),
    /// The provider refuses what was asked about a payment.
    #[error("the payment provider refuses: {0}")]
    ProviderRefused(String),
    /// An event of a payment provider is not taken.
    #[error("{0}")]
    EventRefused(EventRefusal),
    /// Somebody is working on the event just now.
    #[error("the event is being worked on; try again in a moment")]
    EventInProgress,
    /// The order is billed already, by the document with this number.
    #[error("the order is billed already, by {0}; credit that first")]
    AlreadyInvoiced(String),
    /// The order has no invoice of which anything is left.
    #[error("the order has no invoice of which something is left to be credited")]
    NotInvoiced,
    /// An invoice cannot be credited like that.
    #[error(transparent)]
    Credit(#[from] CreditRefusal),
    /// The endpoint is not sent anything as long as it is disabled.
    #[error("the webhook endpoint is disabled; enable it first")]
    EndpointDisabled,
    /// A ticket was good once.
    #[error("the ticket has expired; get a new one")]
    TicketExpired,
    /// Too many watch the order, or orders at all, through this process.
    #[error("too many are watching; try again later")]
    TooManyWatchers,
    /// The order has changed since the client read it; its present version.
    #[error("the order is at version {0}")]
    VersionMismatch(i64),
    /// A technical failure.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<CartError> for OrderError {
    fn from(error: CartError) -> Self {
        match error {
            CartError::Fault(fault) => Self::Fault(fault),
            refusal => Self::Cart(refusal),
        }
    }
}

impl From<EditRefusal> for OrderError {
    fn from(refusal: EditRefusal) -> Self {
        match refusal {
            EditRefusal::Invalid(errors) => Self::Invalid(errors),
            EditRefusal::OtherTaxes => Self::OtherTaxes,
            EditRefusal::PaidByGiftCards => Self::PaidByGiftCards,
            EditRefusal::Money(error) => Self::Invalid(FieldErrors::one("/add", "too_large", error.to_string())),
        }
    }
}

impl From<ProductError> for OrderError {
    fn from(error: ProductError) -> Self {
        match error {
            ProductError::Fault(fault) => Self::Fault(fault),
            ProductError::InsufficientStock(lines) => Self::InsufficientStock(lines),
            // The stock was released under our feet: the order was given up meanwhile, and trying again makes a new one.
            other => Self::Fault(Fault::unavailable(format!("product: {other}"))),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        let detail = error.to_string();
        match error {
            OrderError::NotFound(what) => Self::not_found(what),
            OrderError::Invalid(errors) => Self::invalid(errors),
            OrderError::Cart(error) => error.into(),
            OrderError::InsufficientStock(lines) => Self::conflict("insufficient_stock", detail).with("lines", lines),
            OrderError::Declined { order, reason } => {
                Self::new(StatusCode::PAYMENT_REQUIRED, "payment_declined", detail)
                    .with("order_id", order)
                    .with("decline_code", reason)
            }
            OrderError::PaymentInProgress => {
                Self::conflict("payment_in_progress", detail).with_retry_after(Duration::from_secs(1))
            }
            OrderError::TooManyAttempts => Self::conflict("too_many_attempts", detail),
            OrderError::ReturnedByHand => Self::conflict("returned_by_hand", detail),
            OrderError::WrongState { status, .. } => Self::conflict("wrong_state", detail).with("order_status", status),
            OrderError::DraftOrdered(order) => Self::conflict("draft_ordered", detail).with("order_id", order),
            OrderError::ParcelIs(_) | OrderError::ReturnIs(_) => Self::conflict("wrong_state", detail),
            OrderError::TooManyReturns => Self::conflict("too_many_returns", detail),
            OrderError::OtherTaxes => Self::conflict("other_taxes", detail),
            OrderError::PaidByGiftCards => Self::conflict("paid_by_gift_cards", detail),
            OrderError::NoSuitablePayment(_) => Self::conflict("no_suitable_payment", detail),
            OrderError::ProviderRefused(_) => Self::conflict("provider_refused", detail),
            OrderError::EventRefused(refusal) => Self::bad_request(code_of(refusal), detail),
            OrderError::EventInProgress => {
                Self::conflict("event_in_progress", detail).with_retry_after(Duration::from_secs(1))
            }
            OrderError::AlreadyInvoiced(_) => Self::conflict("already_invoiced", detail),
            OrderError::NotInvoiced => Self::conflict("not_invoiced", detail),
            OrderError::Credit(refusal) => match refusal {
                CreditRefusal::NothingLeft => Self::conflict("nothing_to_credit", detail),
                CreditRefusal::MoreThanLeft(_) | CreditRefusal::MorePiecesThanLeft { .. } => {
                    Self::conflict("exceeds_invoice", detail)
                }
                CreditRefusal::NoSuchLine => Self::invalid(FieldErrors::one("/lines", "unknown_line", detail)),
                CreditRefusal::OtherCurrency(_) => {
                    Self::invalid(FieldErrors::one("/amount/currency", "other_currency", detail))
                }
            },
            OrderError::EndpointDisabled => Self::conflict("endpoint_disabled", detail),
            OrderError::TicketExpired => Self::unauthenticated("ticket_expired", detail),
            OrderError::TooManyWatchers => Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_watchers", detail)
                .with_retry_after(Duration::from_secs(10)),
            OrderError::VersionMismatch(version) => precondition_failed(version),
            OrderError::Fault(fault) => fault.into(),
        }
    }
}

/// A sender learns no more than that its signature does not hold.
fn code_of(refusal: EventRefusal) -> &'static str {
    match refusal {
        EventRefusal::Signature | EventRefusal::Stale => "invalid_signature",
        EventRefusal::Mode => "wrong_mode",
        EventRefusal::Unreadable => "unreadable_event",
    }
}
