//! What customers see of variants that consist of others: one line in the cart and in the order, and the stock of several.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{Admin, Response, Store, eventually, manual, variant};

/// A product for 2,500 whose one variant consists of these.
async fn bundle(admin: &Admin, components: &[(&Value, i64)]) -> Value {
    let made = admin.product(2500, 0).await;
    let component = |(product, quantity): &(&Value, i64)| json!({"variant_id": variant(product), "quantity": quantity});
    let body = json!({"components": components.iter().map(component).collect::<Vec<_>>()});
    let path = format!("/admin/variants/{}/components", variant(&made));
    admin.with("If-Match", "*").put(&path, body).await.expect(200);
    made
}

async fn available(admin: &Admin, product: &Value) -> Value {
    // As staff see it: what everybody sees may be kept for a moment.
    let path = format!("/admin/products/{}", product["id"].as_str().unwrap());
    admin.get(&path).await.expect(200)["variants"][0]["available"].clone()
}

fn sold(answers: &[&Response]) -> i64 {
    answers.iter().map(|answer| i64::from(answer.status == 201)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_is_bought_as_one_line_and_comes_back_as_its_components() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let (mug, cup) = (admin.product(1000, 7).await, admin.product(900, 5).await);
    let gift = bundle(&admin, &[(&mug, 2), (&cup, 1)]).await;
    let shown = store.anonymous();
    let path = format!("/products/{}", gift["id"].as_str().unwrap());
    let shown = shown.get(&path).await.expect(200);
    assert_eq!(shown["variants"][0]["components"][0]["quantity"], 2);
    assert_eq!(shown["variants"][0]["components"][1]["product_handle"], cup["handle"]);
    let cart = store
        .anonymous()
        .ready_cart(&[(variant(&gift), 2), (variant(&mug), 1)])
        .await;
    let order = cart.buy(manual()).await.expect(201);
    assert_eq!(order["lines"].as_array().unwrap().len(), 2);
    assert_eq!(
        (
            &order["lines"][0]["quantity"],
            &order["lines"][0]["unit_price"]["amount"]
        ),
        (&json!(2), &json!(2500))
    );
    for (product, left) in [(&mug, 2), (&cup, 3), (&gift, 1)] {
        assert_eq!(available(&admin, product).await, left);
    }
    let cancel = format!("/admin/orders/{}/cancel", order["id"].as_str().unwrap());
    admin.post(&cancel, json!({})).await.expect(200);
    for (product, back) in [(&mug, 7), (&cup, 5), (&gift, 3)] {
        eventually(|| available(&admin, product), |left| *left == back).await;
    }
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_says_when_its_bundle_is_sold_out_and_an_order_says_which_line_is_too_many() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let mug = admin.product(1000, 4).await;
    let gift = bundle(&admin, &[(&mug, 2)]).await;
    // Each line is fewer than there are, both together are not: that is for the checkout to see.
    let cart = store
        .anonymous()
        .ready_cart(&[(variant(&gift), 1), (variant(&mug), 3)])
        .await;
    let refused = cart.buy(manual()).await;
    let refused = refused.problem(409, "insufficient_stock");
    let lines = refused["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 1, "{refused}");
    assert!(
        [variant(&gift), variant(&mug)].contains(&lines[0]["variant_id"].as_str().unwrap()),
        "{refused}"
    );
    assert!(
        lines[0]["available"].as_i64() < lines[0]["requested"].as_i64(),
        "{refused}"
    );
    let buyer = store.anonymous().ready_cart(&[(variant(&mug), 1)]).await;
    buyer.buy(manual()).await.expect(201);
    let cart = store.anonymous().ready_cart(&[(variant(&gift), 2)]).await.cart;
    let problem = &cart["problems"][0];
    assert_eq!(problem["code"], "insufficient_stock", "{cart}");
    assert_eq!(
        problem["detail"], "2 asked for, 1 available",
        "three mugs are one bundle"
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_buyers_of_a_bundle_and_its_component_get_all_there_is_and_no_more() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let (mug, cup) = (admin.product(1000, 30).await, admin.product(900, 100).await);
    let gift = bundle(&admin, &[(&mug, 2), (&cup, 1)]).await;
    let anonymous = store.anonymous();
    let carts = join_all((0..100).map(|number| {
        let line = [(variant(if number % 2 == 0 { &gift } else { &mug }), 1)];
        let anonymous = &anonymous;
        async move { anonymous.ready_cart(&line).await }
    }))
    .await;
    let answers = join_all(carts.iter().map(|cart| cart.buy(manual()))).await;
    let (gifts, mugs): (Vec<_>, Vec<_>) = answers.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let of =
        |answers: Vec<(usize, &Response)>| sold(&answers.into_iter().map(|(_, answer)| answer).collect::<Vec<_>>());
    let (gifts, mugs) = (of(gifts), of(mugs));
    assert_eq!(gifts * 2 + mugs, 30, "{gifts} and {mugs}");
    assert_eq!(
        (available(&admin, &mug).await, available(&admin, &cup).await),
        (json!(0), json!(100 - gifts))
    );
    assert_eq!(store.findings().await, [""; 0]);
}
