//! What happens to an order after it is placed: money in parts, parcels, returns, changes, notes.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{Admin, ReadyCart, Store, address, eventually, manual, sandbox, unique, variant};

fn usd(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

fn path(order: &Value) -> String {
    format!("/admin/orders/{}", order["id"].as_str().unwrap())
}

/// How many of the product's first variant can be sold, once that is `wanted`.
async fn available_when(store: &Store, product: &Value, wanted: i64) {
    let path = format!("/products/{}", product["id"].as_str().unwrap());
    let caller = store.anonymous();
    let ask = || async { caller.get(&path).await.expect(200)["variants"][0]["available"].clone() };
    assert_eq!(eventually(ask, |available| *available == wanted).await, wanted);
}

/// An order of `quantity` at 10 dollars each, and the guest who has placed it.
async fn placed(store: &Store, product: &Value, quantity: i64, payment: Value) -> (Value, ReadyCart) {
    let cart = store.anonymous().ready_cart(&[(variant(product), quantity)]).await;
    let order = cart.buy(payment).await.expect(201);
    (order, cart)
}

async fn act(admin: &Admin, order: &Value, what: &str, body: Value) -> Value {
    let answer = admin
        .once(unique(what))
        .post(&format!("{}/{what}", path(order)), body)
        .await;
    assert!([200, 201].contains(&answer.status), "{what}: {}", answer.json);
    answer.json
}

#[tokio::test]
async fn money_is_taken_and_given_back_in_parts_and_never_more_than_there_is() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 10).await;
    let (order, _) = placed(&store, &product, 1, manual()).await;
    let capture = async |body| {
        admin
            .once(unique("capture"))
            .post(&format!("{}/captures", path(&order)), body)
            .await
    };
    let refund = async |body| {
        admin
            .once(unique("refund"))
            .post(&format!("{}/refunds", path(&order)), body)
            .await
    };
    assert_eq!(
        refund(json!({})).await.problem(409, "no_suitable_payment")["status"],
        409
    );
    for wrong in [usd(1001), usd(0), usd(-1), json!({"amount": 10, "currency": "EUR"})] {
        let answer = capture(json!({"amount": wrong})).await;
        assert_eq!(answer.status, 422, "{}", answer.json);
    }

    let first = capture(json!({"amount": usd(400)})).await.expect(200);
    assert_eq!(first["payment_status"], "authorized");
    assert_eq!(
        (&first["payments"][0]["captured"], &first["totals"]["paid"]),
        (&usd(400), &usd(400))
    );
    let whole = capture(json!({})).await.expect(200);
    assert_eq!(
        (&whole["payment_status"], &whole["totals"]["paid"]),
        (&json!("captured"), &usd(1000))
    );
    capture(json!({})).await.problem(409, "no_suitable_payment");

    let some = refund(json!({"amount": usd(250), "reason": "scratched"}))
        .await
        .expect(200);
    assert_eq!(
        (&some["payment_status"], &some["totals"]["refunded"]),
        (&json!("partially_refunded"), &usd(250))
    );
    assert_eq!(
        some["totals"]["outstanding"],
        usd(0),
        "what was granted is not asked for again"
    );
    let refunds = some["refunds"].as_array().unwrap();
    assert_eq!(
        (&refunds[0]["amount"], &refunds[0]["reason"]),
        (&usd(250), &json!("scratched"))
    );
    assert_eq!(refunds[0]["status"], "succeeded");
    assert_eq!(refund(json!({"amount": usd(751)})).await.wrong_fields(), ["/amount"]);
    let rest = refund(json!({})).await.expect(200);
    assert_eq!(
        (&rest["payment_status"], &rest["totals"]["refunded"]),
        (&json!("refunded"), &usd(1000))
    );
    let kinds: Vec<&str> = rest["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "created",
            "placed",
            "payment_captured",
            "payment_captured",
            "payment_refunded",
            "payment_refunded"
        ]
    );
    assert_eq!(rest["timeline"][4]["detail"]["amount"], usd(250));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn of_refunds_that_race_no_more_is_given_back_than_was_taken() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 10).await;
    let (order, _) = placed(&store, &product, 1, sandbox("tok_ok")).await;
    let refund = async |number: usize| {
        let caller = admin.once(unique(&format!("refund-{number}")));
        let answer = caller
            .post(&format!("{}/refunds", path(&order)), json!({"amount": usd(600)}))
            .await;
        answer.status
    };
    let outcomes = join_all((0..8).map(refund)).await;
    assert_eq!(
        outcomes.iter().filter(|status| **status == 200).count(),
        1,
        "{outcomes:?}"
    );
    assert!(
        outcomes.iter().all(|status| [200, 409, 422].contains(status)),
        "{outcomes:?}"
    );
    let seen = admin.get(&path(&order)).await.expect(200);
    assert_eq!(seen["totals"]["refunded"], usd(600));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn parcels_leave_one_by_one_and_an_order_that_is_sent_and_paid_is_completed() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 10).await;
    let (order, cart) = placed(&store, &product, 3, manual()).await;
    let line = order["lines"][0]["id"].clone();
    let tracked = json!({"lines": [{"line_id": line, "quantity": 2}], "carrier": "DHL", "tracking_number": "JD01",
        "tracking_url": "https://track.example/JD01"});
    let first = act(&admin, &order, "fulfilments", tracked).await;
    assert_eq!(
        (&first["status"], &first["fulfilment_status"]),
        (&json!("placed"), &json!("partially_fulfilled"))
    );
    assert_eq!(first["lines"][0]["fulfilled_quantity"], 2);
    assert_eq!(first["fulfilments"][0]["carrier"], "DHL");

    let parcels = format!("{}/fulfilments", path(&order));
    for (wrong, field) in [
        (
            json!({"lines": [{"line_id": line, "quantity": 2}]}),
            "/lines/0/quantity",
        ),
        (
            json!({"lines": [{"line_id": line, "quantity": 0}]}),
            "/lines/0/quantity",
        ),
        (
            json!({"lines": [{"line_id": "line_00000000000000000000000000", "quantity": 1}]}),
            "/lines/0/line_id",
        ),
        (json!({"tracking_url": "javascript:alert(1)"}), "/tracking_url"),
    ] {
        assert_eq!(admin.post(&parcels, wrong).await.wrong_fields(), [field]);
    }
    // Sent goods keep the order from being cancelled.
    admin
        .post(&format!("{}/cancel", path(&order)), json!({}))
        .await
        .problem(409, "wrong_state");

    let second = act(&admin, &order, "fulfilments", json!({})).await;
    assert_eq!(
        (&second["status"], &second["fulfilment_status"]),
        (&json!("placed"), &json!("fulfilled"))
    );
    let parcel = second["fulfilments"][1]["id"].as_str().unwrap().to_owned();
    let cancelled = admin
        .post(&format!("{parcels}/{parcel}/cancel"), json!({}))
        .await
        .expect(200);
    assert_eq!(cancelled["fulfilment_status"], "partially_fulfilled");
    assert_eq!(cancelled["lines"][0]["fulfilled_quantity"], 2);
    act(&admin, &order, "fulfilments", json!({})).await;
    let paid = act(&admin, &order, "captures", json!({})).await;
    assert_eq!(
        (&paid["status"], &paid["payment_status"]),
        (&json!("completed"), &json!("captured"))
    );

    let first_parcel = first["fulfilments"][0]["id"].as_str().unwrap();
    let delivered = admin
        .post(&format!("{parcels}/{first_parcel}/deliver"), json!({}))
        .await
        .expect(200);
    assert_eq!(delivered["fulfilments"][0]["status"], "delivered");
    let again = admin
        .post(&format!("{parcels}/{first_parcel}/deliver"), json!({}))
        .await
        .expect(200);
    assert_eq!(again["version"], delivered["version"], "a repeat changes nothing");
    admin
        .post(&format!("{parcels}/{first_parcel}/cancel"), json!({}))
        .await
        .problem(409, "wrong_state");

    let moved = json!({"tracking_number": "JD02", "tracking_url": null});
    admin
        .patch(&format!("{parcels}/{first_parcel}"), moved.clone())
        .await
        .problem(428, "precondition_required");
    let stale = admin
        .with("If-Match", "\"1\"")
        .patch(&format!("{parcels}/{first_parcel}"), moved.clone())
        .await;
    stale.problem(412, "precondition_failed");
    let version = delivered["version"].as_i64().unwrap();
    let patched = admin
        .with("If-Match", format!("\"{version}\""))
        .patch(&format!("{parcels}/{first_parcel}"), moved)
        .await;
    let patched = patched.expect(200);
    assert_eq!(patched["fulfilments"][0]["tracking_number"], "JD02");
    assert_eq!(patched["fulfilments"][0]["tracking_url"], Value::Null);

    // A parcel of another order is not found, whoever asks.
    let (other, _) = placed(&store, &product, 1, manual()).await;
    let foreign = format!("{}/fulfilments/{first_parcel}/deliver", path(&other));
    admin.post(&foreign, json!({})).await.problem(404, "not_found");
    let buyer = cart.buyer.with("Order-Secret", order["secret"].as_str().unwrap());
    let seen = buyer
        .get(&format!("/orders/{}", order["id"].as_str().unwrap()))
        .await
        .expect(200);
    assert!(
        seen["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry.get("actor_id").is_none())
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn goods_come_back_are_counted_put_into_stock_and_paid_back() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 10).await;
    let (order, cart) = placed(&store, &product, 3, sandbox("tok_ok")).await;
    let id = order["id"].as_str().unwrap();
    let line = order["lines"][0]["id"].clone();
    let buyer = cart.buyer.with("Order-Secret", order["secret"].as_str().unwrap());
    let wanted = json!({"lines": [{"line_id": line, "quantity": 2, "reason": "wrong_size"}], "note": "Too small"});
    let returns = format!("/orders/{id}/returns");
    assert_eq!(
        buyer.post(&returns, wanted.clone()).await.wrong_fields(),
        ["/lines/0/quantity"],
        "nothing has left yet"
    );
    act(&admin, &order, "fulfilments", json!({})).await;
    available_when(&store, &product, 7).await;

    store
        .anonymous()
        .post(&returns, wanted.clone())
        .await
        .problem(404, "not_found");
    let asked = buyer
        .once(unique("return"))
        .post(&returns, wanted.clone())
        .await
        .expect(201);
    assert_eq!(asked["returns"][0]["status"], "requested");
    assert_eq!(
        buyer.post(&returns, wanted).await.wrong_fields(),
        ["/lines/0/quantity"],
        "one is left"
    );
    let back = asked["returns"][0]["id"].as_str().unwrap().to_owned();
    let decide = async |what: &str, body: Value| {
        admin
            .post(&format!("{}/returns/{back}/{what}", path(&order)), body)
            .await
    };
    decide("receive", json!({})).await.problem(409, "wrong_state");
    decide("approve", json!({})).await.expect(200);
    decide("reject", json!({})).await.problem(409, "wrong_state");
    let too_many = json!({"lines": [{"line_id": line, "quantity": 3, "restock": 1}]});
    assert_eq!(decide("receive", too_many).await.wrong_fields(), ["/lines/0/quantity"]);
    let came = json!({"lines": [{"line_id": line, "quantity": 2, "restock": 1}]});
    let received = decide("receive", came.clone()).await.expect(200);
    assert_eq!(received["returns"][0]["value"], usd(2000));
    assert_eq!(received["lines"][0]["returned_quantity"], 2);
    decide("receive", came).await.expect(200);
    available_when(&store, &product, 8).await;

    // A refund for a return gives back what was paid for what has come, once.
    let refunds = format!("{}/refunds", path(&order));
    let refund = async |body: Value| admin.once(unique("refund")).post(&refunds, body).await;
    let other = json!({"return_id": "return_00000000000000000000000000"});
    assert_eq!(refund(other).await.wrong_fields(), ["/return_id"]);
    let more = json!({"return_id": back, "amount": usd(2001)});
    assert_eq!(refund(more).await.wrong_fields(), ["/amount"]);
    let refunded = refund(json!({"return_id": back})).await.expect(200);
    assert_eq!(refunded["totals"]["refunded"], usd(2000));
    refund(json!({"return_id": back}))
        .await
        .problem(409, "no_suitable_payment");
    assert_eq!(refunded["refunds"][0]["return_id"], json!(back));

    // The last one is announced by staff, and then kept after all.
    let last = act(
        &admin,
        &order,
        "returns",
        json!({"lines": [{"line_id": line, "quantity": 1, "reason": "defective"}]}),
    )
    .await;
    let last = last["returns"][1]["id"].as_str().unwrap().to_owned();
    buyer
        .post(&format!("{returns}/{last}/cancel"), json!({}))
        .await
        .expect(200);
    let all = act(&admin, &order, "returns", json!({})).await;
    let all = all["returns"][2]["id"].as_str().unwrap().to_owned();
    let done = admin
        .post(&format!("{}/returns/{all}/receive", path(&order)), json!({}))
        .await
        .expect(200);
    assert_eq!(done["fulfilment_status"], "returned");
    available_when(&store, &product, 9).await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn what_is_taken_off_a_placed_order_is_paid_back_and_what_is_added_is_asked_for() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let mug = admin.product(1000, 10).await;
    let cup = admin.product(700, 5).await;
    let (order, cart) = placed(&store, &mug, 3, sandbox("tok_ok")).await;
    let line = order["lines"][0]["id"].clone();
    let edits = format!("{}/edits", path(&order));
    let fewer = json!({"lines": [{"line_id": line, "quantity": 2}], "reason": "one too many"});
    admin
        .post(&edits, fewer.clone())
        .await
        .problem(428, "precondition_required");
    let any = admin.with("If-Match", "*");
    let reduced = any.once(unique("edit")).post(&edits, fewer).await.expect(200);
    assert_eq!(
        (&reduced["totals"]["total"], &reduced["lines"][0]["quantity"]),
        (&usd(2000), &json!(2))
    );
    let seen = eventually(
        || async { admin.get(&path(&order)).await.expect(200) },
        |order| order["totals"]["refunded"] == usd(1000),
    )
    .await;
    assert_eq!(
        (&seen["payment_status"], &seen["totals"]["paid"]),
        (&json!("partially_refunded"), &usd(2000))
    );
    available_when(&store, &mug, 8).await;

    for (wrong, field) in [
        (json!({}), ""),
        (
            json!({"lines": [{"line_id": line, "quantity": 2}]}),
            "/lines/0/quantity",
        ),
        (
            json!({"lines": [{"line_id": line, "quantity": -1}]}),
            "/lines/0/quantity",
        ),
        (
            json!({"add": [{"variant_id": variant(&cup), "quantity": 0}]}),
            "/add/0/quantity",
        ),
        (
            json!({"add": [{"variant_id": "variant_00000000000000000000000000", "quantity": 1}]}),
            "/add/0/variant_id",
        ),
    ] {
        assert_eq!(any.post(&edits, wrong.clone()).await.wrong_fields(), [field], "{wrong}");
    }
    let too_many = json!({"add": [{"variant_id": variant(&cup), "quantity": 6}]});
    any.post(&edits, too_many).await.problem(409, "insufficient_stock");
    available_when(&store, &cup, 5).await;

    let key = unique("edit");
    let more = json!({"add": [{"variant_id": variant(&cup), "quantity": 2}]});
    let grown = any.once(&key).post(&edits, more.clone()).await.expect(200);
    assert_eq!(
        (&grown["totals"]["total"], &grown["totals"]["outstanding"]),
        (&usd(3400), &usd(1400))
    );
    assert_eq!(grown["payment_status"], "pending");
    let replayed = any.once(&key).post(&edits, more).await;
    assert_eq!(replayed.header("idempotent-replayed"), "true");
    available_when(&store, &cup, 3).await;

    let buyer = cart.buyer.with("Order-Secret", order["secret"].as_str().unwrap());
    let payments = format!("/orders/{}/payments", order["id"].as_str().unwrap());
    let paid = buyer
        .once(unique("pay"))
        .post(&payments, sandbox("tok_ok"))
        .await
        .expect(201);
    assert_eq!(
        (&paid["totals"]["outstanding"], &paid["totals"]["paid"]),
        (&usd(0), &usd(3400))
    );
    assert_eq!(paid["payments"][1]["amount"], usd(1400));
    buyer
        .once(unique("pay"))
        .post(&payments, sandbox("tok_ok"))
        .await
        .problem(409, "wrong_state");
    assert_eq!(store.findings().await, [""; 0]);

    // Cancelled, all of it goes back: money of both payments, goods of both reservations.
    admin
        .post(&format!("{}/cancel", path(&order)), json!({}))
        .await
        .expect(200);
    let seen = eventually(
        || async { admin.get(&path(&order)).await.expect(200) },
        |order| order["totals"]["paid"] == usd(0),
    )
    .await;
    assert_eq!(
        (&seen["status"], &seen["payment_status"]),
        (&json!("cancelled"), &json!("refunded"))
    );
    available_when(&store, &mug, 10).await;
    available_when(&store, &cup, 5).await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn of_changes_that_race_one_is_made_and_the_others_hear_of_it() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let mug = admin.product(1000, 20).await;
    let (order, _) = placed(&store, &mug, 2, manual()).await;
    let version = admin.get(&path(&order)).await.expect(200)["version"].as_i64().unwrap();
    let edit = async |number: usize| {
        let caller = admin
            .with("If-Match", format!("\"{version}\""))
            .once(unique(&format!("edit-{number}")));
        let more = json!({"add": [{"variant_id": variant(&mug), "quantity": 3}]});
        caller.post(&format!("{}/edits", path(&order)), more).await.status
    };
    let outcomes = join_all((0..5).map(edit)).await;
    assert_eq!(
        outcomes.iter().filter(|status| **status == 200).count(),
        1,
        "{outcomes:?}"
    );
    assert!(
        outcomes.iter().all(|status| [200, 412].contains(status)),
        "{outcomes:?}"
    );
    available_when(&store, &mug, 15).await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn notes_among_staff_are_not_for_the_buyer() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 10).await;
    let (order, cart) = placed(&store, &product, 1, manual()).await;
    act(&admin, &order, "notes", json!({"text": "Calls every day"})).await;
    let noted = act(
        &admin,
        &order,
        "notes",
        json!({"text": "Leaves on Monday", "internal": false}),
    )
    .await;
    let texts = |order: &Value| -> Vec<String> {
        let entries = order["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["kind"] == "note");
        entries
            .map(|entry| entry["detail"]["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(texts(&noted), ["Calls every day", "Leaves on Monday"]);
    assert_eq!(noted["timeline"][2]["actor_id"], admin.id());
    let buyer = cart.buyer.with("Order-Secret", order["secret"].as_str().unwrap());
    let seen = buyer
        .get(&format!("/orders/{}", order["id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(texts(&seen), ["Leaves on Monday"]);
}

#[tokio::test]
async fn several_ways_of_paying_together_pay_for_an_order() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 10).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let declined = cart.buy(sandbox("tok_declined")).await.problem(402, "payment_declined");
    let id = declined["order_id"].as_str().unwrap();
    let buyer = cart.buyer.with("Order-Secret", declined["secret"].as_str().unwrap());
    let pay = async |mut payment: Value, amount: Value| {
        payment["amount"] = amount;
        buyer
            .once(unique("pay"))
            .post(&format!("/orders/{id}/payments"), payment)
            .await
    };
    for wrong in [usd(0), usd(1001)] {
        assert_eq!(pay(sandbox("tok_ok"), wrong).await.wrong_fields(), ["/amount"]);
    }
    let euros = json!({"amount": 100, "currency": "EUR"});
    assert_eq!(pay(sandbox("tok_ok"), euros).await.wrong_fields(), ["/amount/currency"]);
    let first = pay(sandbox("tok_ok"), usd(300)).await.expect(202);
    assert_eq!(
        (&first["status"], &first["totals"]["outstanding"]),
        (&json!("pending_payment"), &usd(700))
    );
    let second = pay(manual(), usd(500)).await.expect(202);
    assert_eq!(second["totals"]["outstanding"], usd(200));
    let last = pay(sandbox("tok_ok"), Value::Null).await.expect(201);
    assert_eq!(
        (&last["status"], &last["totals"]["paid"]),
        (&json!("placed"), &usd(500))
    );
    assert_eq!(store.findings().await, [""; 0]);
    // Given back in full, each to where it came from.
    admin
        .post(&format!("/admin/orders/{id}/cancel"), json!({}))
        .await
        .expect(200);
    let seen = eventually(
        || async { admin.get(&format!("/admin/orders/{id}")).await.expect(200) },
        |order| order["totals"]["paid"] == usd(0),
    )
    .await;
    let statuses: Vec<&str> = seen["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|payment| payment["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["failed", "captured", "voided", "captured"]);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn staff_prepare_an_order_and_its_buyer_pays_it_by_a_link() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 5).await;
    let drafts = "/admin/draft-orders";
    for (wrong, field) in [
        (json!({"lines": []}), "/lines"),
        (
            json!({"lines": [{"variant_id": variant(&product), "quantity": 0}]}),
            "/lines/0/quantity",
        ),
        (
            json!({"lines": [{"variant_id": variant(&product), "quantity": 1, "unit_price": {"amount": 5, "currency": "EUR"}}]}),
            "/lines/0/unit_price",
        ),
    ] {
        assert_eq!(admin.post(drafts, wrong).await.wrong_fields(), [field]);
    }
    let lines = json!([{"variant_id": variant(&product), "quantity": 3, "unit_price": usd(800)}]);
    let key = unique("draft");
    let draft = admin.once(&key).post(drafts, json!({"lines": lines})).await.expect(201);
    let again = admin.once(&key).post(drafts, json!({"lines": lines})).await.expect(201);
    assert_eq!(draft["id"], again["id"]);
    let one = format!("{drafts}/{}", draft["id"].as_str().unwrap());
    let priced = admin.get(&one).await.expect(200);
    assert_eq!(priced["totals"]["total"], usd(2400));
    let place = async |body: Value| admin.once(unique("order")).post(&format!("{one}/order"), body).await;
    let agreed = json!({"expected_total": usd(2400), "days": 3});
    let missing = place(agreed.clone()).await.problem(422, "cart_not_ready");
    assert_eq!(missing["problems"].as_array().unwrap().len(), 2);

    let content = json!({"lines": lines, "email": "buyer@example.com", "shipping_address": address()});
    admin
        .put(&one, content.clone())
        .await
        .problem(428, "precondition_required");
    admin.with("If-Match", "*").put(&one, content).await.expect(200);
    let other = place(json!({"expected_total": usd(3000)}))
        .await
        .problem(409, "price_changed");
    assert_eq!(other["new"], usd(2400));
    available_when(&store, &product, 5).await;
    assert_eq!(
        place(json!({"expected_total": usd(2400), "days": 61}))
            .await
            .wrong_fields(),
        ["/days"]
    );

    // Of many that make it an order at once, one does.
    let placed = join_all((0..4).map(|_| place(agreed.clone()))).await;
    assert_eq!(placed.iter().filter(|answer| answer.status == 201).count(), 1);
    let order = &placed.iter().find(|answer| answer.status == 201).unwrap().json;
    assert!(placed.iter().all(|answer| [201, 409].contains(&answer.status)));
    assert_eq!(
        (&order["status"], &order["totals"]["outstanding"]),
        (&json!("pending_payment"), &usd(2400))
    );
    assert_eq!(
        (&order["cart_id"], &order["lines"][0]["unit_price"]),
        (&Value::Null, &usd(800))
    );
    available_when(&store, &product, 2).await;
    let seen = admin.get(&one).await.expect(200);
    assert_eq!(seen["order_id"], order["id"]);
    admin.delete(&one).await.problem(404, "not_found");
    assert_eq!(store.findings().await, [""; 0]);

    let buyer = store
        .anonymous()
        .with("Order-Secret", order["secret"].as_str().unwrap());
    let payments = format!("/orders/{}/payments", order["id"].as_str().unwrap());
    store
        .anonymous()
        .once(unique("pay"))
        .post(&payments, sandbox("tok_ok"))
        .await
        .problem(404, "not_found");
    let paid = buyer
        .once(unique("pay"))
        .post(&payments, sandbox("tok_ok"))
        .await
        .expect(201);
    assert_eq!(
        (&paid["status"], &paid["payment_status"]),
        (&json!("placed"), &json!("captured"))
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn an_order_that_staff_have_prepared_and_nobody_pays_gives_its_stock_back() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 5).await;
    let content = json!({"lines": [{"variant_id": variant(&product), "quantity": 2}], "email": "buyer@example.com",
        "shipping_address": address()});
    let draft = admin.post("/admin/draft-orders", content).await.expect(201);
    let place = format!("/admin/draft-orders/{}/order", draft["id"].as_str().unwrap());
    let agreed = json!({"expected_total": usd(2000), "days": 1});
    let order = admin
        .once(unique("order"))
        .post(&place, agreed.clone())
        .await
        .expect(201);
    store.clock().advance(chrono::TimeDelta::hours(25));
    let buyer = store
        .anonymous()
        .with("Order-Secret", order["secret"].as_str().unwrap());
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    eventually(
        || async { buyer.get(&path).await.expect(200) },
        |order| order["status"] == "cancelled",
    )
    .await;
    available_when(&store, &product, 5).await;
    // The draft is good for another order.
    let admin = store.admin().await;
    admin.once(unique("order")).post(&place, agreed).await.expect(201);
    available_when(&store, &product, 3).await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn goods_are_exchanged_by_what_comes_back_and_what_is_sent_instead() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let small = admin.product(1000, 5).await;
    let large = admin.product(1200, 5).await;
    let (order, cart) = placed(&store, &small, 1, sandbox("tok_ok")).await;
    let sent = act(&admin, &order, "fulfilments", json!({})).await;
    assert_eq!(sent["status"], "completed");
    let back = act(&admin, &order, "returns", json!({})).await["returns"][0]["id"].clone();
    let receive = format!("{}/returns/{}/receive", path(&order), back.as_str().unwrap());
    admin.post(&receive, json!({})).await.expect(200);
    let instead = json!({"add": [{"variant_id": variant(&large), "quantity": 1}], "reason": "too small"});
    let edits = format!("{}/edits", path(&order));
    let exchanged = admin
        .with("If-Match", "*")
        .once(unique("edit"))
        .post(&edits, instead)
        .await
        .expect(200);
    assert_eq!(
        (&exchanged["status"], &exchanged["totals"]["outstanding"]),
        (&json!("placed"), &usd(1200))
    );
    // What was paid for what came back is given back.
    let refunded = act(&admin, &order, "refunds", json!({"return_id": back})).await;
    assert_eq!(refunded["totals"]["outstanding"], usd(1200));
    let buyer = cart.buyer.with("Order-Secret", order["secret"].as_str().unwrap());
    let payments = format!("/orders/{}/payments", order["id"].as_str().unwrap());
    buyer
        .once(unique("pay"))
        .post(&payments, sandbox("tok_ok"))
        .await
        .expect(201);
    let done = act(&admin, &order, "fulfilments", json!({})).await;
    assert_eq!(
        (&done["status"], &done["fulfilment_status"]),
        (&json!("completed"), &json!("fulfilled"))
    );
    available_when(&store, &small, 5).await;
    available_when(&store, &large, 4).await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn staff_who_give_back_what_the_order_does_not_need_do_the_buyer_no_favour() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 10).await;
    // The buyer has paid a part, gets it back, and owes the whole.
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let declined = cart.buy(sandbox("tok_declined")).await.problem(402, "payment_declined");
    let id = declined["order_id"].as_str().unwrap();
    let buyer = cart.buyer.with("Order-Secret", declined["secret"].as_str().unwrap());
    let mut part = sandbox("tok_ok");
    part["amount"] = usd(600);
    buyer
        .once(unique("pay"))
        .post(&format!("/orders/{id}/payments"), part)
        .await
        .expect(202);
    let refunds = format!("/admin/orders/{id}/refunds");
    let back = admin.once(unique("refund")).post(&refunds, json!({})).await.expect(200);
    assert_eq!(
        (&back["totals"]["refunded"], &back["totals"]["outstanding"]),
        (&usd(600), &usd(1000))
    );
    let paid = buyer
        .once(unique("pay"))
        .post(&format!("/orders/{id}/payments"), sandbox("tok_ok"))
        .await
        .expect(201);
    assert_eq!(
        (&paid["status"], &paid["totals"]["paid"]),
        (&json!("placed"), &usd(1000))
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn money_that_was_on_its_way_when_an_order_grew_cheaper_goes_back() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 10).await;
    let (order, _) = placed(&store, &product, 3, sandbox("tok_authorize_only")).await;
    let line = order["lines"][0]["id"].clone();
    // Taken and changed at the same moment: whichever is first, what is too much goes back.
    let captures = format!("{}/captures", path(&order));
    let edits = format!("{}/edits", path(&order));
    let taking = admin.once(unique("capture"));
    let changing = admin.with("If-Match", "*").once(unique("edit"));
    let fewer = json!({"lines": [{"line_id": line, "quantity": 1}]});
    let (taken, changed) = tokio::join!(taking.post(&captures, json!({})), changing.post(&edits, fewer.clone()));
    assert!([200, 202].contains(&taken.status), "{}", taken.json);
    if changed.status != 200 {
        changed.problem(409, "payment_in_progress");
        let again = admin.with("If-Match", "*").once(unique("edit"));
        again.post(&edits, fewer).await.expect(200);
    }
    let seen = eventually(
        || async { admin.get(&path(&order)).await.expect(200) },
        |order| order["totals"]["paid"] == usd(1000),
    )
    .await;
    assert_eq!(
        (&seen["totals"]["total"], &seen["totals"]["outstanding"]),
        (&usd(1000), &usd(0))
    );
    assert_eq!(store.findings().await, [""; 0]);
}
