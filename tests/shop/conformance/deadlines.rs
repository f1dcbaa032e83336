//! How long callers wait, and what becomes of work that nobody waits for any more.

use std::time::Duration;

use cart_api::remote::RemoteCart;
use cart_api::{CartApi, CartError, Freeze, Overrides};
use kernel::id::OrderId;
use kernel::identity::Holder;
use kernel::{Fault, Money, deadline};

use super::{remote, store};
use crate::support::{Interposer, Treatment, runtime, variant};

#[tokio::test]
async fn a_caller_with_little_time_left_hears_of_it_in_time_and_nobody_works_on_for_it() {
    let store = store().await;
    let product = store.admin().await.product(1500, 10).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 2)]).await;
    let keeps_quotes = |path: &str| match path {
        "/internal/product/quote" => Treatment::HeldBefore,
        _ => Treatment::Pass,
    };
    let catalogue = Interposer::before(store.internal_of("product"), keeps_quotes).await;
    let user = format!("http://{}", store.internal_of("user"));
    let upstreams = [
        ("run", "cart"),
        ("upstream.product", &catalogue.url()),
        ("upstream.user", &user),
    ];
    let beside = store.start_beside(upstreams).await;
    let address = format!("http://{}", beside.internal().unwrap());
    let carts = RemoteCart::new(remote(&store, "cart", address));
    let request = Freeze {
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
    };

    let limit = Duration::from_millis(200);
    let (answer, ()) = tokio::join!(deadline::within(limit, carts.freeze(request)), catalogue.held());
    assert!(
        matches!(answer, Ok(Err(CartError::Fault(Fault::Timeout { .. })))),
        "{answer:?}"
    );
    let stated = catalogue.stated_patience().unwrap();
    assert!(stated <= 200, "the call of the call may take {stated} ms");
    catalogue.abandoned().await;
    assert_eq!(cart.now().await["status"], "open");
    runtime::run(beside.stop()).await;
}
