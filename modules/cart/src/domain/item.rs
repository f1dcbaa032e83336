//! A line of a cart: how many of a variant, and what the catalogue last said of it.

use kernel::Money;
use kernel::id::{ItemId, ProductId, VariantId};
use product_api::{Quote, Traits};
use serde::{Deserialize, Serialize};

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: ItemId,
    pub(crate) variant: VariantId,
    pub(crate) product: ProductId,
    pub(crate) sku: Option<String>,
    pub(crate) title: String,
    pub(crate) variant_title: String,
    pub(crate) image_url: Option<String>,
    /// 1 to 999.
    pub(crate) quantity: i64,
    /// What one costs, as the catalogue last said, in the cart's currency.
    pub(crate) unit_price: Money,
    /// What one cost when the buyer last changed the cart.
    pub(crate) accepted_price: Money,
    pub(crate) problem: Option<ItemProblem>,
    /// What promotions, shipping and taxes go by.
    pub(crate) traits: Traits,
}

/// Why a line cannot be bought as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ItemProblem {
    /// There are fewer than the line asks for.
    InsufficientStock {
        /// How many there are.
        available: i64,
    },
    /// It is not sold any more, or not in the cart's currency.
    NotForSale,
}

impl Item {
    /// A new line of a variant of which so many cost `unit_price` each.
    pub(crate) fn new(quote: &Quote, unit_price: Money, quantity: i64) -> Self {
        let mut item = Self {
            id: ItemId::generate(),
            variant: quote.variant,
            product: quote.product,
            sku: None,
            title: String::new(),
            variant_title: String::new(),
            image_url: None,
            quantity,
            unit_price,
            accepted_price: unit_price,
            problem: None,
            traits: Traits::default(),
        };
        item.take_over(quote, unit_price);
        item
    }

    /// Takes over what the catalogue says now (`None`: it does not know the variant); answers whether the price or the
    /// problem is another than before. What is not sold any more keeps its last price, so that the buyer sees what is
    /// meant.
    pub(crate) fn refresh(&mut self, answer: Option<&Quote>) -> bool {
        let before = (self.unit_price, self.problem);
        let priced = answer.and_then(|quote| Some((quote, price_on_sale(quote, self.quantity, self.unit_price)?)));
        match priced {
            Some((quote, price)) => self.take_over(quote, price),
            None => self.problem = Some(ItemProblem::NotForSale),
        }
        before != (self.unit_price, self.problem)
    }

    /// Makes the line one of `quantity`, which may have another price. That is no news to the buyer who asks for it, unless
    /// the catalogue says something else of the former quantity as well.
    pub(crate) fn resize(&mut self, quantity: i64, answer: Option<&Quote>) {
        let price = |quantity| answer.and_then(|quote| price_on_sale(quote, quantity, self.unit_price));
        let is_as_before = price(self.quantity) == Some(self.unit_price);
        if let Some(price) = price(quantity).filter(|_| is_as_before) {
            self.unit_price = price;
            self.accepted_price = price;
        }
        self.quantity = quantity;
    }

    /// Whether it can be bought at all, as the catalogue last said.
    pub(crate) fn is_sold(&self) -> bool {
        self.problem != Some(ItemProblem::NotForSale)
    }

    /// The price that the buyer last went on with, where it is another than now.
    pub(crate) fn price_changed_from(&self) -> Option<Money> {
        (self.accepted_price != self.unit_price).then_some(self.accepted_price)
    }

    /// Takes over a price that was agreed upon, whatever the catalogue says.
    pub(crate) fn agree_on(&mut self, unit_price: Money) {
        self.unit_price = unit_price;
        self.accepted_price = unit_price;
    }

    fn take_over(&mut self, quote: &Quote, unit_price: Money) {
        self.product = quote.product;
        self.sku.clone_from(&quote.sku);
        self.title.clone_from(&quote.title);
        self.variant_title.clone_from(&quote.variant_title);
        self.image_url.clone_from(&quote.image_url);
        self.traits.clone_from(&quote.traits);
        self.unit_price = unit_price;
        let available = quote.available.max(0);
        self.problem = (available < self.quantity).then_some(ItemProblem::InsufficientStock { available });
    }
}

/// What one costs of so many, where the variant is on sale in the currency of `like`.
fn price_on_sale(quote: &Quote, quantity: i64, like: Money) -> Option<Money> {
    quote
        .unit_price(quantity)
        .filter(|price| quote.on_sale && price.currency == like.currency)
}
