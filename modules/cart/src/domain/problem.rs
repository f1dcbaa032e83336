//! What keeps a cart from being checked out, as the buyer is told.

use cart_api::CartProblem;
use kernel::id::ItemId;

use super::{Cart, Item, ItemProblem, ShippingProblem, Status, is_payable};

/// All that keeps `cart` from being checked out; nothing where it is not open. The address of a signed-in user is known
/// from the account, so that only guests have to give one.
pub(crate) fn problems(cart: &Cart) -> Vec<CartProblem> {
    if cart.status != Status::Open {
        return Vec::new();
    }
    let mut problems: Vec<CartProblem> = cart.items.iter().filter_map(of_item).collect();
    if cart.items.is_empty() {
        problems.push(of_cart("empty", "there is nothing in the cart"));
    }
    if cart.email.is_none() && cart.user.is_none() {
        problems.push(email_required());
    }
    let method = &cart.priced.pricing.shipping_method;
    let is_fetched = method.as_ref().is_some_and(|method| method.pick_up);
    if cart.shipping_address.is_none() && !is_fetched && (cart.items.is_empty() || cart.requires_shipping()) {
        problems.push(of_cart("shipping_address_required", "say where the goods go"));
    }
    problems.extend(cart.priced.shipping_problem.map(of_shipping));
    if !is_payable(&cart.priced.totals) {
        problems.push(of_cart("amount_too_large", "the total has more than twelve digits"));
    }
    problems
}

/// Nobody knows where the confirmation goes.
pub(crate) fn email_required() -> CartProblem {
    of_cart("email_required", "say where the confirmation goes")
}

/// Whether the problem stops an order here. Stock does not: whether there is enough is decided where it is reserved, a
/// moment later, and the buyer learns there which lines are short.
pub(crate) fn blocks_checkout(problem: &CartProblem) -> bool {
    problem.code != INSUFFICIENT_STOCK
}

const INSUFFICIENT_STOCK: &str = "insufficient_stock";

fn of_shipping(problem: ShippingProblem) -> CartProblem {
    match problem {
        ShippingProblem::NotSentThere => of_cart("not_sent_there", "the shop does not send goods to the address"),
        ShippingProblem::MethodRequired => of_cart("shipping_method_required", "say how the goods go"),
        ShippingProblem::BillingAddressRequired => of_cart("billing_address_required", "say where the bill goes"),
        ShippingProblem::MethodUnavailable => of_cart(
            "shipping_method_unavailable",
            "the method is not offered for these goods and that address",
        ),
    }
}

fn of_item(item: &Item) -> Option<CartProblem> {
    let (code, detail) = match item.problem? {
        ItemProblem::InsufficientStock { available: 0 } => (INSUFFICIENT_STOCK, "sold out".to_owned()),
        ItemProblem::InsufficientStock { available } => (
            INSUFFICIENT_STOCK,
            format!("{} asked for, {available} available", item.quantity),
        ),
        ItemProblem::NotForSale => ("not_for_sale", "no longer sold".to_owned()),
    };
    Some(new(code, Some(item.id), detail))
}

fn of_cart(code: &str, detail: &str) -> CartProblem {
    new(code, None, detail.to_owned())
}

fn new(code: &str, item_id: Option<ItemId>, detail: String) -> CartProblem {
    CartProblem {
        code: code.to_owned(),
        item_id,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{address, cart, item, now};
    use crate::domain::{Facts, Known, price};
    use kernel::id::{OrderId, UserId};
    use kernel::money::MAX_AMOUNT;

    fn priced(cart: &Cart) -> Cart {
        let priced = price(cart, &Facts::without_rules(now()), &Known::default()).unwrap();
        Cart { priced, ..cart.clone() }
    }

    fn codes(cart: &Cart) -> Vec<String> {
        problems(&priced(cart))
            .into_iter()
            .map(|problem| problem.code)
            .collect()
    }

    #[test]
    fn an_empty_guest_cart_lacks_everything() {
        assert_eq!(
            codes(&cart(Vec::new())),
            ["empty", "email_required", "shipping_address_required"]
        );
    }

    #[test]
    fn a_complete_cart_has_no_problem_and_a_users_needs_no_email() {
        let mut cart = cart(vec![item(1, 100)]);
        cart.shipping_address = Some(address());
        assert_eq!(codes(&cart), ["email_required"]);
        cart.user = Some(UserId::generate());
        assert!(codes(&cart).is_empty());
    }

    #[test]
    fn lines_that_cannot_be_bought_are_named() {
        let mut short = item(3, 100);
        short.problem = Some(ItemProblem::InsufficientStock { available: 2 });
        let mut gone = item(1, MAX_AMOUNT);
        gone.problem = Some(ItemProblem::NotForSale);
        let (short_id, gone_id) = (short.id, gone.id);
        let mut cart = cart(vec![short, gone]);
        cart.email = Some("ada@example.com".to_owned());
        cart.shipping_address = Some(address());
        let found = problems(&priced(&cart));
        assert_eq!(found[0].item_id, Some(short_id));
        assert_eq!(found[0].detail, "3 asked for, 2 available");
        assert_eq!(
            (found[1].code.as_str(), found[1].item_id),
            ("not_for_sale", Some(gone_id))
        );
        assert_eq!(found[2].code, "amount_too_large");
        assert_eq!(found.iter().filter(|problem| blocks_checkout(problem)).count(), 2);
    }

    #[test]
    fn a_cart_that_is_not_open_has_no_problems() {
        let mut cart = cart(Vec::new());
        cart.status = Status::Checkout(OrderId::generate());
        assert!(codes(&cart).is_empty());
    }
}
