//! Lines without a cart, priced as if they were in one.

use cart_api::{CartError, PriceRequest, PricedDraft};

use super::Service;
use super::checkout::priced_lines;
use super::outside::Methods;
use crate::domain::{Cart, Change, Details, NewLine, problems, reprice};

impl Service {
    /// What the lines of a draft cost.
    pub(super) async fn price_draft(&self, request: PriceRequest) -> Result<PricedDraft, CartError> {
        let mut facts = self.present_facts(request.group).await?;
        let mut cart = Cart::new(
            request.user,
            request.currency,
            request.locale.clone(),
            facts.now,
            self.lifetime,
        );
        cart.promotion_codes.clone_from(&request.promotion_codes);
        let lines = request.lines.iter().enumerate();
        let lines = lines.map(|(index, line)| NewLine {
            pointer: format!("/lines/{index}"),
            variant: line.variant,
            quantity: line.quantity,
        });
        let change = Change::Add(lines.collect());
        let quotes = self.quote(&cart, facts.group, change.variants()).await?;
        let grown = change.apply(&mut cart, &quotes)?;
        for line in &request.lines {
            let item = cart.items.iter_mut().find(|item| item.variant == line.variant);
            if let (Some(item), Some(agreed)) = (item, line.unit_price) {
                item.agree_on(agreed);
            }
        }
        Details::from(request).apply(&mut cart)?;
        self.ask_outside(&mut facts, &cart, Methods::Chosen).await;
        let known = self.known(&cart, &facts).await?;
        reprice(&mut cart, &facts, &known, grown.as_deref())?;
        Ok(PricedDraft {
            lines: priced_lines(&cart)?,
            totals: cart.priced.totals,
            pricing: cart.priced.pricing.clone(),
            problems: problems(&cart),
        })
    }
}
