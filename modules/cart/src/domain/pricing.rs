//! What a cart costs, by the rules of the shop and what is known of its buyer.

use std::collections::HashMap;
use std::sync::Arc;

use cart_api::{ChosenMethod, GiftCardPayment, GivenPromotion, LineTax, Pricing, TaxTotal, Totals};
use cart_pricing::{
    Allowance, Basket, Buyer, Delivery, Line, LinePrice, Offered, Parcel, Percent, Prices, PromotionOutcome,
    ShippingMethod, Step, TaxRelief, TaxZone, Tender, WhyNot,
};
use chrono::{DateTime, Utc};
use kernel::address::{Address, Country};
use kernel::id::{CustomerGroupId, GiftCardId, PromotionId, ShippingMethodId, UserId};
use kernel::keys::SecretKey;
use kernel::money::MoneyError;
use kernel::{Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tax_number::is_of_country;
use super::{Cart, Rule, Rules, TaxRule};

/// What a cart costs, as its buyer was last shown it; kept with the cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Priced {
    /// One for each line, in their order.
    pub(crate) lines: Vec<LinePrice>,
    /// For each line, which of the taxes of `pricing` are on it; empty where nothing is taxed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) line_taxes: Vec<Vec<usize>>,
    pub(crate) totals: Totals,
    pub(crate) pricing: Pricing,
    /// The codes of the cart that take nothing off, and why.
    pub(crate) refused_codes: Vec<RefusedCode>,
    /// What is wrong with how the goods go.
    pub(crate) shipping_problem: Option<ShippingProblem>,
}

/// A code that takes nothing off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RefusedCode {
    pub(crate) code: String,
    /// Stable and machine-readable, e.g. `subtotal_too_low`.
    pub(crate) reason: String,
    /// For people.
    pub(crate) detail: String,
}

/// What is wrong with how the goods go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShippingProblem {
    /// Nothing is sent to the address.
    NotSentThere,
    /// None is chosen.
    MethodRequired,
    /// The one that is chosen is not offered for these goods and that address.
    MethodUnavailable,
    /// Nothing is sent anywhere, so that nobody knows where it is taxed.
    BillingAddressRequired,
}

/// What the price of any cart depends on at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) rules: Arc<Rules>,
    pub(crate) now: DateTime<Utc>,
    /// By which guests are known again.
    pub(crate) key: SecretKey,
    /// The group of customers that the buyer belongs to.
    pub(crate) group: Option<CustomerGroupId>,
    /// What carriers ask for, by their methods: `None` where one does not take the goods; fallbacks hold where none was asked,
    /// or has answered.
    pub(crate) rates: HashMap<ShippingMethodId, Option<Money>>,
    /// What somebody else says of taxes instead of the shop's zones.
    pub(crate) taxes: Option<Arc<TaxRule>>,
}

/// What the database knows of a cart's codes, cards and buyer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// What is left of promotions with limits, and of those with the cart's codes.
    pub(crate) allowances: HashMap<PromotionId, Allowance>,
    pub(crate) codes: HashMap<String, KnownCode>,
    pub(crate) cards: HashMap<GiftCardId, KnownCard>,
    /// The store credit of the buyer, where it is to be used.
    pub(crate) credit: Option<GiftCardId>,
    /// Whether the buyer has placed an order before.
    pub(crate) has_ordered: bool,
}

/// A code of a promotion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownCode {
    pub(crate) promotion: PromotionId,
    pub(crate) is_used_up: bool,
}

/// A gift card, or store credit.
#[derive(Clone, Debug)]
pub(crate) struct KnownCard {
    /// `None` for store credit.
    pub(crate) last_characters: Option<String>,
    pub(crate) currency: Currency,
    /// What can be paid with it; nothing where it is closed or has expired.
    pub(crate) balance: i64,
}

impl Priced {
    /// The taxes on a line, each with its part of the line's tax: they sum to it.
    pub(crate) fn taxes_of(&self, line: usize) -> Result<Vec<LineTax>, MoneyError> {
        let on = self.line_taxes.get(line).map(Vec::as_slice).unwrap_or_default();
        let rates: Vec<&TaxTotal> = on.iter().filter_map(|index| self.pricing.taxes.get(*index)).collect();
        let Some(price) = self.lines.get(line).filter(|_| !rates.is_empty()) else {
            return Ok(Vec::new());
        };
        let weights: Vec<i64> = rates.iter().map(|rate| weight(&rate.percent)).collect();
        let parts = price.tax.allocate(&weights)?;
        let taxes = rates.into_iter().zip(parts).map(|(rate, amount)| LineTax {
            name: rate.name.clone(),
            percent: rate.percent.clone(),
            amount,
        });
        Ok(taxes.collect())
    }
}

