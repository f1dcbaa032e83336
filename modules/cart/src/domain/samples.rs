//! Sample carts and quotes for the tests of the rules.

use chrono::{DateTime, TimeDelta, Utc};
use kernel::address::{Address, Country};
use kernel::id::{ItemId, ProductId, VariantId};
use kernel::{Currency, Money, Text};
use product_api::{Quote, QuotedPrice, Traits};

use super::{Cart, Item};

pub(crate) fn usd() -> Currency {
    "USD".parse().unwrap()
}

pub(crate) fn dollars(amount: i64) -> Money {
    Money::new(amount, usd())
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(crate) fn cart(items: Vec<Item>) -> Cart {
    Cart {
        items,
        ..Cart::new(None, usd(), "en".parse().unwrap(), now(), TimeDelta::days(1))
    }
}

pub(crate) fn item(quantity: i64, price: i64) -> Item {
    Item {
        id: ItemId::generate(),
        variant: VariantId::generate(),
        product: ProductId::generate(),
        sku: None,
        title: "Shirt".to_owned(),
        variant_title: "S".to_owned(),
        image_url: None,
        quantity,
        unit_price: dollars(price),
        accepted_price: dollars(price),
        problem: None,
        traits: Traits::default(),
    }
}

pub(crate) fn quote(variant: VariantId, price: i64, available: i64) -> Quote {
    Quote {
        variant,
        product: ProductId::generate(),
        sku: Some("SHIRT-S".to_owned()),
        title: "Shirt".to_owned(),
        variant_title: "S".to_owned(),
        image_url: None,
        prices: vec![QuotedPrice {
            min_quantity: 1,
            unit_price: dollars(price),
        }],
        available,
        on_sale: true,
        traits: Traits::default(),
    }
}

pub(crate) fn address() -> Address {
    Address {
        name: Text::parse("Ada Lovelace").unwrap(),
        company: None,
        line1: Text::parse("12 St James's Square").unwrap(),
        line2: None,
        city: Text::parse("London").unwrap(),
        region: None,
        postal_code: Text::parse("SW1Y 4JH").unwrap(),
        country: Country::parse("GB").unwrap(),
        phone: None,
    }
}
