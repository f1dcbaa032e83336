//! What a cart is and what may happen to it: pure, no I/O.

mod cart;
mod change;
pub(crate) mod code;
pub(crate) mod gift_card;
mod item;
mod pricing;
mod problem;
pub(crate) mod promotion;
mod quantity;
mod quotes;
mod rules;
mod shipping_zone;
mod tax_number;
mod tax_zone;
mod zone;

pub(crate) use cart::{Aside, Cart, Gift, MAX_LINES, Status};
pub(crate) use cart_pricing::{LinePrice, is_payable};
pub(crate) use change::{Change, Details, NewLine, absorb, give_back, reprice, require_other};
pub(crate) use code::PromotionCode;
pub(crate) use gift_card::gift_card_hash;
pub(crate) use item::{Item, ItemProblem};
pub(crate) use pricing::{
    Explanation, Facts, Known, KnownCard, KnownCode, OfferedMethod, Priced, Question, RefusedCode, ShippingProblem,
    explain, offered_methods, price,
};
pub(crate) use problem::{blocks_checkout, email_required, problems};
pub(crate) use quantity::Quantity;
pub(crate) use quotes::Quotes;
pub(crate) use rules::{Rule, Rules, TaxRule};
pub(crate) use shipping_zone::{NewShippingZone, ShippingZoneContent, ShippingZonePatch, ShownShippingZone};
pub(crate) use tax_zone::{NewTaxZone, ShownTaxZone, TaxZoneContent, TaxZonePatch};
pub(crate) use zone::{Zone, ZoneContent};

#[cfg(test)]
pub(crate) mod samples;
