//! What taxes come onto, or are in, what is bought.
//!
//! Tax is reckoned once for all things with the same rates, on their sum, and then spread over rates and things by largest
//! remainder. Japan's qualified invoices ask for just that (one rounding per rate and invoice); directive 2006/112/EC leaves
//! rounding to the member states, which accept it; and the states of the US round what a state and its counties and cities
//! take together, halves up (Streamlined Sales and Use Tax Agreement, section 324).

use kernel::id::TaxZoneId;
use kernel::money::MoneyError;
use kernel::{Currency, FieldErrors, Money, Text};
use product_api::TaxClass;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::area::Area;
use crate::basket::TaxRelief;
use crate::percent::{Percent, share};

/// The most rates of a zone.
const MAX_RATES: usize = 200;

/// A part of the world in which the same taxes are paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxZone {
    /// The zone.
    pub id: TaxZoneId,
    /// For staff.
    pub name: String,
    /// Where it is; everywhere where there are none.
    pub areas: Vec<Area>,
    /// Whether prices, as the catalogue has them, contain the tax.
    pub prices_include_tax: bool,
    /// Whether buyers with a tax number of their country owe the tax themselves.
    pub reverse_charge: bool,
    /// What is taxed with how much; what none is on is not taxed.
    pub rates: Vec<TaxRate>,
    /// How shipping is taxed.
    pub shipping: ShippingTax,
}

/// A tax on a class of things. Several of one class are paid beside each other, as those of a state, a county and a city.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaxRate {
    /// What products name as theirs.
    pub tax_class: TaxClass,
    /// As it stands on a bill.
    #[schema(value_type = String)]
    pub name: Text<1, 120>,
    /// How much.
    pub percent: Percent,
}

/// How shipping is taxed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", from = "WrittenShippingTax")]
pub enum ShippingTax {
    /// Not at all.
    None,
    /// As the goods that are sent, in proportion to what they cost: it is ancillary to them (Court of Justice, C-349/96).
    #[default]
    AsGoods,
    /// As a class of things.
    Class {
        /// Which one.
        tax_class: TaxClass,
    },
}

/// The same as it is written: serde takes unknown fields beside a variant that has none, but not beside an empty list of them.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum WrittenShippingTax {
    None {},
    AsGoods {},
    Class { tax_class: TaxClass },
}

impl From<WrittenShippingTax> for ShippingTax {
    fn from(written: WrittenShippingTax) -> Self {
        match written {
            WrittenShippingTax::None {} => Self::None,
            WrittenShippingTax::AsGoods {} => Self::AsGoods,
            WrittenShippingTax::Class { tax_class } => Self::Class { tax_class },
        }
    }
}

impl TaxRate {
    /// Checks what the types of the rates of a zone cannot say; errors are told below `pointer`.
    pub fn check_all(rates: &[Self], pointer: &str, errors: &mut FieldErrors) {
        if rates.len() > MAX_RATES {
            return errors.add(pointer, "too_many", format!("at most {MAX_RATES}"));
        }
        for (index, rate) in rates.iter().enumerate() {
            let before = rates[..index].iter().filter(|other| other.tax_class == rate.tax_class);
            let before: i64 = before.map(|other| other.percent.millionths()).sum();
            let whole = Percent::WHOLE.millionths();
            if before <= whole && before + rate.percent.millionths() > whole {
                let detail = "the rates of a class come to more than 100 together";
                errors.add(format!("{pointer}/{index}/percent"), "out_of_range", detail);
            }
        }
    }
}

/// What is taxed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taxable<'a> {
    /// As what.
    pub(crate) class: &'a TaxClass,
    /// What is paid for it before the tax is added, after all that was taken off.
    pub(crate) amount: i64,
}