/// By what a tax is spread over rates. A rate of nothing alone still gets the whole of nothing.
fn weight(percent: &str) -> i64 {
    percent.parse::<Percent>().map_or(0, Percent::millionths)
}

/// What has to be asked of the database before a cart can be priced.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Who is counted; empty where nobody knows.
    pub(crate) customer: String,
    pub(crate) user: Option<UserId>,
    pub(crate) currency: Currency,
    /// Automatic promotions with limits.
    pub(crate) limited: Vec<PromotionId>,
    pub(crate) codes: Vec<String>,
    pub(crate) cards: Vec<GiftCardId>,
    pub(crate) uses_store_credit: bool,
    pub(crate) now: DateTime<Utc>,
}

impl RefusedCode {
    /// Whether the buyer can do something about it.
    pub(crate) fn is_curable(&self) -> bool {
        const FOR_GOOD: [&str; 6] = [
            "unknown_code",
            "duplicate",
            "no_longer",
            "used_up",
            "used_up_by_buyer",
            "budget_spent",
        ];
        !FOR_GOOD.contains(&self.reason.as_str())
    }
}

impl Priced {
    /// What nothing costs.
    pub(crate) fn nothing(currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self {
            lines: Vec::new(),
            line_taxes: Vec::new(),
            totals: Totals {
                subtotal: zero,
                discount: zero,
                shipping: zero,
                tax: zero,
                tax_included: zero,
                total: zero,
                gift_cards: zero,
                amount_due: zero,
            },
            pricing: Pricing::default(),
            refused_codes: Vec::new(),
            shipping_problem: None,
        }
    }
}

impl Facts {
    /// Those of a shop that says nothing of prices.
    pub(crate) fn without_rules(now: DateTime<Utc>) -> Self {
        Self {
            rules: Arc::default(),
            now,
            key: SecretKey::generate(),
            group: None,
            rates: HashMap::new(),
            taxes: None,
        }
    }

    /// How `cart` can be sent: as the shop says, but for what carriers do not take.
    pub(crate) fn methods(&self, cart: &Cart) -> Vec<&ShippingMethod> {
        let mut methods = self.rules.methods(cart.shipping_address.as_ref());
        methods.retain(|method| self.rates.get(&method.id) != Some(&None));
        methods
    }

    /// What the price of `cart` depends on beside these facts; `None` where nothing has to be asked.
    pub(crate) fn question(&self, cart: &Cart) -> Option<Question> {
        let automatic: Vec<&Rule> = self.rules.automatic(self.now).collect();
        let limited = automatic.iter().filter(|rule| rule.is_limited);
        let limited: Vec<PromotionId> = limited.map(|rule| rule.promotion.id).collect();
        let asks_for_orders = cart.user.is_some() && automatic.iter().any(|rule| rule.is_for_first_orders());
        let uses_store_credit = cart.uses_store_credit && cart.user.is_some();
        if limited.is_empty()
            && !asks_for_orders
            && !uses_store_credit
            && cart.promotion_codes.is_empty()
            && cart.gift_cards.is_empty()
        {
            return None;
        }
        Some(Question {
            customer: cart.customer(&self.key).unwrap_or_default(),
            user: cart.user,
            currency: cart.currency,
            limited,
            codes: cart.promotion_codes.clone(),
            cards: cart.gift_cards.clone(),
            uses_store_credit,
            now: self.now,
        })
    }
}

/// Prices a cart. Fails instead of wrapping around.
pub(crate) fn price(cart: &Cart, facts: &Facts, known: &Known) -> Result<Priced, MoneyError> {
    let loaded = Loaded::of(cart, facts, known)?;
    let basket = loaded.basket(cart);
    let prices = cart_pricing::price(&basket)?;
    let pricing = Pricing {
        shipping_method: chosen(&basket, &prices),
        tax_number: cart.tax_number.clone(),
        shipping_tax: (prices.shipping_tax.amount != 0).then_some(prices.shipping_tax),
        promotions: given(&basket, &prices),
        taxes: taxes(cart.currency, &prices),
        gift_cards: payments(&basket, known, &prices),
    };
    Ok(Priced {
        refused_codes: loaded.refused(cart, &prices.promotions),
        shipping_problem: loaded.shipping_problem(cart, facts, &prices),
        lines: prices.lines,
        line_taxes: match prices.taxes.is_empty() {
            true => Vec::new(),
            false => prices.line_taxes,
        },
        totals: prices.totals,
        pricing,
    })
}

