//! Carts that nobody would think of.

use std::sync::Arc;

use cart_pricing::{
    Action, Allowance, Basket, Buyer, Conditions, Delivery, Line, Offered, Promotion, Selection, ShippingMethod,
    ShippingPrice, ShippingTax, ShippingTerms, TaxRate, TaxRelief, TaxZone, Tender, Terms,
};
use kernel::{Currency, Money, Text};
use product_api::{TaxClass, Traits};
use proptest::prelude::*;
use uuid::Uuid;

const CLASSES: [&str; 3] = ["standard", "reduced", "none"];
const TAGS: [&str; 3] = ["sale", "new", "gift"];

/// A cart with all that its price depends on.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<(i64, i64, Traits)>,
    pub(crate) promotions: Vec<Offered>,
    pub(crate) zone: Option<TaxZone>,
    pub(crate) method: Option<ShippingMethod>,
    pub(crate) tenders: Vec<Tender>,
    pub(crate) is_relieved: bool,
}

impl Made {
    pub(crate) fn basket(&self) -> Basket<'_> {
        let lines = self.lines.iter().zip(1..);
        Basket {
            currency: self.currency,
            lines: lines
                .map(|((quantity, price, traits), number)| line(*quantity, *price, number, traits))
                .collect(),
            buyer: Buyer {
                relief: self.is_relieved.then_some(TaxRelief::Exempt),
                ..Buyer::default()
            },
            promotions: &self.promotions,
            delivery: self.method.as_ref().map(|method| Delivery { method, quoted: None }),
            tax: self.zone.as_ref(),
            tenders: &self.tenders,
            ..nothing()
        }
    }
}

pub(crate) fn nothing() -> Basket<'static> {
    Basket {
        currency: "EUR".parse().unwrap(),
        now: "2026-06-15T12:00:00Z".parse().unwrap(),
        lines: Vec::new(),
        buyer: Buyer::default(),
        country: None,
        promotions: &[],
        delivery: None,
        tax: None,
        tenders: &[],
    }
}

pub(crate) fn line(quantity: i64, unit_price: i64, number: u128, traits: &Traits) -> Line<'_> {
    Line {
        item: Uuid::from_u128(number).into(),
        variant: Uuid::from_u128(number).into(),
        product: Uuid::from_u128(number).into(),
        quantity,
        unit_price,
        traits,
    }
}

pub(crate) fn made() -> impl Strategy<Value = Made> {
    let currency = prop::sample::select(vec!["EUR", "JPY", "KWD"]).prop_map(|code| code.parse().unwrap());
    let promotions = prop::collection::vec(promotion(1), 0..8).prop_map(|mut promotions| {
        for (offered, number) in promotions.iter_mut().zip(1..) {
            Arc::make_mut(&mut offered.promotion).id = Uuid::from_u128(number).into();
        }
        promotions
    });
    (
        currency,
        prop::collection::vec(bought(), 0..12),
        promotions,
        prop::option::of(zone()),
        prop::option::of(method()),
        prop::collection::vec(0..1_000_000_i64, 0..3),
        any::<bool>(),
    )
        .prop_map(
            |(currency, lines, promotions, zone, method, balances, is_relieved)| Made {
                currency,
                lines,
                promotions,
                zone,
                method,
                tenders: balances
                    .iter()
                    .zip(1..)
                    .map(|(balance, number)| tender(*balance, number))
                    .collect(),
                is_relieved,
            },
        )
}

fn tender(balance: i64, number: u128) -> Tender {
    Tender {
        id: Uuid::from_u128(number).into(),
        name: format!("card {number}"),
        balance,
    }
}

fn bought() -> impl Strategy<Value = (i64, i64, Traits)> {
    let price = prop_oneof![0..200_i64, 0..100_000_i64, Just(999_999_999_999)];
    let tags = prop::sample::subsequence(TAGS.to_vec(), 0..=TAGS.len());
    let class = prop::sample::select(CLASSES.to_vec());
    (1..=999_i64, price, tags, class, any::<bool>(), 0..3_000_i64).prop_map(
        |(quantity, price, tags, class, requires_shipping, weight_grams)| {
            let traits = Traits {
                tags: tags.into_iter().map(str::to_owned).collect(),
                tax_class: TaxClass::parse(class).unwrap(),
                weight_grams,
                requires_shipping,
                ..Traits::default()
            };
            (quantity, price, traits)
        },
    )
}

