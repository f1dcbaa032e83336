//! How goods are sent, as staff say it and buyers see it.

use serde_json::{Value, json};

use super::support::{ReadyCart, Store, flat, manual, money, place, unique};

fn dollars(amount: i64) -> Value {
    money(amount, "USD")
}

/// The id of a method of a zone.
fn method(zone: &Value, index: usize) -> &Value {
    &zone["methods"][index]["id"]
}

#[tokio::test]
async fn staff_make_list_change_and_remove_shipping_zones() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let new = json!({"name": "Austria", "areas": [{"country": "AT", "postal_codes": ["10*", "6000..6999"]}],
        "methods": [flat("Parcel", dollars(500)), flat("Express", dollars(1500))]});
    let key = unique("zone");
    let answer = admin.once(&key).post("/admin/shipping/zones", new.clone()).await;
    let path = format!("/admin/shipping/zones/{}", answer.json["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), format!("/api/v1{path}"));
    assert_eq!(answer.header("etag"), "\"1\"");
    let zone = answer.expect(201);
    assert_eq!(
        (&zone["name"], &zone["areas"], &zone["version"]),
        (&new["name"], &new["areas"], &json!(1))
    );
    assert_eq!(
        zone["methods"][1]["terms"]["price"],
        new["methods"][1]["terms"]["price"]
    );
    let again = admin
        .once(&key)
        .post("/admin/shipping/zones", new.clone())
        .await
        .expect(201);
    assert_eq!(again, zone);
    let shown = admin.get(&path).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    assert_eq!(shown.expect(200), zone);

    let other = admin.shipping_zone(json!([]), json!([])).await;
    let first = admin.get("/admin/shipping/zones?limit=1").await.expect(200);
    assert_eq!(
        (&first["data"], &first["page"]["has_more"]),
        (&json!([zone]), &json!(true))
    );
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    let list = format!("/admin/shipping/zones?limit=1&cursor={cursor}");
    let second = admin.get(&list).await.expect(200);
    assert_eq!(
        (&second["data"], &second["page"]["has_more"]),
        (&json!([other]), &json!(false))
    );
    let foreign = format!("/admin/tax/zones?cursor={cursor}");
    admin.get(&foreign).await.problem(400, "invalid_query");

    // The second method stays what it is, the first one goes, and there is a new one.
    let mut kept = flat("Faster", dollars(1200));
    kept["id"] = method(&zone, 1).clone();
    kept["terms"]["pick_up"] = json!(false);
    let change = json!({"methods": [kept, flat("Bike", dollars(300))]});
    admin
        .patch(&path, change.clone())
        .await
        .problem(428, "precondition_required");
    let stale = admin.with("If-Match", "\"2\"");
    let problem = stale
        .patch(&path, change.clone())
        .await
        .problem(412, "precondition_failed");
    assert_eq!(problem["version"], 1);
    let answer = admin.with("If-Match", "\"1\"").patch(&path, change.clone()).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    let changed = answer.expect(200);
    assert_eq!((&changed["name"], &changed["areas"]), (&zone["name"], &zone["areas"]));
    assert_eq!(changed["methods"][0], kept);
    assert_ne!(method(&changed, 1), method(&zone, 0));
    let gone = json!({"methods": [{"id": method(&zone, 0), "name": "Parcel", "terms": kept["terms"]}]});
    let refused = stale.patch(&path, gone).await;
    assert_eq!(refused.json["errors"][0]["code"], "unknown_shipping_method");
    assert_eq!(refused.wrong_fields(), ["/methods/0/id"]);

    admin.delete(&path).await.problem(428, "precondition_required");
    admin
        .with("If-Match", "\"1\"")
        .delete(&path)
        .await
        .problem(412, "precondition_failed");
    stale.delete(&path).await.expect(204);
    stale.delete(&path).await.problem(404, "not_found");
    admin.get(&path).await.problem(404, "not_found");
    stale.patch(&path, change).await.problem(404, "not_found");
    let left = admin.get("/admin/shipping/zones").await.expect(200);
    assert_eq!(left["data"], json!([other]));
}

#[tokio::test]
async fn what_cannot_be_a_shipping_zone_is_refused_and_changes_nothing() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let zone = |areas: Value, methods: Value| json!({"name": "A zone", "areas": areas, "methods": methods});
    let price = |price: Value| json!([{"name": "Parcel", "terms": {"price": price}}]);
    let dear = json!({"kind": "flat", "amounts": [dollars(-1)]});
    let steps = json!({"kind": "by_weight", "steps": [
        {"up_to_grams": 500, "amounts": [dollars(1)]}, {"up_to_grams": 500, "amounts": []}]});
    let mut known = flat("Parcel", dollars(1));
    known["id"] = json!("shipping_01h455vb4pex5vsknk084sn02q");
    for (body, wrong) in [
        (json!({}), vec!["/name required"]),
        (json!({"name": "A zone", "version": 1}), vec!["/version unknown_field"]),
        (
            zone(json!([{"country": "at"}]), json!([])),
            vec!["/areas/0/country unknown_country"],
        ),
        (
            zone(json!([{"country": "AT", "city": "Wien"}]), json!([])),
            vec!["/areas/0/city unknown_field"],
        ),
        (
            zone(
                json!([{"country": "AT"}, {"country": "DE", "postal_codes": ["1", "2..1"]}]),
                json!([]),
            ),
            vec!["/areas/1/postal_codes/1 invalid_postal_code"],
        ),
        (
            zone(json!(vec![json!({"country": "AT"}); 501]), json!([])),
            vec!["/areas too_many"],
        ),
        (
            zone(json!([{"country": "AT", "postal_codes": vec!["1"; 1001]}]), json!([])),
            vec!["/areas/0/postal_codes too_many"],
        ),
        (
            zone(json!([]), json!(vec![flat("Parcel", dollars(1)); 101])),
            vec!["/methods too_many"],
        ),
        (
            zone(json!([]), json!([known])),
            vec!["/methods/0/id unknown_shipping_method"],
        ),
        (
            zone(json!([]), price(dear)),
            vec!["/methods/0/terms/price/amounts/0/amount out_of_range"],
        ),
        (
            zone(json!([]), price(steps)),
            vec![
                "/methods/0/terms/price/steps/1/up_to_grams out_of_range",
                "/methods/0/terms/price/steps/1/amounts required",
            ],
        ),
    ] {
        let problem = admin
            .post("/admin/shipping/zones", body)
            .await
            .problem(422, "validation_failed");
        let errors = problem["errors"].as_array().unwrap().iter();
        let told = |error: &Value| {
            format!(
                "{} {}",
                error["pointer"].as_str().unwrap(),
                error["code"].as_str().unwrap()
            )
        };
        assert_eq!(errors.map(told).collect::<Vec<_>>(), wrong);
    }
    let list = admin.get("/admin/shipping/zones").await.expect(200);
    assert_eq!(list["data"], json!([]));
    for _ in 0..50 {
        admin.shipping_zone(json!([]), json!([])).await;
    }
    let refused = admin.post("/admin/shipping/zones", json!({"name": "One more"})).await;
    assert_eq!(refused.json["errors"][0]["code"], "too_many");
    assert_eq!(refused.wrong_fields(), [""]);
}