/// How the price of a cart comes about: its steps, and what has become of each promotion.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PriceExplanation)]
pub(crate) struct Explanation {
    /// From nothing to what is due: their amounts sum to `amount_due`.
    pub(crate) steps: Vec<Step>,
    pub(crate) promotions: Vec<ExplainedPromotion>,
    pub(crate) totals: Totals,
}

/// What has become of a promotion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplainedPromotion {
    pub(crate) promotion_id: PromotionId,
    pub(crate) name: String,
    /// The code by which the buyer asked for it.
    pub(crate) code: Option<String>,
    /// What it takes off.
    pub(crate) amount: Money,
    /// Why it takes nothing off, e.g. `subtotal_too_low`.
    pub(crate) reason: Option<&'static str>,
    /// The same for people.
    pub(crate) detail: Option<&'static str>,
}

/// Explains the price of a cart.
pub(crate) fn explain(cart: &Cart, facts: &Facts, known: &Known) -> Result<Explanation, MoneyError> {
    let loaded = Loaded::of(cart, facts, known)?;
    let basket = loaded.basket(cart);
    let prices = cart_pricing::price(&basket)?;
    let told = |outcome: &PromotionOutcome| {
        let offered = basket
            .promotions
            .iter()
            .find(|offered| offered.promotion.id == outcome.promotion)?;
        let reason = outcome.result.err();
        Some(ExplainedPromotion {
            promotion_id: outcome.promotion,
            name: offered.promotion.name.clone(),
            code: offered.code.clone(),
            amount: Money::new(outcome.result.unwrap_or(0), cart.currency),
            reason: reason.map(WhyNot::code),
            detail: reason.map(WhyNot::detail),
        })
    };
    Ok(Explanation {
        steps: cart_pricing::explain(&basket, &prices),
        promotions: prices.promotions.iter().filter_map(told).collect(),
        totals: prices.totals,
    })
}

/// A way in which a cart can be sent, and what that costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct OfferedMethod {
    pub(crate) id: ShippingMethodId,
    pub(crate) name: String,
    /// Whether the buyer fetches the goods: then no address is needed.
    pub(crate) pick_up: bool,
    /// What it costs before promotions.
    pub(crate) price: Money,
    /// How many working days it takes at least, where the shop says so.
    pub(crate) min_days: Option<u16>,
    /// How many it takes at most.
    pub(crate) max_days: Option<u16>,
}

/// All ways in which a cart can be sent, each with its price.
pub(crate) fn offered_methods(cart: &Cart, facts: &Facts, known: &Known) -> Result<Vec<OfferedMethod>, MoneyError> {
    if !cart.requires_shipping() {
        return Ok(Vec::new());
    }
    let loaded = Loaded::of(cart, facts, known)?;
    let mut offered = Vec::new();
    let parcel = cart_pricing::parcel(&loaded.basket(cart))?;
    for method in facts.methods(cart) {
        let quoted = delivery(method, facts).quoted;
        let Some(price) = method.terms.price(Parcel { quoted, ..parcel }) else {
            continue;
        };
        let price = Money::new(price, cart.currency);
        let estimate = method.terms.estimate;
        offered.push(OfferedMethod {
            id: method.id,
            name: method.name.clone(),
            pick_up: method.terms.pick_up,
            price,
            min_days: estimate.map(|estimate| estimate.min_days),
            max_days: estimate.map(|estimate| estimate.max_days),
        });
    }
    Ok(offered)
}

/// What a cart is priced with.
struct Loaded<'a> {
    now: DateTime<Utc>,
    buyer: Buyer,
    offered: Vec<Offered>,
    delivery: Option<Delivery<'a>>,
    tax: Option<&'a TaxZone>,
    tenders: Vec<Tender>,
    country: Option<Country>,
    /// Codes that name no promotion that is given, with the reason.
    unknown: HashMap<String, &'static str>,
}

