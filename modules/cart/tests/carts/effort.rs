//! How much work it is to price a cart: the same for one line and for a hundred, whatever the shop says of prices.

use actix_web::http::Method;
use cart_api::{Freeze, Overrides};
use kernel::Money;
use kernel::id::{OrderId, VariantId};
use serde_json::{Value, json};

use crate::checkout::holder;
use crate::support::{As, Shop, address, items_path, line, path};

/// What a shop says that has thought of everything.
async fn set_up(shop: &Shop) -> String {
    let usd = |amount: i64| json!({"amount": amount, "currency": "USD"});
    for number in 0..20 {
        let promotion = json!({"name": format!("Promotion {number}"), "needs_code": false, "usage_limit": 1000,
            "terms": {"conditions": {"subtotal_at_least": [usd(100 * number)]},
                "action": {"kind": "percentage", "percent": "1"}}});
        shop.set_up("/admin/promotions", promotion).await;
    }
    let by_code = json!({"name": "By code", "needs_code": true, "usage_limit_per_customer": 3,
        "terms": {"action": {"kind": "fixed_amount", "amounts": [usd(100)]}}});
    let promotion = shop.set_up("/admin/promotions", by_code).await;
    let codes = format!("/admin/promotions/{}/codes", promotion["id"].as_str().unwrap());
    shop.set_up(&codes, json!({"code": "SUMMER"})).await;
    let flat = json!({"name": "Parcel", "terms": {"price": {"kind": "flat", "amounts": [usd(499)]}}});
    let zone = json!({"name": "World", "areas": [], "methods": [flat]});
    let zone = shop.set_up("/admin/shipping/zones", zone).await;
    let rates = json!([{"tax_class": "standard", "name": "Sales tax", "percent": "8.875"}]);
    let taxes = json!({"name": "World", "areas": [], "prices_include_tax": false, "rates": rates});
    shop.set_up("/admin/tax/zones", taxes).await;
    shop.set_up("/admin/gift-cards", json!({"amount": usd(500)})).await["code"]
        .as_str()
        .map(|code| format!("{code} {}", zone["methods"][0]["id"].as_str().unwrap()))
        .unwrap()
}

/// How many statements each thing takes that a buyer does with a cart of so many lines.
async fn effort_of(lines: usize) -> Vec<(&'static str, usize)> {
    let shop = Shop::open().await;
    let card_and_method = set_up(&shop).await;
    let (card, method) = card_and_method.split_once(' ').unwrap();
    let variants: Vec<(VariantId, i64)> = (0..lines).map(|_| (shop.catalogue.sell(1000, 50), 1)).collect();
    let (cart, guest) = shop.guest_cart(&variants).await;
    let mut efforts = Vec::new();
    let mut note = |what| {
        let (statements, asked) = shop.effort();
        assert!(asked <= 1, "{what}: the catalogue is asked {asked} times");
        efforts.push((what, statements.len()));
    };
    note("create");
    let details = json!({"email": "guest@example.com", "shipping_address": address(), "shipping_method": method});
    let answer = shop.send(&guest, Method::PATCH, &path(&cart), Some(details)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    note("patch");
    let promotions = format!("{}/promotions", path(&cart));
    let answer = shop
        .send(&guest, Method::POST, &promotions, Some(json!({"code": "summer"})))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    note("code");
    shop.send(
        &guest,
        Method::POST,
        &format!("{}/gift-cards", path(&cart)),
        Some(json!({"code": card})),
    )
    .await;
    shop.effort();
    let answer = shop
        .send(&guest, Method::POST, &items_path(&cart), Some(line(variants[0].0, 1)))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    note("add");
    let shown = shop.read(&guest, &cart).await;
    note("read");
    assert_eq!(
        (&shown["problems"], shown["promotions"].as_array().unwrap().len() > 20),
        (&json!([]), true)
    );
    assert!(shown["totals"]["tax"]["amount"].as_i64().unwrap() > 0);
    assert_eq!(shown["totals"]["gift_cards"]["amount"], 500);
    let frozen = shop.module.service().freeze(freeze(&shown, &guest)).await.unwrap();
    assert_eq!(frozen.lines.len(), lines);
    note("freeze");
    efforts
}

/// The request of an order for a guest's cart as it was shown.
pub(crate) fn freeze(cart: &Value, guest: &As) -> Freeze {
    Freeze {
        cart: cart["id"].as_str().unwrap().parse().unwrap(),
        order: OrderId::generate(),
        holder: holder(guest),
        version: cart["version"].as_i64().unwrap(),
        expected_total: Money::new(
            cart["totals"]["total"]["amount"].as_i64().unwrap(),
            "USD".parse().unwrap(),
        ),
        overrides: Overrides::default(),
    }
}

#[actix_web::test]
async fn a_hundred_lines_take_as_many_statements_as_one() {
    let one = effort_of(1).await;
    assert_eq!(effort_of(100).await, one);
    // The cart, what is known of its codes and cards, and the cart again where it is written.
    let most = [
        ("create", 12),
        ("patch", 3),
        ("code", 3),
        ("add", 3),
        ("read", 2),
        ("freeze", 9),
    ];
    for ((what, statements), (_, most)) in one.iter().zip(most) {
        assert!(*statements <= most, "{what} takes {statements} statements: {one:?}");
    }
}
