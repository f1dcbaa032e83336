//! Invoices and credit notes: issued once, with numbers without gaps, and never over more than was bought.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{
    Admin, Caller, ReadyCart, Response, Store, events, eventually, manual, money, place, rate, sandbox, unique, variant,
};

/// The bytes of a file, and their type.
async fn download(caller: &Caller, path: &str) -> (String, Vec<u8>) {
    let answer = caller.download(path).await;
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (media_type, answer.bytes().await.unwrap().to_vec())
}

/// What stands on each page of a PDF file.
fn pages(pdf: &[u8]) -> Vec<String> {
    let file = lopdf::Document::load_mem(pdf).unwrap();
    let numbers: Vec<u32> = file.get_pages().into_keys().collect();
    numbers
        .into_iter()
        .map(|number| file.extract_text(&[number]).unwrap().replace('\u{a0}', " "))
        .collect()
}

async fn bill(admin: &Admin, order: &Value) -> Response {
    let path = format!("/admin/orders/{}/invoices", order["id"].as_str().unwrap());
    admin.once(unique("invoice")).post(&path, json!({})).await
}

async fn credit(admin: &Admin, order: &Value, body: Value) -> Response {
    let path = format!("/admin/orders/{}/credit-notes", order["id"].as_str().unwrap());
    admin.once(unique("credit")).post(&path, body).await
}

async fn documents(admin: &Admin, order: &Value) -> Vec<Value> {
    let path = format!("/admin/orders/{}/documents?limit=100", order["id"].as_str().unwrap());
    admin.get(&path).await.expect(200)["data"].as_array().unwrap().clone()
}

/// The documents of an order once there are so many.
async fn documents_when(admin: &Admin, order: &Value, count: usize) -> Vec<Value> {
    let ask = || async { json!(documents(admin, order).await) };
    let seen = eventually(ask, |seen| seen.as_array().unwrap().len() >= count).await;
    seen.as_array().unwrap().clone()
}

async fn placed(store: &Store, lines: &[(&str, i64)]) -> (ReadyCart, Value) {
    let cart = store.anonymous().ready_cart(lines).await;
    let order = cart.buy(manual()).await.expect(201);
    (cart, order)
}

