//! Money as integer minor units and an ISO 4217 code. Every operation is checked; nothing here ever rounds
//! silently: what cannot be divided evenly is allocated so that the parts sum to the whole.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use crate::FieldErrors;
use crate::patch::present;

/// The largest amount the API takes or shows, in minor units: twelve digits, exact in every JSON parser.
pub const MAX_AMOUNT: i64 = 999_999_999_999;

/// An amount in one currency, in minor units (cents for USD, whole yen for JPY).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units; at most twelve digits.
    #[schema(example = 1999)]
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: Currency,
}

impl Money {
    /// `amount` minor units of `currency`.
    pub fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Nothing, in `currency`.
    pub fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The sum of two amounts of one currency.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// The difference of two amounts of one currency; may be negative.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    /// The price of `quantity` pieces.
    pub fn times(self, quantity: i64) -> Result<Self, MoneyError> {
        let amount = self.amount.checked_mul(quantity).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(amount, self.currency))
    }

    /// The sum of `amounts`, all of which must be in `currency`.
    pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::plus)
    }

    /// Splits this amount in proportion to `weights` by largest remainder: the parts always sum to the whole, and
    /// equal remainders go to the earlier part, so that the same input gives the same result everywhere.
    /// Weights must not be negative; where all are zero, everything goes to the first part.
    pub fn allocate(self, weights: &[i64]) -> Result<Vec<Self>, MoneyError> {
        if weights.iter().any(|weight| *weight < 0) {
            return Err(MoneyError::NegativeWeight);
        }
        let whole = i128::from(self.amount);
        let total: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        if total == 0 {
            let first = std::iter::once(self).chain(std::iter::repeat(Self::zero(self.currency)));
            return Ok(first.take(weights.len()).collect());
        }
        let mut parts = Vec::with_capacity(weights.len());
        let mut remainders = Vec::with_capacity(weights.len());
        for (index, weight) in weights.iter().enumerate() {
            let share = whole * i128::from(*weight);
            parts.push(share.div_euclid(total));
            remainders.push((share.rem_euclid(total), index));
        }
        let missing = whole - parts.iter().sum::<i128>();
        remainders.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
        // The missing units are fewer than the parts, because each floor loses less than one unit.
        for (_, index) in remainders.iter().take(usize::try_from(missing).unwrap_or(0)) {
            parts[*index] += 1;
        }
        let in_currency = |part| {
            Ok(Self::new(
                i64::try_from(part).map_err(|_| MoneyError::Overflow)?,
                self.currency,
            ))
        };
        parts.into_iter().map(in_currency).collect()
    }

    fn combine(self, other: Self, operation: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch);
        }
        let amount = operation(self.amount, other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(amount, self.currency))
    }
}

/// A merge patch of an amount: what is absent stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoneyPatch {
    /// Minor units; at most twelve digits.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, example = 1999)]
    amount: Option<i64>,
    /// ISO 4217 code.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Currency, required = false)]
    currency: Option<Currency>,
}

impl MoneyPatch {
    /// `before` with this patch.
    pub fn over(self, before: Money) -> Money {
        Money {
            amount: self.amount.unwrap_or(before.amount),
            currency: self.currency.unwrap_or(before.currency),
        }
    }

    /// The amount after this patch, whether there was one before or not. Where there was none, the patch has to have
    /// both fields; what it lacks is named below `pointer`.
    pub fn apply(self, before: Option<Money>, pointer: &str) -> Result<Money, FieldErrors> {
        if let Some(before) = before {
            return Ok(self.over(before));
        }
        let required = |field| FieldErrors::one(format!("{pointer}/{field}"), "required", "there is no amount yet");
        Ok(Money {
            amount: self.amount.ok_or_else(|| required("amount"))?,
            currency: self.currency.ok_or_else(|| required("currency"))?,
        })
    }
}

impl fmt::Display for Money {
    /// The amount with the currency's own number of decimals: `19.99 USD`, `1999 JPY`, `1.999 KWD`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.currency.decimals());
        let sign = if self.amount < 0 { "-" } else { "" };
        let digits = format!("{:0width$}", self.amount.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let point = if decimals == 0 { "" } else { "." };
        write!(formatter, "{sign}{whole}{point}{fraction} {}", self.currency)
    }
}

/// Why an operation on money has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Two currencies met.
    #[error("amounts are in different currencies")]
    CurrencyMismatch,
    /// The result does not fit 64 bits.
    #[error("the amount is too large")]
    Overflow,
    /// Parts cannot have negative weights.
    #[error("a weight is negative")]
    NegativeWeight,
}

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The three-letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals the currency has: 2 for USD, 0 for JPY, 3 for KWD.
    pub fn decimals(self) -> u8 {
        self.0
            .exponent()
            .and_then(|exponent| u8::try_from(exponent).ok())
            .unwrap_or(0)
    }
}

/// The currencies in which a shop sells: its own, and further ones. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currencies {
    main: Currency,
    further: Arc<[Currency]>,
}

impl Currencies {
    /// `main` and `further`, in which `main` is left out should it be among them.
    pub fn new(main: Currency, further: &[Currency]) -> Self {
        let further = further.iter().copied().filter(|currency| *currency != main);
        Self {
            main,
            further: further.collect(),
        }
    }

    /// The shop's own, which is meant where none is named.
    pub fn main(&self) -> Currency {
        self.main
    }

    /// The others.
    pub fn further(&self) -> &[Currency] {
        &self.further
    }

    /// Whether the shop sells in `currency`.
    pub fn has(&self, currency: Currency) -> bool {
        self.main == currency || self.further.contains(&currency)
    }
}

impl fmt::Display for Currencies {
    /// `USD, EUR, JPY`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.main)?;
        self.further
            .iter()
            .try_for_each(|currency| write!(formatter, ", {currency}"))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// A string is not an ISO 4217 code.
#[derive(Debug, thiserror::Error)]
#[error("unknown_currency: not an ISO 4217 currency code in capital letters")]
pub struct UnknownCurrency;

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        iso_currency::Currency::from_code(code).map(Self).ok_or(UnknownCurrency)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[A-Z]{3}$"))
            .examples(["USD"])
            .into()
    }
}

impl utoipa::ToSchema for Currency {}