#[tokio::test]
async fn the_zone_that_names_an_address_most_closely_says_how_goods_go_there() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let article = admin.article(dollars(1000), json!({}), json!({})).await;
    for (area, name) in [
        (json!([]), "by ship"),
        (json!([{"country": "US"}, {"country": "CA"}]), "by rail"),
        (json!([{"country": "US", "regions": ["IL", "Illinois"]}]), "by truck"),
        (
            json!([{"country": "US", "postal_codes": ["606*", "60700..60799"]}]),
            "by bike",
        ),
        (json!([{"country": "US", "postal_codes": ["60601"]}]), "too late"),
    ] {
        admin.shipping_zone(area, json!([flat(name, dollars(500))])).await;
    }
    let mut cart = store.anonymous().bare_cart(&[(&article, 1)]).await;
    assert_eq!(cart.methods().await, []);
    for (address, name) in [
        (place("JP", None, "100-0001"), "by ship"),
        (place("CA", Some("ON"), "K1A 0A6"), "by rail"),
        (place("US", Some("NY"), "10001"), "by rail"),
        (place("US", None, "62701"), "by rail"),
        (place("US", Some("illinois"), "62701"), "by truck"),
        (place("US", Some("IL"), "60601-1234"), "by bike"),
        (place("US", None, "60712"), "by bike"),
        // Of two that name it alike the older one.
        (place("US", Some("IL"), "60601"), "by bike"),
    ] {
        cart.say(json!({"shipping_address": address})).await;
        assert_eq!(cart.methods().await, [(name.to_owned(), 500)], "{address}");
    }
}

