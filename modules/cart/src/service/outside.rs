//! What services outside the shop say of a cart, asked before it is priced.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cart_pricing::{ShippingMethod, ShippingPrice};
use futures_util::future::join_all;
use kernel::Money;
use kernel::id::ShippingMethodId;

use super::Service;
use crate::domain::{Cart, Facts, TaxRule};
use crate::external::{RateQuestion, TaxQuestion};

/// Which methods carriers are asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Methods {
    /// The one that the cart has chosen.
    Chosen,
    /// All that there are for it.
    All,
}

impl Service {
    /// Completes `facts` by what carriers and the tax service say of `cart`. Who does not answer is done without.
    pub(super) async fn ask_outside(&self, facts: &mut Facts, cart: &Cart, methods: Methods) {
        facts.rates = self.rates(facts, cart, methods).await;
        facts.taxes = self.taxes(facts, cart).await.map(Arc::new);
    }

    async fn rates(&self, facts: &Facts, cart: &Cart, methods: Methods) -> HashMap<ShippingMethodId, Option<Money>> {
        let (Some(carriers), Some(address)) = (&self.external.carriers, &cart.shipping_address) else {
            return HashMap::new();
        };
        let is_wanted = |method: &&ShippingMethod| methods == Methods::All || cart.shipping_method == Some(method.id);
        let asked = facts.methods(cart).into_iter().filter(is_wanted).filter_map(|method| {
            let ShippingPrice::Carrier { service, .. } = &method.terms.price else {
                return None;
            };
            let question = RateQuestion {
                service: service.to_string(),
                destination: address.into(),
                grams: cart.grams(),
                value: Money::new(cart.value(), cart.currency),
            };
            Some(async move { (method.id, carriers.rate(&question).await) })
        });
        let answers = join_all(asked).await.into_iter();
        answers
            .filter_map(|(method, rate)| Some((method, rate.ok()?)))
            .collect()
    }

    async fn taxes(&self, facts: &Facts, cart: &Cart) -> Option<TaxRule> {
        let (service, address) = (self.external.taxes.as_ref()?, cart.taxed_at(&facts.rules)?);
        let classes: BTreeSet<String> = cart
            .items
            .iter()
            .map(|item| item.traits.tax_class.as_str().to_owned())
            .collect();
        let question = TaxQuestion {
            destination: address.into(),
            currency: cart.currency,
            tax_number: cart.tax_number.clone(),
            customer_group: facts.group,
            tax_classes: classes.into_iter().collect(),
        };
        service.taxes(&question).await.ok()
    }
}