#[tokio::test]
async fn an_order_is_billed_and_what_it_says_is_kept_and_can_be_printed() {
    let store = Store::with([
        ("shop.currency", "EUR"),
        ("shop.locale", "de"),
        ("order.invoices.invoice_prefix", "R{year}-"),
        ("order.invoices.seller", "Kaffee & Söhne GmbH"),
        ("order.invoices.seller_address", "Hauptstraße 1,10115 Berlin"),
        ("order.invoices.seller_tax_number", "DE123456789"),
        ("order.invoices.footer", "Amtsgericht Berlin HRB 1"),
    ])
    .await;
    let admin = store.admin().await;
    let zone =
        json!({"prices_include_tax": true, "rates": [rate("standard", "USt", "19"), rate("reduced", "USt", "7")]});
    admin.tax_zone(json!([{"country": "DE"}]), zone).await;
    let cups = admin
        .article(
            money(1190, "EUR"),
            json!({"title": "Tasse Größe L", "status": "active"}),
            json!({}),
        )
        .await;
    let books = admin
        .article(
            money(1070, "EUR"),
            json!({"title": "Книга Ελλάδα", "status": "active", "tax_class": "reduced"}),
            json!({}),
        )
        .await;
    let mut cart = store.anonymous().bare_cart(&[(&cups, 2), (&books, 1)]).await;
    cart.say(
        json!({"shipping_address": place("DE", None, "10115"), "billing_address": {"name": "Ada Lovelace",
        "company": "Analytik AG", "line1": "Weg 2", "city": "Wien", "postal_code": "1010", "country": "AT"}}),
    )
    .await;
    let order = cart.buy(manual()).await.expect(201);

    let key = unique("invoice");
    let path = format!("/admin/orders/{}/invoices", order["id"].as_str().unwrap());
    let answer = admin.once(&key).post(&path, json!({})).await;
    let location = answer.header("location").to_owned();
    let invoice = answer.expect(201);
    assert_eq!(
        location,
        format!("/api/v1/admin/documents/{}", invoice["id"].as_str().unwrap())
    );
    assert_eq!(admin.once(&key).post(&path, json!({})).await.expect(201), invoice);
    let year = &store.clock().now().to_rfc3339()[..4];
    assert_eq!(invoice["number"], format!("R{year}-1"));
    assert_eq!(invoice["totals"]["gross"], order["totals"]["total"]);
    assert_eq!(invoice["totals"]["net"]["amount"], 3000);
    let taxes: Vec<(&str, i64, i64)> = invoice["taxes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tax| {
            let amount = |name: &str| tax[name]["amount"].as_i64().unwrap();
            (tax["percent"].as_str().unwrap(), amount("net"), amount("tax"))
        })
        .collect();
    assert_eq!(taxes, [("19", 2000, 380), ("7", 1000, 70)]);
    assert_eq!(invoice["seller"]["tax_number"], "DE123456789");
    assert_eq!(invoice["buyer"]["address"]["company"], "Analytik AG");

    let file = format!("/admin/documents/{}/pdf", invoice["id"].as_str().unwrap());
    let (media_type, pdf) = download(&admin, &file).await;
    assert_eq!(media_type, "application/pdf");
    assert_eq!(
        download(&admin, &file).await.1,
        pdf,
        "the same document is the same file"
    );
    let pages = pages(&pdf);
    assert_eq!(pages.len(), 1);
    let number = invoice["number"].as_str().unwrap();
    for text in [
        "Rechnung",
        number,
        "Kaffee & Söhne GmbH",
        "Hauptstraße 1",
        "DE123456789",
        "Analytik AG",
        "Tasse Größe L",
        "Книга Ελλάδα",
        "19 %",
        "34,50 EUR",
        "Amtsgericht Berlin",
        "Seite 1 von 1",
        order["number"].as_str().unwrap(),
    ] {
        assert!(pages[0].contains(text), "{text} is missing in {}", pages[0]);
    }
    // What the shop calls itself later changes no document.
    let shown = admin.get(&file.replace("/pdf", "")).await.expect(200);
    assert_eq!(shown, invoice);
    bill(&admin, &order).await.problem(409, "already_invoiced");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn long_orders_go_on_on_further_pages() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let mut variants = Vec::new();
    for index in 0..100 {
        let title = json!({"title": format!("Article number {index:03}"), "status": "active"});
        variants.push(admin.article(money(1000 + index, "USD"), title, json!({})).await);
    }
    let lines: Vec<(&str, i64)> = variants.iter().map(|variant| (variant.as_str(), 1)).collect();
    let (_, order) = placed(&store, &lines).await;
    let invoice = bill(&admin, &order).await.expect(201);
    let file = format!("/admin/documents/{}/pdf", invoice["id"].as_str().unwrap());
    let pages = pages(&download(&admin, &file).await.1);
    assert!(pages.len() > 2, "{} pages", pages.len());
    for (index, page) in pages.iter().enumerate() {
        let number = format!("Page {} of {}", index + 1, pages.len());
        assert!(page.contains(&number) && page.contains("Unit price"), "{page}");
    }
    let whole = pages.concat();
    for index in 0..100 {
        assert_eq!(
            whole.matches(&format!("Article number {index:03}")).count(),
            1,
            "{index}"
        );
    }
}