#[tokio::test]
async fn a_method_costs_what_its_terms_say_of_what_is_sent() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let grams = json!({"weight_grams": 400});
    let article = admin.article(dollars(1000), json!({}), grams).await;
    let terms = |name: &str, terms: Value| json!({"name": name, "terms": terms});
    let weight = |up_to_grams: i64, amount: i64| json!({"up_to_grams": up_to_grams, "amounts": [dollars(amount)]});
    let from = |from: i64, amount: i64| json!({"from": dollars(from), "amount": dollars(amount)});
    let flat = json!({"kind": "flat", "amounts": [dollars(500), money(450, "EUR")]});
    let euros = json!({"kind": "flat", "amounts": [money(450, "EUR")]});
    let by_weight = json!({"kind": "by_weight", "steps": [weight(500, 300), weight(1200, 700)]});
    let by_subtotal = json!({"kind": "by_subtotal", "steps": [from(0, 900), from(2000, 600), from(4000, 0)]});
    let methods = json!([
        terms("flat", json!({"price": flat, "free_from": [dollars(3000)]})),
        terms("by weight", json!({"price": by_weight})),
        terms("by subtotal", json!({"price": by_subtotal})),
        terms(
            "light",
            json!({"price": flat, "max_grams": 400, "estimate": {"min_days": 1, "max_days": 2}})
        ),
        terms("in euros", json!({"price": euros})),
    ]);
    let zone = admin.shipping_zone(json!([]), methods).await;
    let mut cart = store.anonymous().bare_cart(&[(&article, 1)]).await;
    cart.say(json!({"shipping_address": place("DE", None, "10115")})).await;
    let items = format!(
        "/carts/{}/items/{}",
        cart.id,
        cart.cart["items"][0]["id"].as_str().unwrap()
    );
    let prices = [
        (
            1,
            vec![("flat", 500), ("by weight", 300), ("by subtotal", 900), ("light", 500)],
        ),
        (2, vec![("flat", 500), ("by weight", 700), ("by subtotal", 600)]),
        (3, vec![("flat", 0), ("by weight", 700), ("by subtotal", 600)]),
        (4, vec![("flat", 0), ("by subtotal", 0)]),
    ];
    for (quantity, offered) in prices {
        cart.buyer
            .patch(&items, json!({"quantity": quantity}))
            .await
            .expect(200);
        let offered: Vec<(String, i64)> = offered
            .iter()
            .map(|(name, price)| ((*name).to_owned(), *price))
            .collect();
        assert_eq!(cart.methods().await, offered, "{quantity}");
    }
    cart.buyer.patch(&items, json!({"quantity": 1})).await.expect(200);
    cart.say(json!({"shipping_method": method(&zone, 3)})).await;
    let chosen = &cart.cart["shipping_method"];
    assert_eq!((&chosen["min_days"], &chosen["max_days"]), (&json!(1), &json!(2)));
    cart.say(json!({"shipping_method": method(&zone, 1)})).await;
    assert_eq!((cart.total("shipping"), cart.total("total")), (300, 1300));
    assert_eq!(cart.cart["shipping_method"]["id"], *method(&zone, 1));
    cart.assert_bought_as_shown().await;
}

