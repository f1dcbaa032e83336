//! Rows, and how they become domain types. What the database holds and the code does not know is a bug, and said so.

use cart_api::{LineTax, Pricing, Totals};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use kernel::address::Address;
use kernel::{Currency, Money};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::fulfilment::FulfilmentStatus;
use crate::domain::payment::{Payment, PaymentStatus};
use crate::domain::{Content, Line, Order, Status};
use crate::schema::{lines, orders, payments};

#[derive(Queryable, Selectable)]
#[diesel(table_name = orders)]
pub(super) struct OrderRow {
    id: Uuid,
    number: Option<String>,
    status: String,
    version: i64,
    user_id: Option<Uuid>,
    cart_id: Option<Uuid>,
    currency: Option<String>,
    email: Option<String>,
    subtotal: Option<i64>,
    discount: Option<i64>,
    shipping: Option<i64>,
    tax: Option<i64>,
    total: Option<i64>,
    gift_cards: Option<i64>,
    amount_due: Option<i64>,
    shipping_address: Option<Value>,
    billing_address: Option<Value>,
    fulfilment_status: String,
    payment_due_at: Option<DateTime<Utc>>,
    placed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    locale: Option<String>,
    tax_included: Option<i64>,
    pricing: Option<Value>,
    granted: i64,
}

impl OrderRow {
    pub(super) fn into_order(self) -> QueryResult<Order> {
        let content = self.content()?;
        Ok(Order {
            id: self.id.into(),
            status: Status::named(&self.status).ok_or_else(|| unreadable("orders.status", &self.status))?,
            // One that is still being placed may have none, and is shown to nobody.
            number: self.number.unwrap_or_default(),
            version: self.version,
            user: self.user_id.map(Into::into),
            cart: self.cart_id.map(Into::into),
            content,
            fulfilment_status: FulfilmentStatus::named(&self.fulfilment_status)
                .ok_or_else(|| unreadable("orders.fulfilment_status", &self.fulfilment_status))?,
            granted: self.granted,
            payment_due_at: self.payment_due_at,
            placed_at: self.placed_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }

    fn content(&self) -> QueryResult<Option<Content>> {
        let (Some(currency), Some(locale), Some(_)) = (&self.currency, &self.locale, self.total) else {
            return Ok(None);
        };
        let currency = currency_of(currency)?;
        let money = |amount: Option<i64>| Money::new(amount.unwrap_or(0), currency);
        let totals = Totals {
            subtotal: money(self.subtotal),
            discount: money(self.discount),
            shipping: money(self.shipping),
            tax: money(self.tax),
            tax_included: money(self.tax_included),
            total: money(self.total),
            gift_cards: money(self.gift_cards),
            amount_due: money(self.amount_due),
        };
        Ok(Some(Content {
            currency,
            locale: locale.parse().map_err(|_| unreadable("orders.locale", locale))?,
            email: self.email.clone().unwrap_or_default(),
            totals,
            shipping_address: address(self.shipping_address.as_ref())?,
            billing_address: address(self.billing_address.as_ref())?,
            pricing: match &self.pricing {
                Some(pricing) => {
                    Pricing::deserialize(pricing).map_err(|error| unreadable("orders.pricing", &error.to_string()))?
                }
                // Placed before anything stood behind the totals.
                None => Pricing::default(),
            },
        }))
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = lines)]
pub(super) struct LineRow {
    id: Uuid,
    pub(super) order_id: Uuid,
    variant_id: Uuid,
    product_id: Uuid,
    sku: Option<String>,
    title: String,
    variant_title: String,
    quantity: i64,
    unit_price: i64,
    discount: i64,
    tax: i64,
    total: i64,
    fulfilled: i64,
    announced: i64,
    returned: i64,
    taxes: Value,
    reservation_id: Option<Uuid>,
}

impl LineRow {
    pub(super) fn into_line(self, currency: Currency) -> QueryResult<Line> {
        let money = |amount| Money::new(amount, currency);
        let taxes = Vec::<LineTax>::deserialize(&self.taxes);
        Ok(Line {
            id: self.id.into(),
            variant_id: self.variant_id.into(),
            product_id: self.product_id.into(),
            sku: self.sku,
            title: self.title,
            variant_title: self.variant_title,
            quantity: self.quantity,
            unit_price: money(self.unit_price),
            discount: money(self.discount),
            tax: money(self.tax),
            total: money(self.total),
            taxes: taxes.map_err(|error| unreadable("lines.taxes", &error.to_string()))?,
            fulfilled_quantity: self.fulfilled,
            returned_quantity: self.returned,
            announced_quantity: self.announced,
            reservation: self.reservation_id.map(Into::into),
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = payments)]
pub(super) struct PaymentRow {
    id: Uuid,
    order_id: Uuid,
    provider: String,
    status: String,
    amount: i64,
    currency: String,
    captured: i64,
    refunded: i64,
    next_action: Option<Value>,
    failure: Option<String>,
    created_at: DateTime<Utc>,
}

impl PaymentRow {
    pub(super) fn into_payment(self) -> QueryResult<Payment> {
        Ok(Payment {
            id: self.id.into(),
            order: self.order_id.into(),
            provider: self.provider,
            status: PaymentStatus::named(&self.status).ok_or_else(|| unreadable("payments.status", &self.status))?,
            amount: Money::new(self.amount, currency_of(&self.currency)?),
            captured: self.captured,
            refunded: self.refunded,
            next_action: self.next_action,
            failure: self.failure,
            created_at: self.created_at,
        })
    }
}

pub(super) fn currency_of(code: &str) -> QueryResult<Currency> {
    code.parse().map_err(|_| unreadable("currency", code))
}

pub(crate) fn unreadable(column: &str, value: &str) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(format!("{column} holds the unknown value {value}").into())
}

fn address(json: Option<&Value>) -> QueryResult<Option<Address>> {
    let Some(json) = json else { return Ok(None) };
    serde::Deserialize::deserialize(json)
        .map(Some)
        .map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))
}
