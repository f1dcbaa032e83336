//! The shops of the README, set up by its very requests, and what carts cost in them.

use serde_json::{Value, json};

use super::support::{Admin, ReadyCart, Store, money, place};

const README: &str = include_str!("../../README.md");

/// Sends the requests of the README that set up the shop in `country`.
async fn set_up(admin: &Admin, country: &str) {
    let (_, rest) = README.split_once(&format!("\n**{country}**")).unwrap();
    let (_, rest) = rest.split_once("\n```sh\n").unwrap();
    let (commands, _) = rest.split_once("\n```\n").unwrap();
    for command in commands.split("curl -s \"$API").skip(1) {
        let (path, rest) = command.split_once("\" -H \"$AUTH\" -H \"$JSON\" -d '").unwrap();
        let (body, _) = rest.split_once('\'').unwrap();
        admin.post(path, serde_json::from_str(body).unwrap()).await.expect(201);
    }
}

/// Has the buyer choose the way of this name.
async fn choose(cart: &mut ReadyCart, name: &str) {
    let path = format!("/carts/{}/shipping-methods", cart.id);
    let methods = cart.buyer.get(&path).await.expect(200);
    let mut methods = methods["items"].as_array().unwrap().iter();
    let method = methods.find(|method| method["name"] == name).unwrap();
    cart.say(json!({"shipping_method": method["id"]})).await;
    assert_eq!(cart.problems(), [""; 0]);
}

/// Shipping, tax, included tax and total.
fn costs(cart: &ReadyCart) -> [i64; 4] {
    ["shipping", "tax", "tax_included", "total"].map(|name| cart.total(name))
}