/// The tax of one rate on things that have the same rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateTotal {
    /// As it stands on a bill.
    pub name: String,
    /// How much of the base.
    pub percent: Percent,
    /// What it is reckoned on: without tax where it is added, with it where prices contain it.
    pub base: i64,
    /// How much; less than nothing where it is taken off prices that contain it.
    pub amount: i64,
}

/// The taxes of a basket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taxes {
    /// Of each thing, in their order: in its price, or on it.
    pub(crate) parts: Vec<i64>,
    /// Of each rate.
    pub(crate) rates: Vec<RateTotal>,
    /// For each thing, which of the rates are on it.
    pub(crate) on: Vec<Vec<usize>>,
    /// What comes onto the prices; less than nothing where prices contain a tax that this buyer does not pay.
    pub(crate) added: i64,
    /// What the prices contain and the buyer pays.
    pub(crate) included: i64,
}

/// The taxes of `zone` on some things.
pub(crate) fn tax(
    zone: Option<&TaxZone>,
    relief: Option<TaxRelief>,
    currency: Currency,
    things: &[Taxable<'_>],
) -> Result<Taxes, MoneyError> {
    let mut taxes = Taxes {
        parts: vec![0; things.len()],
        on: vec![Vec::new(); things.len()],
        ..Taxes::default()
    };
    let Some(zone) = zone else { return Ok(taxes) };
    for (rates, members) in groups(zone, things) {
        let amounts: Vec<i64> = members.iter().map(|index| things[*index].amount).collect();
        let base: i64 = amounts.iter().sum();
        let weights: Vec<i64> = rates.iter().map(|rate| rate.percent.millionths()).collect();
        let together: i64 = weights.iter().sum();
        let whole = Percent::WHOLE.millionths() + if zone.prices_include_tax { together } else { 0 };
        let tax = Money::new(share(base, together, whole), currency);
        let first = taxes.rates.len();
        for (index, part) in members.iter().zip(tax.allocate(&amounts)?) {
            taxes.parts[*index] = part.amount;
            taxes.on[*index] = (first..first + rates.len()).collect();
        }
        for (rate, part) in rates.iter().zip(tax.allocate(&weights)?) {
            taxes.rates.push(RateTotal {
                name: rate.name.clone().into(),
                percent: rate.percent,
                base,
                amount: part.amount,
            });
        }
    }
    let all: i64 = taxes.parts.iter().sum();
    match (zone.prices_include_tax, relief) {
        (true, None) => taxes.included = all,
        (false, None) => taxes.added = all,
        (is_included, Some(_)) => taxes.relieve(is_included),
    }
    Ok(taxes)
}

/// Things with the same rates, in the order in which they are met first.
fn groups<'a>(zone: &'a TaxZone, things: &[Taxable<'_>]) -> Vec<(Vec<&'a TaxRate>, Vec<usize>)> {
    let mut groups: Vec<(Vec<&TaxRate>, Vec<usize>)> = Vec::new();
    for (index, thing) in things.iter().enumerate() {
        let rates: Vec<&TaxRate> = zone
            .rates
            .iter()
            .filter(|rate| &rate.tax_class == thing.class)
            .collect();
        let is_same = |known: &[&TaxRate]| {
            let same = |(one, other): (&&TaxRate, &&TaxRate)| (&one.name, one.percent) == (&other.name, other.percent);
            known.len() == rates.len() && known.iter().zip(&rates).all(same)
        };
        match groups.iter_mut().find(|(known, _)| is_same(known)) {
            _ if rates.is_empty() => (),
            Some((_, members)) => members.push(index),
            None => groups.push((rates, vec![index])),
        }
    }
    groups
}

impl Taxes {
    /// Has the buyer pay none: what prices contain is taken off them.
    fn relieve(&mut self, is_included: bool) {
        for amount in self
            .parts
            .iter_mut()
            .chain(self.rates.iter_mut().map(|rate| &mut rate.amount))
        {
            *amount = if is_included { -*amount } else { 0 };
        }
        self.added = self.parts.iter().sum();
    }
}