#[tokio::test]
async fn a_cart_is_ordered_only_with_a_method_that_is_offered_for_it() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let article = admin
        .article(dollars(1000), json!({}), json!({"weight_grams": 400}))
        .await;
    let light = json!({"name": "Letter", "terms": {"max_grams": 400,
        "price": {"kind": "flat", "amounts": [dollars(200)]}}});
    let germany = json!([flat("Parcel", dollars(500)), light]);
    let germany = admin.shipping_zone(json!([{"country": "DE"}]), germany).await;
    let austria = json!([flat("Post", dollars(800))]);
    let austria = admin.shipping_zone(json!([{"country": "AT"}]), austria).await;
    let mut cart = store.anonymous().bare_cart(&[(&article, 1)]).await;
    assert_eq!(
        cart.problems(),
        ["shipping_address_required", "shipping_method_required"]
    );
    cart.say(json!({"shipping_address": place("FR", None, "75001")})).await;
    assert_eq!(cart.problems(), ["not_sent_there"]);
    cart.say(json!({"shipping_address": place("DE", None, "10115")})).await;
    assert_eq!(cart.problems(), ["shipping_method_required"]);
    let problem = cart.buy(manual()).await.problem(422, "cart_not_ready");
    assert_eq!(problem["problems"][0]["code"], "shipping_method_required");

    for (id, code) in [
        (json!("shipping_01h455vb4pex5vsknk084sn02q"), "unknown_shipping_method"),
        (method(&austria, 0).clone(), "shipping_method_unavailable"),
    ] {
        let refused = cart.try_to_say(json!({"shipping_method": id})).await;
        assert_eq!(refused.json["errors"][0]["code"], code);
        assert_eq!(refused.wrong_fields(), ["/shipping_method"]);
    }
    cart.say(json!({"shipping_method": method(&germany, 1)})).await;
    assert_eq!((cart.problems(), cart.total("total")), (vec![], 1200));

    // What is chosen may cease to be offered: for what is in the cart, where it goes, or at all.
    let more = json!({"variant_id": article, "quantity": 1});
    cart.buyer
        .post(&format!("/carts/{}/items", cart.id), more)
        .await
        .expect(201);
    cart.read().await;
    assert_eq!(cart.problems(), ["shipping_method_unavailable"]);
    assert_eq!(
        (&cart.cart["shipping_method"], cart.total("shipping")),
        (&Value::Null, 0)
    );
    cart.say(json!({"shipping_method": method(&germany, 0)})).await;
    assert_eq!((cart.problems(), cart.total("total")), (vec![], 2500));
    cart.say(json!({"shipping_address": place("AT", None, "1010")})).await;
    assert_eq!(cart.problems(), ["shipping_method_unavailable"]);
    let problem = cart.buy(manual()).await.problem(422, "cart_not_ready");
    assert_eq!(problem["problems"][0]["code"], "shipping_method_unavailable");
    cart.say(json!({"shipping_method": null})).await;
    assert_eq!(cart.problems(), ["shipping_method_required"]);

    // An order may choose for itself, as long as the buyer knows what it then costs.
    let mut order = cart.order(manual());
    order["shipping_method"] = method(&austria, 0).clone();
    let problem = cart
        .buyer
        .once(unique("order"))
        .post("/orders", order.clone())
        .await
        .problem(409, "price_changed");
    assert_eq!(problem["new"], dollars(2800));
    order["expected_total"] = problem["new"].clone();
    let order = cart
        .buyer
        .once(unique("order"))
        .post("/orders", order)
        .await
        .expect(201);
    assert_eq!(order["shipping_method"]["id"], *method(&austria, 0));
    assert_eq!(order["totals"]["shipping"], dollars(800));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn goods_that_are_fetched_need_no_address() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let article = admin.article(dollars(1000), json!({}), json!({})).await;
    let shop = json!({"name": "Fetched", "terms": {"pick_up": true,
        "price": {"kind": "flat", "amounts": [dollars(0)]}}});
    let zone = admin
        .shipping_zone(json!([{"country": "DE"}]), json!([flat("Parcel", dollars(500)), shop]))
        .await;
    let mut cart = store.anonymous().bare_cart(&[(&article, 2)]).await;
    assert_eq!(cart.methods().await, [("Fetched".to_owned(), 0)]);
    // A method that needs an address can be chosen before it is known where that is.
    cart.say(json!({"shipping_method": method(&zone, 0)})).await;
    assert_eq!(
        (cart.problems(), cart.total("total")),
        (vec!["shipping_address_required"], 2000)
    );
    cart.say(json!({"shipping_method": method(&zone, 1)})).await;
    assert_eq!((cart.problems(), cart.total("total")), (vec![], 2000));
    assert_eq!(cart.cart["shipping_method"]["pick_up"], true);
    cart.assert_bought_as_shown().await;
}