impl<'a> Loaded<'a> {
    fn of(cart: &Cart, facts: &'a Facts, known: &Known) -> Result<Self, MoneyError> {
        if cart.items.iter().any(|item| item.unit_price.currency != cart.currency) {
            return Err(MoneyError::CurrencyMismatch);
        }
        let rules = &*facts.rules;
        let own = || cart.taxed_at(rules).and_then(|address| rules.taxes(address));
        let tax = facts.taxes.as_deref().or_else(own);
        let relief = tax.and_then(|rule| {
            if facts.group.is_some_and(|group| rule.exempt_groups.contains(&group)) {
                return Some(TaxRelief::Exempt);
            }
            let country = cart.taxed_at(rules)?.country;
            let number = cart.tax_number.as_deref()?;
            (rule.zone.reverse_charge && is_of_country(number, country)).then_some(TaxRelief::ReverseCharge)
        });
        let mut loaded = Self {
            now: facts.now,
            buyer: Buyer {
                is_signed_in: cart.user.is_some(),
                group: facts.group,
                has_ordered: known.has_ordered,
                relief,
            },
            offered: Vec::new(),
            delivery: cart.chosen_method(facts).map(|method| delivery(method, facts)),
            tax: tax.map(|rule| &rule.zone),
            tenders: tenders(cart, known),
            country: cart.taxed_at(rules).map(|address| address.country),
            unknown: HashMap::new(),
        };
        loaded.offer(cart, facts, known);
        Ok(loaded)
    }

    /// Automatic promotions, and those that the cart has codes of; none twice.
    fn offer(&mut self, cart: &Cart, facts: &Facts, known: &Known) {
        let automatic = facts.rules.automatic(facts.now).map(|rule| Offered {
            promotion: Arc::clone(&rule.promotion),
            code: None,
            allowance: known.allowance(rule.promotion.id),
        });
        self.offered = automatic.collect();
        for code in &cart.promotion_codes {
            let found = known.codes.get(code);
            let rule = found.and_then(|known| Some((known, facts.rules.promotions.get(&known.promotion)?)));
            let Some((found, rule)) = rule else {
                self.unknown.insert(code.clone(), "unknown_code");
                continue;
            };
            let mut allowance = known.allowance(rule.promotion.id);
            allowance.is_used_up |= found.is_used_up;
            if self.offered.iter().any(|other| other.promotion.id == rule.promotion.id) {
                self.unknown.insert(code.clone(), "duplicate");
                continue;
            }
            self.offered.push(Offered {
                promotion: Arc::clone(&rule.promotion),
                code: Some(code.clone()),
                allowance,
            });
        }
    }

    fn basket<'b>(&'b self, cart: &'b Cart) -> Basket<'b> {
        let line = |item: &'b super::Item| Line {
            item: item.id,
            variant: item.variant,
            product: item.product,
            quantity: item.quantity,
            unit_price: item.unit_price.amount,
            traits: &item.traits,
        };
        Basket {
            currency: cart.currency,
            now: self.now,
            lines: cart.items.iter().map(line).collect(),
            buyer: self.buyer,
            country: self.country,
            promotions: &self.offered,
            delivery: self.delivery,
            tax: self.tax,
            tenders: &self.tenders,
        }
    }

    /// The codes that take nothing off, in the order in which they were given.
    fn refused(&self, cart: &Cart, outcomes: &[PromotionOutcome]) -> Vec<RefusedCode> {
        let refusal = |code: &String| {
            let (reason, detail) = match self.unknown.get(code) {
                Some(reason @ &"duplicate") => (*reason, "another code has the same effect"),
                Some(reason) => (*reason, "the code is not given any more"),
                None => {
                    let offered = self
                        .offered
                        .iter()
                        .find(|offered| offered.code.as_ref() == Some(code))?;
                    let outcome = outcomes
                        .iter()
                        .find(|outcome| outcome.promotion == offered.promotion.id)?;
                    let reason = outcome.result.err()?;
                    (reason.code(), reason.detail())
                }
            };
            Some(RefusedCode {
                code: code.clone(),
                reason: reason.to_owned(),
                detail: detail.to_owned(),
            })
        };
        cart.promotion_codes.iter().filter_map(refusal).collect()
    }

    fn shipping_problem(&self, cart: &Cart, facts: &Facts, prices: &Prices) -> Option<ShippingProblem> {
        let needs_bill =
            !facts.rules.taxes.is_empty() && cart.taxed_at(&facts.rules).is_none() && !cart.items.is_empty();
        let is_fetched = self.delivery.is_some_and(|delivery| delivery.method.terms.pick_up);
        if needs_bill && (is_fetched || !cart.requires_shipping()) {
            return Some(ShippingProblem::BillingAddressRequired);
        }
        if !facts.rules.ships() || !cart.requires_shipping() {
            return None;
        }
        let is_somewhere = cart.shipping_address.is_some();
        if is_somewhere && facts.rules.methods(cart.shipping_address.as_ref()).is_empty() {
            return Some(ShippingProblem::NotSentThere);
        }
        match (cart.shipping_method, self.delivery, prices.delivery) {
            (None, ..) => Some(ShippingProblem::MethodRequired),
            (Some(_), Some(_), Some(_)) => None,
            // Until the address is known, nobody can say more of the method than that there is one.
            (Some(id), None, _) if !is_somewhere && facts.rules.method(id).is_some() => None,
            (Some(_), ..) => Some(ShippingProblem::MethodUnavailable),
        }
    }
}

