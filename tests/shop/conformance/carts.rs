//! What [`CartApi`] promises.

use cart_api::{CartError, ClaimedCart, DraftLine, Freeze, Overrides, PriceRequest};
use kernel::Money;
use kernel::id::{CartId, OrderId, VariantId};
use kernel::identity::Holder;

use super::{Siblings, store};
use crate::support::{ReadyCart, Store, variant};

/// The request of an order for a cart as its buyer was shown it.
fn freeze(cart: &ReadyCart) -> Freeze {
    Freeze {
        cart: cart.id.parse().unwrap(),
        order: OrderId::generate(),
        holder: Holder {
            user: None,
            group: None,
            secret: Some(cart.secret.clone()),
        },
        version: cart.cart["version"].as_i64().unwrap(),
        expected_total: Money::new(3000, "USD".parse().unwrap()),
        overrides: Overrides::default(),
    }
}

async fn conforms(store: &Store, siblings: &Siblings) {
    let carts = &siblings.cart;
    let product = store.admin().await.product(1500, 10).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 2)]).await;
    let request = freeze(&cart);
    let (id, order) = (request.cart, request.order);

    prices_lines_without_a_cart(siblings, variant(&product)).await;
    refuses_what_the_buyer_was_not_shown(siblings, &request).await;
    let frozen = carts.freeze(request.clone()).await.unwrap();
    assert_eq!((frozen.cart, frozen.totals.total), (id, request.expected_total));
    assert_eq!(frozen.lines[0].quantity, 2);
    assert_eq!(
        carts.freeze(request.clone()).await,
        Ok(frozen.clone()),
        "the same snapshot again"
    );
    let other = Freeze {
        order: OrderId::generate(),
        ..request.clone()
    };
    assert_eq!(carts.freeze(other.clone()).await, Err(CartError::InCheckout(order)));
    let claim = |completed| ClaimedCart {
        cart: id,
        order,
        completed,
    };
    assert_eq!(carts.claimed(None, 10).await, Ok(vec![claim(false)]));

    for _ in 0..2 {
        assert_eq!(
            carts.unfreeze(id, other.order).await,
            Ok(()),
            "another order has no say"
        );
        assert_eq!(carts.complete_all(vec![(id, order)]).await, Ok(vec![order]));
    }
    assert_eq!(carts.claimed(None, 10).await, Ok(vec![claim(true)]));
    assert_eq!(carts.claimed(Some(id), 10).await, Ok(Vec::new()));
    assert_eq!(carts.freeze(other.clone()).await, Err(CartError::Completed(order)));
    let missing = Err(CartError::NotFound("cart".to_owned()));
    assert_eq!(carts.complete(id, other.order).await, missing);
    assert_eq!(carts.complete(CartId::generate(), order).await, missing);

    for _ in 0..2 {
        assert_eq!(
            carts.unfreeze(id, order).await,
            Ok(()),
            "given back after it was completed"
        );
    }
    let late = carts.freeze(request).await;
    assert!(
        matches!(late, Err(CartError::Changed(_))),
        "the dead order does not come back: {late:?}"
    );
    assert_eq!(cart.now().await["status"], "open");
    assert_eq!(carts.claimed(None, 10).await, Ok(Vec::new()));
    assert_eq!(store.findings().await, [""; 0]);
}

async fn prices_lines_without_a_cart(siblings: &Siblings, variant: &str) {
    let line = |variant: VariantId, quantity: i64, unit_price: Option<Money>| DraftLine {
        variant,
        quantity,
        unit_price,
    };
    let request = |lines: Vec<DraftLine>| PriceRequest {
        currency: "USD".parse().unwrap(),
        locale: "en".parse().unwrap(),
        user: None,
        group: None,
        email: None,
        lines,
        shipping_address: None,
        billing_address: None,
        shipping_method: None,
        promotion_codes: vec!["NOBODY-KNOWS-IT".to_owned()],
        tax_number: None,
    };
    let variant: VariantId = variant.parse().unwrap();
    let draft = siblings
        .cart
        .price(request(vec![line(variant, 3, None)]))
        .await
        .unwrap();
    assert_eq!(draft.totals.total, Money::new(4500, "USD".parse().unwrap()));
    assert_eq!(
        (draft.lines.len(), draft.lines[0].variant, draft.lines[0].quantity),
        (1, variant, 3)
    );
    let problems: Vec<&str> = draft.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(problems, ["email_required", "shipping_address_required"]);
    let agreed = Money::new(1200, "USD".parse().unwrap());
    let draft = siblings.cart.price(request(vec![line(variant, 3, Some(agreed))])).await;
    assert_eq!(draft.unwrap().totals.total, Money::new(3600, agreed.currency));
    let unknown = siblings
        .cart
        .price(request(vec![line(VariantId::generate(), 1, None)]))
        .await;
    let Err(CartError::Invalid(errors)) = unknown else {
        panic!("{unknown:?}")
    };
    let error = &errors.as_slice()[0];
    assert_eq!(
        (error.pointer.as_str(), error.code.as_str()),
        ("/lines/0/variant_id", "unknown_variant")
    );
}

async fn refuses_what_the_buyer_was_not_shown(siblings: &Siblings, request: &Freeze) {
    let ask = async |change: &dyn Fn(&mut Freeze)| {
        let mut request = request.clone();
        change(&mut request);
        siblings.cart.freeze(request).await
    };
    let stranger = ask(&|request| request.holder = Holder::default()).await;
    assert_eq!(stranger, Err(CartError::NotFound("cart".to_owned())));
    let late = ask(&|request| request.version += 1).await;
    assert_eq!(late, Err(CartError::Changed(request.version)));
    let cheap = Money::new(1, request.expected_total.currency);
    let price_changed = CartError::PriceChanged {
        old: cheap,
        new: request.expected_total,
    };
    assert_eq!(ask(&|request| request.expected_total = cheap).await, Err(price_changed));
}

#[tokio::test]
async fn the_cart_module_here_keeps_its_promises() {
    let store = store().await;
    conforms(&store, &Siblings::here(&store)).await;
}

#[tokio::test]
async fn the_cart_module_elsewhere_keeps_its_promises_though_calls_come_late_or_twice() {
    let store = store().await;
    conforms(&store, &Siblings::elsewhere(&store).await).await;
}