#[tokio::test]
async fn what_is_not_sent_needs_no_method_and_weighs_nothing() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let weight = json!({"weight_grams": 400});
    let article = admin.article(dollars(1000), json!({}), weight).await;
    let digital = json!({"requires_shipping": false, "weight_grams": 5000});
    let digital = admin.article(dollars(700), json!({}), digital).await;
    let step = json!({"up_to_grams": 400, "amounts": [dollars(300)]});
    let letter = json!({"name": "Letter", "terms": {"price": {"kind": "by_weight", "steps": [step]},
        "free_from": [dollars(1500)]}});
    let zone = admin.shipping_zone(json!([]), json!([letter])).await;
    let cart = store.anonymous().bare_cart(&[(&digital, 1)]).await;
    assert_eq!((cart.problems(), cart.methods().await), (vec![], vec![]));
    cart.assert_bought_as_shown().await;

    let mut cart = store.anonymous().bare_cart(&[(&digital, 1), (&article, 1)]).await;
    let details = json!({"shipping_address": place("DE", None, "10115"), "shipping_method": method(&zone, 0)});
    cart.say(details).await;
    assert_eq!(
        (cart.problems(), cart.total("shipping"), cart.total("total")),
        (vec![], 300, 2000)
    );
    cart.assert_bought_as_shown().await;
}

#[tokio::test]
async fn open_carts_follow_what_staff_say_and_orders_at_the_old_price_are_refused() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let article = admin.article(dollars(1000), json!({}), json!({})).await;
    // Before the shop says anything of shipping, carts are ordered without.
    let mut cart = store.anonymous().bare_cart(&[(&article, 1)]).await;
    cart.say(json!({"shipping_address": place("DE", None, "10115")})).await;
    assert_eq!(cart.problems(), [""; 0]);
    let zone = admin
        .shipping_zone(json!([]), json!([flat("Parcel", dollars(500))]))
        .await;
    cart.read().await;
    assert_eq!(cart.problems(), ["shipping_method_required"]);
    cart.say(json!({"shipping_method": method(&zone, 0)})).await;
    assert_eq!(cart.total("total"), 1500);

    let path = format!("/admin/shipping/zones/{}", zone["id"].as_str().unwrap());
    let mut dearer = flat("Parcel", dollars(600));
    dearer["id"] = method(&zone, 0).clone();
    let change = json!({"methods": [dearer]});
    admin.with("If-Match", "*").patch(&path, change).await.expect(200);
    let problem = cart.buy(manual()).await.problem(409, "price_changed");
    assert_eq!((&problem["old"], &problem["new"]), (&dollars(1500), &dollars(1600)));
    let before = cart.cart["version"].as_i64().unwrap();
    cart.read().await;
    assert_eq!(
        (cart.total("total"), cart.cart["version"].as_i64().unwrap()),
        (1600, before + 1)
    );
    let bought = ReadyCart { ..cart.clone() };
    bought.assert_bought_as_shown().await;

    // An order stays what it was, and a zone that is gone sends nothing any more.
    let mut late = store.anonymous().bare_cart(&[(&article, 1)]).await;
    let details = json!({"shipping_address": place("DE", None, "10115"), "shipping_method": method(&zone, 0)});
    late.say(details).await;
    admin.with("If-Match", "*").delete(&path).await.expect(204);
    late.read().await;
    assert_eq!((late.problems(), late.total("total")), (vec![], 1000));
    assert_eq!(late.cart["shipping_method"], Value::Null);
    assert_eq!(store.findings().await, [""; 0]);
}