#[tokio::test]
async fn a_shop_in_germany() {
    let store = Store::with([("shop.currency", "EUR")]).await;
    let admin = store.admin().await;
    set_up(&admin, "Germany").await;
    let mug = admin.article(money(1490, "EUR"), json!({}), json!({})).await;
    let book = admin
        .article(money(1200, "EUR"), json!({"tax_class": "reduced"}), json!({}))
        .await;

    let mut cart = store.anonymous().bare_cart(&[(&mug, 2), (&book, 1)]).await;
    cart.say(json!({"shipping_address": place("DE", None, "10115")})).await;
    choose(&mut cart, "DHL").await;
    // 29.80 and 12.00 share the 4.90: 490 * 2980 / 4180 = 349.33 and 140.67, so 3.49 and 1.41.
    // 33.29 * 19 / 119 = 5.3152, 13.41 * 7 / 107 = 0.8773; in all 5.32 + 0.88 = 6.20 of 29.80 + 12.00 + 4.90.
    assert_eq!(cart.taxes(), [("USt", 3329, 532), ("USt", 1341, 88)]);
    assert_eq!(costs(&cart), [490, 0, 620, 4670]);
    cart.assert_bought_as_shown().await;

    let mut cart = store.anonymous().bare_cart(&[(&mug, 4), (&book, 1)]).await;
    cart.say(json!({"shipping_address": place("DE", None, "80331")})).await;
    choose(&mut cart, "DHL").await;
    // 59.60 + 12.00 are sent for nothing; 59.60 * 19 / 119 = 9.5160, 12.00 * 7 / 107 = 0.7850.
    assert_eq!(cart.taxes(), [("USt", 5960, 952), ("USt", 1200, 79)]);
    assert_eq!(costs(&cart), [0, 0, 1031, 7160]);
    cart.assert_bought_as_shown().await;

    let mut cart = store.anonymous().bare_cart(&[(&mug, 2), (&book, 1)]).await;
    cart.say(json!({"shipping_address": place("AT", None, "1010")})).await;
    choose(&mut cart, "DHL International").await;
    // 12.90 are 9.20 (919.67) and 3.70 (370.33); 39.00 * 19 / 119 = 6.2269, 15.70 * 7 / 107 = 1.0271.
    assert_eq!(cart.taxes(), [("USt", 3900, 623), ("USt", 1570, 103)]);
    assert_eq!(costs(&cart), [1290, 0, 726, 5470]);
    // An Austrian business pays 54.70 - 6.23 - 1.03, and the tax to its own office.
    cart.say(json!({"tax_number": "ATU12345678"})).await;
    assert_eq!(cart.taxes(), [("USt", 3900, -623), ("USt", 1570, -103)]);
    assert_eq!(costs(&cart), [1290, -726, 0, 4744]);
    cart.assert_bought_as_shown().await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_shop_in_the_united_states() {
    let store = Store::start().await;
    let admin = store.admin().await;
    set_up(&admin, "United States").await;
    let mug = admin
        .article(money(1234, "USD"), json!({}), json!({"weight_grams": 350}))
        .await;

    let mut cart = store.anonymous().bare_cart(&[(&mug, 3)]).await;
    cart.say(json!({"shipping_address": place("US", Some("IL"), "60601")}))
        .await;
    choose(&mut cart, "Ground").await;
    // 1,050 g are sent for 9.95. 37.02 * 10.25 % = 3.79455, of which 6.25 parts are 2.3110, 1.75 are 0.6471, 1.25 are 0.4622
    // and 1 is 0.3698: the two cents that are left go to the largest fractions, those of the authority and of the county.
    let taxes = [
        ("Illinois", 3702, 231),
        ("Cook County", 3702, 65),
        ("Chicago", 3702, 46),
        ("Regional Transportation Authority", 3702, 37),
    ];
    assert_eq!(cart.taxes(), taxes);
    assert_eq!(costs(&cart), [995, 379, 0, 5076]);
    cart.assert_bought_as_shown().await;

    let mut cart = store.anonymous().bare_cart(&[(&mug, 1)]).await;
    cart.say(json!({"shipping_address": place("US", Some("NY"), "10001")}))
        .await;
    choose(&mut cart, "Ground").await;
    // 350 g, and nothing to pay to anybody in New York.
    assert_eq!((costs(&cart), cart.taxes()), ([595, 0, 0, 1829], vec![]));
    cart.assert_bought_as_shown().await;

    let mut cart = store.anonymous().bare_cart(&[(&mug, 26)]).await;
    cart.say(json!({"shipping_address": place("US", Some("IL"), "60601")}))
        .await;
    // 9,100 g are more than any parcel.
    assert_eq!(
        (cart.methods().await, cart.problems()),
        (vec![], vec!["shipping_method_required"])
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_shop_in_japan() {
    let store = Store::with([("shop.currency", "JPY")]).await;
    let admin = store.admin().await;
    set_up(&admin, "Japan").await;
    let mug = admin.article(money(1980, "JPY"), json!({}), json!({})).await;
    let tea = admin
        .article(money(540, "JPY"), json!({"tax_class": "food"}), json!({}))
        .await;

    let mut cart = store.anonymous().bare_cart(&[(&mug, 1), (&tea, 2)]).await;
    let address = place("JP", Some("東京都"), "100-0001");
    cart.say(json!({"shipping_address": address})).await;
    choose(&mut cart, "Takkyubin").await;
    // (1,980 + 800) * 10 / 110 = 252.73 and 1,080 * 8 / 108 = 80.
    let both = |standard: (i64, i64), food: (i64, i64)| {
        [
            ("Consumption tax", standard.0, standard.1),
            ("Consumption tax (reduced)", food.0, food.1),
        ]
    };
    assert_eq!(cart.taxes(), both((2780, 253), (1080, 80)));
    assert_eq!(costs(&cart), [800, 0, 333, 3860]);
    cart.assert_bought_as_shown().await;

    // Fetched from a convenience store: (1,980 + 300) * 10 / 110 = 207.27.
    let mut cart = store.anonymous().bare_cart(&[(&mug, 1), (&tea, 2)]).await;
    cart.say(json!({"billing_address": address})).await;
    choose(&mut cart, "Convenience store").await;
    assert_eq!(cart.taxes(), both((2280, 207), (1080, 80)));
    assert_eq!(costs(&cart), [300, 0, 287, 3360]);
    assert_eq!(cart.cart["shipping_address"], Value::Null);
    cart.assert_bought_as_shown().await;

    // 9,900 + 1,080 are sent for nothing.
    let mut cart = store.anonymous().bare_cart(&[(&mug, 5), (&tea, 2)]).await;
    cart.say(json!({"shipping_address": address})).await;
    choose(&mut cart, "Takkyubin").await;
    assert_eq!(cart.taxes(), both((9900, 900), (1080, 80)));
    assert_eq!(costs(&cart), [0, 0, 980, 10980]);
    cart.assert_bought_as_shown().await;
    assert_eq!(store.findings().await, [""; 0]);
}