#[tokio::test]
async fn what_is_credited_is_never_more_than_was_billed_however_many_credit() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 100).await;
    let (_, order) = placed(&store, &[(variant(&product), 3)]).await;
    credit(&admin, &order, json!({})).await.problem(409, "not_invoiced");
    let invoice = bill(&admin, &order).await.expect(201);
    let too_much = json!({"amount": money(3001, "USD")});
    credit(&admin, &order, too_much).await.problem(409, "exceeds_invoice");
    let euros = credit(&admin, &order, json!({"amount": money(1, "EUR")})).await;
    assert_eq!(euros.wrong_fields(), ["/amount/currency"]);
    let nothing = credit(&admin, &order, json!({"amount": money(0, "USD")})).await;
    assert_eq!(nothing.wrong_fields(), ["/amount/amount"]);
    let both = json!({"amount": money(1, "USD"), "shipping": true});
    assert_eq!(credit(&admin, &order, both).await.wrong_fields(), ["/amount"]);

    let line = order["lines"][0]["id"].clone();
    let one = json!({"lines": [{"line_id": line, "quantity": 1}], "reason": "broken"});
    let note = credit(&admin, &order, one).await.expect(201);
    assert_eq!((&note["number"], &note["reason"]), (&json!("CN-1"), &json!("broken")));
    assert_eq!(note["corrects"]["number"], invoice["number"]);
    assert_eq!(note["totals"]["gross"], money(1000, "USD"));
    let three = json!({"lines": [{"line_id": line, "quantity": 3}]});
    credit(&admin, &order, three).await.problem(409, "exceeds_invoice");
    let foreign = json!({"lines": [{"line_id": "line_01jd0000000000000000000000", "quantity": 1}]});
    assert_eq!(credit(&admin, &order, foreign).await.wrong_fields(), ["/lines"]);

    // Of twenty at once who want 150 of the 2000 that are left, thirteen get it.
    let wanted = json!({"amount": money(150, "USD")});
    let answers = join_all((0..20).map(|_| credit(&admin, &order, wanted.clone()))).await;
    let issued = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(issued, 13);
    let rest = credit(&admin, &order, json!({})).await.expect(201);
    assert_eq!(rest["totals"]["gross"], money(50, "USD"));
    credit(&admin, &order, json!({})).await.problem(409, "not_invoiced");
    let mut numbers: Vec<u64> = documents(&admin, &order)
        .await
        .iter()
        .filter_map(|document| document["number"].as_str()?.strip_prefix("CN-")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=15).collect::<Vec<u64>>());
    // An order whose invoice is taken back whole can be billed anew.
    assert_eq!(bill(&admin, &order).await.expect(201)["number"], "INV-2");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn invoices_that_are_asked_for_at_once_are_one_and_numbers_have_no_gaps() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 100).await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(placed(&store, &[(variant(&product), 1)]).await.1);
    }
    let answers = join_all(orders.iter().flat_map(|order| (0..4).map(|_| bill(&admin, order)))).await;
    let mut numbers: Vec<String> = answers
        .into_iter()
        .filter(|answer| answer.status == 201)
        .map(|answer| answer.json["number"].as_str().unwrap().to_owned())
        .collect();
    numbers.sort();
    assert_eq!(numbers, ["INV-1", "INV-2", "INV-3", "INV-4", "INV-5"]);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn orders_are_billed_when_they_are_placed_and_credited_when_they_are_cancelled() {
    let store = Store::with([("order.invoices.issue", "placed")]).await;
    let admin = store.admin().await;
    let product = admin.product(1000, 100).await;
    let (_, order) = placed(&store, &[(variant(&product), 2)]).await;
    let invoice = documents_when(&admin, &order, 1).await.remove(0);
    assert_eq!(invoice["kind"], "invoice");
    let path = format!("/admin/orders/{}/cancel", order["id"].as_str().unwrap());
    admin.once(unique("cancel")).post(&path, Value::Null).await.expect(200);
    let note = documents_when(&admin, &order, 2).await.remove(0);
    assert_eq!(
        (&note["kind"], &note["totals"]["gross"]),
        (&json!("credit_note"), &money(2000, "USD"))
    );
    // What is cancelled is not billed again.
    bill(&admin, &order).await.problem(409, "wrong_state");
    let timeline = admin.get(path.trim_end_matches("/cancel")).await.expect(200)["timeline"].clone();
    let kinds: Vec<&str> = timeline
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains(&"invoice_issued") && kinds.contains(&"credit_note_issued"),
        "{kinds:?}"
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn orders_are_billed_when_their_money_is_taken() {
    let store = Store::with([("order.invoices.issue", "captured")]).await;
    let admin = store.admin().await;
    let product = admin.product(1000, 100).await;
    let at_once = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let at_once = at_once.buy(sandbox("tok_ok")).await.expect(201);
    assert_eq!(documents_when(&admin, &at_once, 1).await[0]["number"], "INV-1");
    let (_, later) = placed(&store, &[(variant(&product), 1)]).await;
    let (_, last) = placed(&store, &[(variant(&product), 1)]).await;
    for order in [&last, &later] {
        assert_eq!(documents(&admin, order).await, [Value::Null; 0]);
        let path = format!("/admin/orders/{}/captures", order["id"].as_str().unwrap());
        admin.once(unique("capture")).post(&path, json!({})).await.expect(200);
        documents_when(&admin, order, 1).await;
    }
    assert_eq!(documents(&admin, &later).await[0]["number"], "INV-3");
}

#[tokio::test]
async fn each_refund_is_credited_once_and_only_as_far_as_something_is_left() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 100).await;
    let (_, order) = placed(&store, &[(variant(&product), 1)]).await;
    bill(&admin, &order).await.expect(201);
    let id = order["id"].as_str().unwrap();
    let refund = |refund: &str, amount: i64| {
        json!({"order": id, "refund": refund, "amount": money(amount, "USD"),
            "granted": money(amount, "USD"),
            "return_id": null})
    };
    let (first, second) = ("refund_01jd0000000000000000000000", "refund_01jd0000000000000000000001");
    events::publish(&store, "order.refunded", id, refund(first, 300)).await;
    events::publish(&store, "order.refunded", id, refund(first, 300)).await;
    events::publish(&store, "order.refunded", id, refund(second, 900)).await;
    let documents = documents_when(&admin, &order, 3).await;
    let amounts: Vec<&Value> = documents
        .iter()
        .map(|document| &document["totals"]["gross"]["amount"])
        .collect();
    assert_eq!(amounts, [700, 300, 1000]);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn buyers_read_their_own_documents_and_nobody_elses() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 100).await;
    let (cart, order) = placed(&store, &[(variant(&product), 1)]).await;
    let (other_cart, other) = placed(&store, &[(variant(&product), 1)]).await;
    let invoice = bill(&admin, &order).await.expect(201);
    let path = format!("/orders/{}/documents", order["id"].as_str().unwrap());
    let file = format!("{path}/{}/pdf", invoice["id"].as_str().unwrap());
    let holder = cart.buyer.with("Order-Secret", order["secret"].as_str().unwrap());
    let stranger = other_cart.buyer.with("Order-Secret", other["secret"].as_str().unwrap());
    let page = holder.get(&path).await.expect(200);
    assert_eq!(
        (&page["data"], &page["page"]["has_more"]),
        (&json!([invoice]), &json!(false))
    );
    assert!(pages(&download(&holder, &file).await.1)[0].contains("INV-1"));
    for path in [&path, &file] {
        stranger.get(path).await.problem(404, "not_found");
        store.customer().await.get(path).await.problem(404, "not_found");
    }
    // Nor under an order of one's own.
    let own = format!(
        "/orders/{}/documents/{}/pdf",
        other["id"].as_str().unwrap(),
        invoice["id"].as_str().unwrap()
    );
    stranger.get(&own).await.problem(404, "not_found");
    let staff = format!("/admin/documents/{}", invoice["id"].as_str().unwrap());
    store.customer().await.get(&staff).await.problem(403, "forbidden");
    holder.get(&staff).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_font_of_the_shops_own_writes_what_the_built_in_one_cannot() {
    let font = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shop/fonts/Georgian.ttf");
    let store = Store::with([("order.invoices.fonts", font)]).await;
    let admin = store.admin().await;
    let title = json!({"title": "Tea ჩაი", "status": "active"});
    let tea = admin.article(money(1000, "USD"), title, json!({})).await;
    let (_, order) = placed(&store, &[(&tea, 1)]).await;
    let invoice = bill(&admin, &order).await.expect(201);
    let file = format!("/admin/documents/{}/pdf", invoice["id"].as_str().unwrap());
    let pages = pages(&download(&admin, &file).await.1);
    assert!(pages[0].contains("ჩაი"), "{}", pages[0]);
}