impl Known {
    fn allowance(&self, promotion: PromotionId) -> Allowance {
        self.allowances.get(&promotion).copied().unwrap_or_default()
    }
}

fn delivery<'a>(method: &'a ShippingMethod, facts: &Facts) -> Delivery<'a> {
    Delivery {
        method,
        quoted: facts.rates.get(&method.id).copied().flatten().map(|rate| rate.amount),
    }
}

/// Gift cards in the order in which they were given, then store credit.
fn tenders(cart: &Cart, known: &Known) -> Vec<Tender> {
    let cards = cart.gift_cards.iter().chain(known.credit.iter());
    let tender = |id: &GiftCardId| {
        let card = known.cards.get(id)?;
        (card.currency == cart.currency).then(|| Tender {
            id: *id,
            name: card.last_characters.clone().unwrap_or_default(),
            balance: card.balance,
        })
    };
    cards.filter_map(tender).collect()
}

fn chosen(basket: &Basket<'_>, prices: &Prices) -> Option<ChosenMethod> {
    let (method, price) = (basket.delivery?.method, prices.delivery?);
    let estimate = method.terms.estimate;
    Some(ChosenMethod {
        id: method.id,
        name: method.name.clone(),
        pick_up: method.terms.pick_up,
        price,
        min_days: estimate.map(|estimate| estimate.min_days),
        max_days: estimate.map(|estimate| estimate.max_days),
    })
}

fn given(basket: &Basket<'_>, prices: &Prices) -> Vec<GivenPromotion> {
    let given = prices.applied.iter().map(|applied| {
        let offered = &basket.promotions[applied.offered];
        let amount = applied.lines.iter().sum::<i64>() + applied.shipping;
        GivenPromotion {
            promotion_id: offered.promotion.id,
            name: offered.promotion.name.clone(),
            code: offered.code.clone(),
            amount: Money::new(amount, basket.currency),
        }
    });
    given.collect()
}

fn taxes(currency: Currency, prices: &Prices) -> Vec<TaxTotal> {
    let total = |rate: &cart_pricing::RateTotal| TaxTotal {
        name: rate.name.clone(),
        percent: rate.percent.to_string(),
        base: Money::new(rate.base, currency),
        amount: Money::new(rate.amount, currency),
    };
    prices.taxes.iter().map(total).collect()
}

fn payments(basket: &Basket<'_>, known: &Known, prices: &Prices) -> Vec<GiftCardPayment> {
    let paid = basket.tenders.iter().zip(&prices.tenders);
    let payment = |(tender, amount): (&Tender, &i64)| GiftCardPayment {
        gift_card_id: tender.id,
        last_characters: known
            .cards
            .get(&tender.id)
            .and_then(|card| card.last_characters.clone()),
        amount: Money::new(*amount, basket.currency),
    };
    paid.map(payment).collect()
}

impl Cart {
    /// Where it is taxed: where the goods go. Where nothing goes anywhere, as the buyer fetches it or it is nothing that can be
    /// sent, where the bill goes.
    pub(crate) fn taxed_at(&self, rules: &Rules) -> Option<&Address> {
        let (shipping, billing) = (self.shipping_address.as_ref(), self.billing_address.as_ref());
        match self.is_sent(rules) {
            true => shipping.or(billing),
            false => billing.or(shipping),
        }
    }

    /// Whether something of it goes to the buyer's address.
    fn is_sent(&self, rules: &Rules) -> bool {
        let chosen = self.shipping_method.and_then(|id| rules.method(id));
        self.requires_shipping() && !chosen.is_some_and(|method| method.terms.pick_up)
    }

    /// The method that the buyer has chosen, where it is offered.
    fn chosen_method<'a>(&self, facts: &'a Facts) -> Option<&'a ShippingMethod> {
        let id = self.shipping_method.filter(|_| self.requires_shipping())?;
        let mut methods = facts.methods(self).into_iter();
        methods.find(|method| method.id == id)
    }
}
