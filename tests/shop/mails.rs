//! What buyers are told by mail, in their language, and in the shop's own words where it has some.

use serde_json::{Value, json};

use super::support::mailbox::{all, mails};
use super::support::{ReadyCart, Store, address, events, manual, money, unique, variant};

async fn bought(store: &Store) -> Value {
    let product = store.admin().await.product(123_456, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    cart.buy(manual()).await.expect(201)
}

#[tokio::test]
async fn a_mail_is_text_and_html_in_the_language_of_the_order() {
    let store = Store::with([("shop.locales", "en,de"), ("shop.name", "Kaffee & Söhne")]).await;
    let product = store.admin().await.product(123_456, 5).await;
    let visitor = store.anonymous();
    let cart = visitor
        .post(
            "/carts",
            json!({"locale": "de", "items": [{"variant_id": variant(&product), "quantity": 2}]}),
        )
        .await
        .expect(201);
    let buyer = visitor.with("Cart-Secret", cart["secret"].as_str().unwrap());
    let cart = ReadyCart::complete(buyer, &cart).await;
    let order = cart.buy(manual()).await.expect(201);
    assert_eq!(order["locale"], "de");
    let number = order["number"].as_str().unwrap();
    let mail = mails(&store, "Ihre Bestellung").await.remove(0);
    for text in [
        "To: guest@example.com",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "<html lang=\"de\">",
        &format!("Ihre Bestellung {number}"),
        "Gesamtbetrag: 2.469,12 USD",
        "Kaffee & Söhne",
        "Kaffee &amp; Söhne",
    ] {
        assert!(mail.contains(text), "{text} is missing in {mail}");
    }
    assert!(mail.contains("Message-ID: <event_"), "{mail}");
}

#[tokio::test]
async fn what_a_buyer_writes_is_a_text_and_nothing_else() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 5).await;
    let mut cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let mut hostile = address();
    hostile["name"] = json!("{{ 7 * 7 }} <script>alert(1)</script> ${7*7} {% include 'x' %}");
    cart.cart = cart
        .buyer
        .patch(&format!("/carts/{}", cart.id), json!({"shipping_address": hostile}))
        .await
        .expect(200);
    // A line break is refused where it would come from.
    let mut broken = address();
    broken["name"] = json!("Ada\r\nBcc: eve@example.com");
    let path = format!("/carts/{}", cart.id);
    let refused = cart.buyer.patch(&path, json!({"shipping_address": broken})).await;
    assert_eq!(refused.wrong_fields(), ["/shipping_address/name"]);
    let refused = cart
        .buyer
        .patch(&path, json!({"email": "ada@example.com\r\nBcc: eve@example.com"}))
        .await;
    assert_eq!(refused.wrong_fields(), ["/email"]);
    cart.cart = cart.now().await;
    cart.buy(manual()).await.expect(201);
    let mail = mails(&store, "Your order").await.remove(0);
    assert!(mail.contains("{{ 7 * 7 }} <script>alert(1)</script> ${7*7}"), "{mail}");
    assert!(mail.contains("{{ 7 * 7 }} &lt;script&gt;alert(1)"), "{mail}");
    assert!(!mail.contains("Bcc:"), "{mail}");
}

#[tokio::test]
async fn every_step_of_an_order_is_told_of() {
    let store = Store::with([("mail.payment_link", "https://shop.example/pay/{order}#{secret}")]).await;
    let order = bought(&store).await;
    let id = order["id"].as_str().unwrap();
    let number = order["number"].as_str().unwrap();
    let fulfilment = "fulfilment_01jd0000000000000000000000";
    let steps = [
        (
            "order.refunded",
            json!({"order": id, "refund": "refund_01jd0000000000000000000000", "amount": money(550, "USD"), "granted": money(550, "USD"), "return_id": null}),
            "We have refunded 5.50 USD".to_owned(),
        ),
        (
            "order.fulfilled",
            json!({"order": id, "fulfilment": fulfilment}),
            format!("Your order {number} is on its way"),
        ),
        (
            "order.delivered",
            json!({"order": id, "fulfilment": fulfilment}),
            format!("Your order {number} has arrived"),
        ),
        (
            "order.returned",
            json!({"order": id, "return_id": "return_01jd0000000000000000000000"}),
            "We have received your return".to_owned(),
        ),
        (
            "order.payment_requested",
            json!({"order": id, "amount": money(1, "USD")}),
            format!("Please pay for your order {number}"),
        ),
    ];
    for (event, data, subject) in steps {
        events::publish(&store, event, id, data).await;
        let mail = mails(&store, &subject).await;
        if event == "order.payment_requested" {
            let link = format!("https://shop.example/pay/{id}#{}", order["secret"].as_str().unwrap());
            assert!(mail.iter().any(|mail| mail.contains(&link)), "{mail:?}");
        }
    }
    let path = format!("/admin/orders/{id}/cancel");
    store
        .admin()
        .await
        .once(unique("cancel"))
        .post(&path, Value::Null)
        .await
        .expect(200);
    mails(&store, &format!("{number} was cancelled")).await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn an_invoice_is_attached() {
    let store = Store::start().await;
    let order = bought(&store).await;
    let path = format!("/admin/orders/{}/invoices", order["id"].as_str().unwrap());
    let admin = store.admin().await;
    admin.once(unique("invoice")).post(&path, json!({})).await.expect(201);
    let mail = mails(&store, "Invoice INV-1").await.remove(0);
    for text in ["multipart/mixed", "application/pdf", "INV-1.pdf", "1,234.56 USD"] {
        assert!(mail.contains(text), "{text} is missing in {mail}");
    }
}

#[tokio::test]
async fn templates_of_the_shops_own_are_used_unless_they_are_broken() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "order_placed.en.txt",
        "Hooray, {{ order.number }}\n\nYou bought {{ order.lines | length }} thing(s) for {{ order.total }}.\n",
    );
    write("order_placed.en.html", "<p>{{ order.nothing_of_the_kind }}</p>");
    write("order_cancelled.en.txt", "Oh no\n\n{% for %}");
    let store = Store::with([("mail.templates", folder.path().to_str().unwrap())]).await;
    let order = bought(&store).await;
    let mail = mails(&store, "Hooray").await.remove(0);
    assert!(mail.contains("You bought 1 thing(s) for 1,234.56 USD."), "{mail}");
    // The built-in HTML stands in for the broken one.
    assert!(mail.contains("Thank you for your order"), "{mail}");
    let path = format!("/admin/orders/{}/cancel", order["id"].as_str().unwrap());
    store
        .admin()
        .await
        .once(unique("cancel"))
        .post(&path, Value::Null)
        .await
        .expect(200);
    mails(&store, "was cancelled").await;
}

#[tokio::test]
async fn nobody_hears_of_an_order_that_was_never_placed() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let waiting = cart
        .buy(super::support::sandbox("tok_requires_action"))
        .await
        .expect(202);
    let holder = cart.buyer.with("Order-Secret", waiting["secret"].as_str().unwrap());
    let path = format!("/orders/{}/cancel", waiting["id"].as_str().unwrap());
    holder.post(&path, Value::Null).await.expect(200);
    // Mails are sent in the order of their events: when this one is there, another would be.
    let product = store.admin().await.product(1000, 5).await;
    let next = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    next.buy(manual()).await.expect(201);
    mails(&store, "Your order").await;
    assert_eq!(all(&store).len(), 1);
}
