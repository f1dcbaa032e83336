//! Carts that were worked out by hand from published rules: each has to cost what its fixture says, and to be explained to the
//! last cent.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cart_pricing::{
    Allowance, Basket, Buyer, Delivery, Line, Offered, Prices, Promotion, ShippingMethod, ShippingTax, ShippingTerms,
    StepKind, TaxRate, TaxRelief, TaxZone, Tender, Terms, explain, price,
};
use chrono::{DateTime, Utc};
use kernel::Currency;
use kernel::address::Country;
use kernel::id::CustomerGroupId;
use product_api::{TaxClass, Traits};
use serde::Deserialize;
use uuid::Uuid;

/// A file of carts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// Tax zones by the names by which carts call them.
    #[serde(default)]
    taxes: BTreeMap<String, Zone>,
    #[serde(default)]
    shipping: BTreeMap<String, ShippingTerms>,
    carts: Vec<Golden>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Zone {
    prices_include_tax: bool,
    #[serde(default)]
    reverse_charge: bool,
    rates: Vec<TaxRate>,
    #[serde(default)]
    shipping: ShippingTax,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    /// What it shows, and by which rule.
    name: String,
    currency: Currency,
    lines: Vec<GoldenLine>,
    #[serde(default)]
    promotions: Vec<GoldenPromotion>,
    tax: Option<String>,
    shipping: Option<String>,
    country: Option<Country>,
    #[serde(default)]
    buyer: GoldenBuyer,
    /// Balances of gift cards.
    #[serde(default)]
    gift_cards: Vec<i64>,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenLine {
    quantity: i64,
    price: i64,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    class: TaxClass,
    #[serde(default)]
    grams: i64,
    /// Discount, tax and total.
    expected: (i64, i64, i64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenPromotion {
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    exclusive: bool,
    code: Option<String>,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    budget_left: Option<i64>,
    #[serde(default)]
    used_up: bool,
    terms: Terms,
    /// What it takes off, or the code of why it does not.
    expected: Outcome,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Outcome {
    Off(i64),
    Not(String),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GoldenBuyer {
    signed_in: bool,
    has_ordered: bool,
    group: Option<CustomerGroupId>,
    exempt: bool,
    reverse_charge: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Expected {
    subtotal: i64,
    #[serde(default)]
    discount: i64,
    #[serde(default)]
    shipping: i64,
    #[serde(default)]
    tax: i64,
    #[serde(default)]
    tax_included: i64,
    total: i64,
    #[serde(default)]
    gift_cards: i64,
    amount_due: i64,
}

#[test]
fn every_cart_costs_what_was_worked_out_by_hand() {
    let mut count = 0;
    for file in files() {
        let fixture: Fixture = toml::from_str(&fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for golden in &fixture.carts {
            golden.check(&fixture);
            count += 1;
        }
    }
    assert!(count >= 40, "{count}");
}

fn files() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

impl Golden {
    fn check(&self, fixture: &Fixture) {
        let traits: Vec<Traits> = self.lines.iter().map(GoldenLine::traits).collect();
        let offered: Vec<Offered> = self
            .promotions
            .iter()
            .zip(1..)
            .map(|(one, number)| one.offered(number))
            .collect();
        let zone = self.tax.as_ref().map(|name| fixture.taxes[name].zone());
        let method = self.shipping.as_ref().map(|name| ShippingMethod {
            id: Uuid::from_u128(1).into(),
            name: name.clone(),
            terms: fixture.shipping[name].clone(),
        });
        let tenders: Vec<Tender> = self
            .gift_cards
            .iter()
            .zip(1..)
            .map(|(balance, number)| tender(*balance, number))
            .collect();
        let lines = self.lines.iter().zip(&traits).zip(1..);
        let basket = Basket {
            currency: self.currency,
            now: "2026-06-15T12:00:00Z".parse().unwrap(),
            lines: lines
                .map(|((line, traits), number)| line.line(traits, number))
                .collect(),
            buyer: self.buyer.buyer(),
            country: self.country,
            promotions: &offered,
            delivery: method.as_ref().map(|method| Delivery { method, quoted: None }),
            tax: zone.as_ref(),
            tenders: &tenders,
        };
        let prices = price(&basket).unwrap();
        self.compare(&basket, &prices);
        // In whatever order a cart is filled.
        let mut turned = basket.clone();
        turned.lines.reverse();
        let other = price(&turned).unwrap();
        assert_eq!(other.totals, prices.totals, "{}", self.name);
        assert!(other.lines.iter().rev().eq(&prices.lines), "{}", self.name);
    }

    fn compare(&self, basket: &Basket<'_>, prices: &Prices) {
        let name = &self.name;
        let totals = &prices.totals;
        let found = Expected {
            subtotal: totals.subtotal.amount,
            discount: totals.discount.amount,
            shipping: totals.shipping.amount,
            tax: totals.tax.amount,
            tax_included: totals.tax_included.amount,
            total: totals.total.amount,
            gift_cards: totals.gift_cards.amount,
            amount_due: totals.amount_due.amount,
        };
        let lines = prices
            .lines
            .iter()
            .map(|line| (line.discount.amount, line.tax.amount, line.total.amount));
        let expected: Vec<(i64, i64, i64)> = self.lines.iter().map(|line| line.expected).collect();
        assert_eq!(lines.collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(found, self.expected, "{name}");
        for (number, promotion) in self.promotions.iter().enumerate() {
            let id = basket.promotions[number].promotion.id;
            let outcome = prices
                .promotions
                .iter()
                .find(|outcome| outcome.promotion == id)
                .unwrap();
            let told = match outcome.result {
                Ok(amount) => Outcome::Off(amount),
                Err(why) => Outcome::Not(why.code().to_owned()),
            };
            assert_eq!(told, promotion.expected, "{name}: promotion {number}");
        }
        let steps = explain(basket, prices);
        let is_tender = |kind: &StepKind| matches!(kind, StepKind::GiftCard { .. });
        let all: i64 = steps.iter().map(|step| step.amount.amount).sum();
        let tenders = steps.iter().filter(|step| is_tender(&step.kind));
        let paid: i64 = tenders.map(|step| step.amount.amount).sum();
        assert_eq!(all, totals.amount_due.amount, "{name}: {steps:?}");
        assert_eq!(all - paid, totals.total.amount, "{name}: {steps:?}");
    }
}

impl GoldenLine {
    fn traits(&self) -> Traits {
        Traits {
            tags: self.tags.clone(),
            tax_class: self.class.clone(),
            weight_grams: self.grams,
            requires_shipping: true,
            ..Traits::default()
        }
    }

    fn line<'a>(&self, traits: &'a Traits, number: u128) -> Line<'a> {
        Line {
            item: Uuid::from_u128(number).into(),
            variant: Uuid::from_u128(number).into(),
            product: Uuid::from_u128(number).into(),
            quantity: self.quantity,
            unit_price: self.price,
            traits,
        }
    }
}

impl GoldenPromotion {
    fn offered(&self, number: u128) -> Offered {
        self.terms.check("").unwrap();
        Offered {
            promotion: Arc::new(Promotion {
                id: Uuid::from_u128(number).into(),
                name: format!("promotion {number}"),
                priority: self.priority,
                exclusive: self.exclusive,
                starts_at: self.starts_at,
                ends_at: self.ends_at,
                terms: self.terms.clone(),
            }),
            code: self.code.clone(),
            allowance: Allowance {
                is_used_up: self.used_up,
                is_used_up_by_buyer: false,
                budget_left: self.budget_left,
            },
        }
    }
}

impl Zone {
    fn zone(&self) -> TaxZone {
        TaxZone {
            id: Uuid::from_u128(1).into(),
            name: "zone".to_owned(),
            areas: Vec::new(),
            prices_include_tax: self.prices_include_tax,
            reverse_charge: self.reverse_charge,
            rates: self.rates.clone(),
            shipping: self.shipping.clone(),
        }
    }
}

impl GoldenBuyer {
    fn buyer(&self) -> Buyer {
        let relief = self.exempt.then_some(TaxRelief::Exempt);
        Buyer {
            is_signed_in: self.signed_in,
            group: self.group,
            has_ordered: self.has_ordered,
            relief: relief.or(self.reverse_charge.then_some(TaxRelief::ReverseCharge)),
        }
    }
}

fn tender(balance: i64, number: u128) -> Tender {
    Tender {
        id: Uuid::from_u128(number).into(),
        name: format!("card {number}"),
        balance,
    }
}