/// One with this id, in all currencies.
pub(crate) fn promotion(id: u128) -> impl Strategy<Value = Offered> {
    let conditions = prop_oneof![
        3 => Just(Conditions::default()),
        1 => (0..50_000_i64).prop_map(|least| Conditions { subtotal_at_least: amounts(least), ..Conditions::default() }),
        1 => (1..500_i64).prop_map(|least| Conditions { quantity_at_least: Some(least), ..Conditions::default() }),
    ];
    let budget = prop::option::weighted(0.2, 0..100_000_i64);
    (
        selection(),
        conditions,
        action(),
        -3..3_i32,
        prop::bool::weighted(0.15),
        budget,
    )
        .prop_map(
            move |(items, conditions, action, priority, exclusive, budget_left)| Offered {
                promotion: Arc::new(Promotion {
                    id: Uuid::from_u128(id).into(),
                    name: "promotion".to_owned(),
                    priority,
                    exclusive,
                    starts_at: None,
                    ends_at: None,
                    terms: Terms {
                        items,
                        conditions,
                        action,
                    },
                }),
                code: None,
                allowance: Allowance {
                    budget_left,
                    ..Allowance::default()
                },
            },
        )
}

fn selection() -> impl Strategy<Value = Selection> {
    prop::option::of(prop::sample::select(TAGS.to_vec())).prop_map(|tag| Selection {
        tags: tag.map(|tag| Text::parse(tag).unwrap()).into_iter().collect(),
        ..Selection::default()
    })
}

fn action() -> impl Strategy<Value = Action> {
    let percent =
        || (0..=1_000_000_u32).prop_map(|part| format!("{}.{:04}", part / 10_000, part % 10_000).parse().unwrap());
    let most = || prop::option::of(0..50_000_i64).prop_map(|most| most.map(amounts).unwrap_or_default());
    let amount = || (0..30_000_i64).prop_map(amounts);
    prop_oneof![
        (percent(), most()).prop_map(|(percent, at_most)| Action::Percentage { percent, at_most }),
        amount().prop_map(|amounts| Action::FixedAmount { amounts }),
        amount().prop_map(|amounts| Action::FixedAmountEach { amounts }),
        amount().prop_map(|amounts| Action::FixedPrice { amounts }),
        most().prop_map(|at_most| Action::FreeShipping { at_most }),
        (
            1..5_i64,
            1..5_i64,
            prop::option::of(selection()),
            percent(),
            prop::option::of(1..10_i64)
        )
            .prop_map(|(buy, get, of, percent, times)| Action::BuyGet {
                buy,
                get,
                of,
                percent,
                times
            }),
    ]
}

fn zone() -> impl Strategy<Value = TaxZone> {
    let rate = (prop::sample::select(CLASSES[..2].to_vec()), 0..300_000_u32).prop_map(|(class, part)| TaxRate {
        tax_class: TaxClass::parse(class).unwrap(),
        name: Text::parse(class).unwrap(),
        percent: format!("{}.{:04}", part / 10_000, part % 10_000).parse().unwrap(),
    });
    let class = TaxClass::parse("reduced").unwrap();
    let shipping = prop_oneof![
        Just(ShippingTax::None),
        Just(ShippingTax::AsGoods),
        Just(ShippingTax::Class { tax_class: class }),
    ];
    (any::<bool>(), prop::collection::vec(rate, 0..4), shipping).prop_map(|(prices_include_tax, rates, shipping)| {
        TaxZone {
            id: Uuid::from_u128(1).into(),
            name: "zone".to_owned(),
            areas: Vec::new(),
            prices_include_tax,
            reverse_charge: false,
            rates,
            shipping,
        }
    })
}

fn method() -> impl Strategy<Value = ShippingMethod> {
    (0..5_000_i64, prop::option::of(0..1_000_000_i64)).prop_map(|(price, free_from)| ShippingMethod {
        id: Uuid::from_u128(1).into(),
        name: "parcel".to_owned(),
        terms: ShippingTerms {
            pick_up: false,
            price: ShippingPrice::Flat {
                amounts: amounts(price),
            },
            free_from: free_from.map(amounts).unwrap_or_default(),
            max_grams: None,
            estimate: None,
        },
    })
}

fn amounts(amount: i64) -> Vec<Money> {
    ["EUR", "JPY", "KWD"]
        .map(|code| Money::new(amount, code.parse().unwrap()))
        .to_vec()
}
