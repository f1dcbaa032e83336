//! All that a price depends on, loaded before anything is reckoned.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kernel::Currency;
use kernel::address::Country;
use kernel::id::{CustomerGroupId, GiftCardId, ItemId, ProductId, PromotionId, VariantId};
use product_api::Traits;
use serde::{Deserialize, Serialize};

use crate::promotion::Promotion;
use crate::shipping::ShippingMethod;
use crate::taxes::TaxZone;

/// What is bought, by whom and where, and what the shop says of it. Amounts are minor units of one currency.
#[derive(Clone, Debug)]
pub struct Basket<'a> {
    /// The currency.
    pub currency: Currency,
    /// The moment.
    pub now: DateTime<Utc>,
    /// What is bought, at most one line of a variant.
    pub lines: Vec<Line<'a>>,
    /// Who buys.
    pub buyer: Buyer,
    /// Where the goods go, as far as it is known.
    pub country: Option<Country>,
    /// Those that are in force, in any order: automatic ones, and those whose codes the buyer has given.
    pub promotions: &'a [Offered],
    /// How the goods go, once that is chosen.
    pub delivery: Option<Delivery<'a>>,
    /// What is taxed how where the goods go; nothing is where there is none.
    pub tax: Option<&'a TaxZone>,
    /// Gift cards and store credit, in the order in which they are used up.
    pub tenders: &'a [Tender],
}

/// So many of a variant.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// The cart's or the order's line.
    pub item: ItemId,
    /// What is bought.
    pub variant: VariantId,
    /// Its product.
    pub product: ProductId,
    /// How many.
    pub quantity: i64,
    /// What one costs.
    pub unit_price: i64,
    /// What promotions, shipping and taxes go by.
    pub traits: &'a Traits,
}

/// Who buys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buyer {
    /// Whether it is somebody with an account.
    pub is_signed_in: bool,
    /// The group of customers that the account belongs to.
    pub group: Option<CustomerGroupId>,
    /// Whether an account has placed an order before.
    pub has_ordered: bool,
    /// Why no tax is paid, where none is.
    pub relief: Option<TaxRelief>,
}

/// Why a buyer pays no tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaxRelief {
    /// The shop knows the buyer as exempt.
    Exempt,
    /// The buyer owes the tax (directive 2006/112/EC, articles 194 to 196).
    ReverseCharge,
}

/// A promotion that may apply.
#[derive(Clone, Debug)]
pub struct Offered {
    /// What it says.
    pub promotion: Arc<Promotion>,
    /// The code by which the buyer asks for it, as the shop writes it.
    pub code: Option<String>,
    /// What is left of it for this buyer.
    pub allowance: Allowance,
}

/// What is left of a promotion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Whether it, or its code, has been used as often as it may be.
    pub is_used_up: bool,
    /// Whether this buyer has used it as often as anybody may.
    pub is_used_up_by_buyer: bool,
    /// How much it may still take off in all orders together; `None` without a budget.
    pub budget_left: Option<i64>,
}

/// How the goods go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery<'a> {
    /// The method.
    pub method: &'a ShippingMethod,
    /// What its carrier says that it costs, where one was asked.
    pub quoted: Option<i64>,
}

/// Money that was paid before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tender {
    /// The card, or the account of store credit.
    pub id: GiftCardId,
    /// How it is shown: the last characters of a card.
    pub name: String,
    /// What is on it.
    pub balance: i64,
}

/// What has become of a promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PromotionOutcome {
    /// The promotion.
    pub promotion: PromotionId,
    /// What it took off, or why it took off nothing.
    pub result: Result<i64, WhyNot>,
}

/// Why a promotion takes nothing off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// It has not begun.
    NotYet,
    /// It is over.
    NoLonger,
    /// It, or its code, was used as often as it may be.
    UsedUp,
    /// The buyer has used it as often as anybody may.
    UsedUpByBuyer,
    /// What it would take off is more than is left of its budget.
    BudgetSpent,
    /// It is not given in the currency.
    OtherCurrency,
    /// Nothing is bought that it is given on.
    NoSuchItems,
    /// What it is given on costs too little.
    SubtotalTooLow,
    /// There are too few pieces of what it is given on.
    TooFewPieces,
    /// It is for customers of a group that the buyer does not belong to.
    OtherGroup,
    /// It is for the first order of an account.
    NotFirstOrder,
    /// It is not given where the goods go, or that is not known.
    OtherCountry,
    /// It is not combined with others, and another one was given.
    Exclusive,
    /// One that is not combined with others was given.
    ExcludedByOther,
    /// Nothing is left that it could take off.
    NothingToTakeOff,
}

impl WhyNot {
    /// Stable and machine-readable.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotYet => "not_yet",
            Self::NoLonger => "no_longer",
            Self::UsedUp => "used_up",
            Self::UsedUpByBuyer => "used_up_by_buyer",
            Self::BudgetSpent => "budget_spent",
            Self::OtherCurrency => "other_currency",
            Self::NoSuchItems => "no_such_items",
            Self::SubtotalTooLow => "subtotal_too_low",
            Self::TooFewPieces => "too_few_pieces",
            Self::OtherGroup => "other_group",
            Self::NotFirstOrder => "not_first_order",
            Self::OtherCountry => "other_country",
            Self::Exclusive => "exclusive",
            Self::ExcludedByOther => "excluded_by_other",
            Self::NothingToTakeOff => "nothing_to_take_off",
        }
    }

    /// For people.
    pub fn detail(self) -> &'static str {
        match self {
            Self::NotYet => "it has not begun yet",
            Self::NoLonger => "it is over",
            Self::UsedUp => "it has been used as often as it may be",
            Self::UsedUpByBuyer => "you have used it as often as anybody may",
            Self::BudgetSpent => "what it may take off in all has been spent",
            Self::OtherCurrency => "it is not given in this currency",
            Self::NoSuchItems => "nothing in the cart is what it is given on",
            Self::SubtotalTooLow => "what it is given on does not cost enough",
            Self::TooFewPieces => "there are too few pieces of what it is given on",
            Self::OtherGroup => "it is for customers of a group",
            Self::NotFirstOrder => "it is for the first order of an account",
            Self::OtherCountry => "it is not given where the goods go",
            Self::Exclusive => "it is not combined with others, and another one comes before it",
            Self::ExcludedByOther => "another one that comes before it is not combined with others",
            Self::NothingToTakeOff => "there is nothing left that it could take off",
        }
    }
}
