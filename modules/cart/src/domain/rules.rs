//! What staff have said of prices: one value that never changes, and gives way to another one as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use cart_pricing::{Area, Closeness, Promotion, ShippingMethod, ShippingZone, TaxZone, closeness};
use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::id::{CustomerGroupId, PromotionId, ShippingMethodId};

/// All that the shop says of prices.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Counts the changes; 0 where nothing has been read yet.
    pub(crate) revision: i64,
    /// Those that are enabled.
    pub(crate) promotions: HashMap<PromotionId, Rule>,
    /// By age.
    pub(crate) shipping: Vec<ShippingZone>,
    /// By age.
    pub(crate) taxes: Vec<TaxRule>,
}

/// A promotion that staff have enabled.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) promotion: Arc<Promotion>,
    /// Whether a code has to be given for it.
    pub(crate) needs_code: bool,
    /// Whether there is a limit to how often, or how much in all, it is given.
    pub(crate) is_limited: bool,
}

/// A tax zone, with those who pay no tax there.
#[derive(Clone, Debug)]
pub(crate) struct TaxRule {
    pub(crate) zone: TaxZone,
    pub(crate) exempt_groups: Vec<CustomerGroupId>,
}

impl Rules {
    /// The promotions that are given to every cart at `now`, as far as their time goes.
    pub(crate) fn automatic(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Rule> {
        self.promotions
            .values()
            .filter(move |rule| !rule.needs_code && rule.promotion.ends_at.is_none_or(|end| now < end))
    }

    /// Whether the shop says how goods are sent at all.
    pub(crate) fn ships(&self) -> bool {
        !self.shipping.is_empty()
    }

    /// How goods can be sent to `address`; where that is not known, those ways that need none.
    pub(crate) fn methods(&self, address: Option<&Address>) -> Vec<&ShippingMethod> {
        match address {
            Some(address) => closest(&self.shipping, |zone| &zone.areas, address)
                .map_or_else(Vec::new, |zone| zone.methods.iter().collect()),
            None => {
                let methods = self.shipping.iter().flat_map(|zone| &zone.methods);
                methods.filter(|method| method.terms.pick_up).collect()
            }
        }
    }

    /// A method of any zone.
    pub(crate) fn method(&self, id: ShippingMethodId) -> Option<&ShippingMethod> {
        let mut methods = self.shipping.iter().flat_map(|zone| &zone.methods);
        methods.find(|method| method.id == id)
    }

    /// What is taxed how at `address`.
    pub(crate) fn taxes(&self, address: &Address) -> Option<&TaxRule> {
        closest(&self.taxes, |rule| &rule.zone.areas, address)
    }
}

impl Rule {
    /// Whether it asks for orders of the buyer before.
    pub(crate) fn is_for_first_orders(&self) -> bool {
        self.promotion.terms.conditions.first_order
    }
}

/// The zone that names where an address is most closely, the oldest of several.
fn closest<'a, Z>(zones: &'a [Z], areas: impl Fn(&'a Z) -> &'a Vec<Area>, address: &Address) -> Option<&'a Z> {
    let mut found: Option<(Closeness, &Z)> = None;
    for zone in zones {
        let Some(own) = closeness(areas(zone), address) else {
            continue;
        };
        if found.is_none_or(|(closest, _)| closest < own) {
            found = Some((own, zone));
        }
    }
    found.map(|(_, zone)| zone)
}
