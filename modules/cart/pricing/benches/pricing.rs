//! How long it takes to price a cart of a hundred lines where fifty promotions are in force.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;

use cart_pricing::{
    Action, Allowance, Basket, Buyer, Conditions, Line, Offered, Promotion, Selection, ShippingTax, TaxRate, TaxZone,
    Terms, explain, price,
};
use criterion::{Criterion, criterion_group, criterion_main};
use kernel::{Currency, Money, Text};
use product_api::{TaxClass, Traits};
use uuid::Uuid;

const LINES: u128 = 100;
const PROMOTIONS: u128 = 50;

/// All kinds of promotions, most of which apply: ten for all lines, the others for some by their tags.
fn promotions(currency: Currency) -> Vec<Offered> {
    let offered = |number: u128| {
        let amount = |amount| vec![Money::new(amount, currency)];
        let percent = "1.5".parse().unwrap();
        let action = match number % 5 {
            0 | 1 => Action::Percentage {
                percent,
                at_most: Vec::new(),
            },
            2 => Action::FixedAmount { amounts: amount(150) },
            3 => Action::FixedAmountEach { amounts: amount(3) },
            _ => Action::BuyGet {
                buy: 3,
                get: 1,
                of: None,
                percent,
                times: None,
            },
        };
        let tags = if number < 10 { Vec::new() } else { vec![tag(number)] };
        Offered {
            promotion: Arc::new(Promotion {
                id: Uuid::from_u128(number).into(),
                name: format!("Promotion {number}"),
                priority: i32::try_from(number % 7).unwrap(),
                exclusive: false,
                starts_at: None,
                ends_at: None,
                terms: Terms {
                    items: Selection {
                        tags,
                        ..Selection::default()
                    },
                    conditions: Conditions::default(),
                    action,
                },
            }),
            code: None,
            allowance: Allowance::default(),
        }
    };
    (0..PROMOTIONS).map(offered).collect()
}

fn tag(number: u128) -> Text<1, 120> {
    Text::parse(format!("tag {}", number % 20)).unwrap()
}

fn zone() -> TaxZone {
    let rate = |tax_class: &str, percent: &str| TaxRate {
        tax_class: TaxClass::parse(tax_class).unwrap(),
        name: Text::parse("VAT").unwrap(),
        percent: percent.parse().unwrap(),
    };
    TaxZone {
        id: Uuid::from_u128(1).into(),
        name: "Germany".to_owned(),
        areas: Vec::new(),
        prices_include_tax: true,
        reverse_charge: false,
        rates: vec![rate("standard", "19"), rate("reduced", "7")],
        shipping: ShippingTax::AsGoods,
    }
}

fn pricing(criterion: &mut Criterion) {
    let currency: Currency = "EUR".parse().unwrap();
    let traits = |number: u128| Traits {
        tags: (0..3).map(|step| tag(number + 7 * step).into_string()).collect(),
        tax_class: match number % 3 {
            0 => TaxClass::parse("reduced").unwrap(),
            _ => TaxClass::default(),
        },
        requires_shipping: true,
        ..Traits::default()
    };
    let traits: Vec<Traits> = (0..LINES).map(traits).collect();
    let line = |(traits, number): (_, u128)| Line {
        item: Uuid::from_u128(number).into(),
        variant: Uuid::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into(),
        product: Uuid::from_u128(number).into(),
        quantity: 1 + i64::try_from(number % 4).unwrap(),
        unit_price: 1_000 + i64::try_from(number * 37 % 900).unwrap(),
        traits,
    };
    let (promotions, zone) = (promotions(currency), zone());
    let basket = Basket {
        currency,
        now: "2026-06-15T12:00:00Z".parse().unwrap(),
        lines: traits.iter().zip(1..).map(line).collect(),
        buyer: Buyer::default(),
        country: None,
        promotions: &promotions,
        delivery: None,
        tax: Some(&zone),
        tenders: &[],
    };
    let prices = price(&basket).unwrap();
    let applied = prices
        .promotions
        .iter()
        .filter(|outcome| outcome.result.is_ok())
        .count();
    assert!(applied > 40, "{applied}");
    criterion.bench_function("100 lines, 50 promotions", |bencher| {
        bencher.iter(|| price(black_box(&basket)))
    });
    criterion.bench_function("the same, explained", |bencher| {
        bencher.iter(|| explain(black_box(&basket), &prices))
    });
}

criterion_group!(benches, pricing);
criterion_main!(benches);
