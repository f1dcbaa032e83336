//! How what is bought is taxed, as staff say it and buyers see it.

use serde_json::{Value, json};

use super::support::{Customer, PASSWORD, ReadyCart, Store, flat, manual, money, place, rate, unique};

fn euros(amount: i64) -> Value {
    money(amount, "EUR")
}

/// Prices with German taxes in them.
fn german() -> Value {
    json!({"prices_include_tax": true, "rates": [rate("standard", "USt", "19"), rate("reduced", "USt", "7")]})
}

/// What is said of a cart that goes to `country`.
fn to(country: &str) -> Value {
    json!({"shipping_address": place(country, None, "1010")})
}

async fn german_shop() -> Store {
    Store::with([("shop.currency", "EUR")]).await
}

#[tokio::test]
async fn staff_make_list_change_and_remove_tax_zones() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let new = json!({"name": "Germany", "areas": [{"country": "DE"}], "prices_include_tax": true,
        "rates": [rate("standard", "USt", "19"), rate("reduced", "USt", "7.00")]});
    let key = unique("zone");
    let answer = admin.once(&key).post("/admin/tax/zones", new.clone()).await;
    let path = format!("/admin/tax/zones/{}", answer.json["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), format!("/api/v1{path}"));
    assert_eq!(answer.header("etag"), "\"1\"");
    let zone = answer.expect(201);
    for (member, value) in [
        ("name", json!("Germany")),
        ("areas", json!([{"country": "DE"}])),
        ("prices_include_tax", json!(true)),
        ("reverse_charge", json!(false)),
        ("exempt_groups", json!([])),
        (
            "rates",
            json!([rate("standard", "USt", "19"), rate("reduced", "USt", "7")]),
        ),
        ("shipping", json!({"kind": "as_goods"})),
        ("version", json!(1)),
    ] {
        assert_eq!(zone[member], value, "{member}");
    }
    let again = admin.once(&key).post("/admin/tax/zones", new).await.expect(201);
    assert_eq!(again, zone);
    assert_eq!(admin.get(&path).await.expect(200), zone);
    let other = admin
        .tax_zone(json!([]), json!({"prices_include_tax": false, "rates": []}))
        .await;
    let first = admin.get("/admin/tax/zones?limit=1").await.expect(200);
    assert_eq!(
        (&first["data"], &first["page"]["has_more"]),
        (&json!([zone]), &json!(true))
    );
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    let second = admin
        .get(&format!("/admin/tax/zones?limit=1&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(
        (&second["data"], &second["page"]["has_more"]),
        (&json!([other]), &json!(false))
    );

    let change = json!({"reverse_charge": true, "shipping": {"kind": "class", "tax_class": "standard"}});
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
    let changed = admin
        .with("If-Match", "\"1\"")
        .patch(&path, change.clone())
        .await
        .expect(200);
    let mut expected = zone.clone();
    expected["reverse_charge"] = json!(true);
    expected["shipping"] = change["shipping"].clone();
    expected["version"] = json!(2);
    expected["updated_at"] = changed["updated_at"].clone();
    assert_eq!(changed, expected);
    for wrong in [
        json!({"name": null}),
        json!({"rates": null}),
        json!({"shipping": null}),
        json!({"id": zone["id"]}),
    ] {
        let field = format!("/{}", wrong.as_object().unwrap().keys().next().unwrap());
        assert_eq!(stale.patch(&path, wrong).await.wrong_fields(), [field]);
    }

    admin.delete(&path).await.problem(428, "precondition_required");
    admin
        .with("If-Match", "\"1\"")
        .delete(&path)
        .await
        .problem(412, "precondition_failed");
    stale.delete(&path).await.expect(204);
    stale.delete(&path).await.problem(404, "not_found");
    admin.get(&path).await.problem(404, "not_found");
    assert_eq!(admin.get("/admin/tax/zones").await.expect(200)["data"], json!([other]));
}

#[tokio::test]
async fn what_cannot_be_a_tax_zone_is_refused_and_changes_nothing() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let zone = |rates: Value| json!({"name": "A zone", "prices_include_tax": true, "rates": rates});
    let with = |member: &str, value: Value| {
        let mut zone = zone(json!([]));
        zone[member] = value;
        zone
    };
    let long = "x".repeat(51);
    for (body, wrong) in [
        (
            json!({"name": "A zone"}),
            vec!["/prices_include_tax required", "/rates required"],
        ),
        (
            zone(json!([rate("Standard", "VAT", "20")])),
            vec!["/rates/0/tax_class invalid_tax_class"],
        ),
        (
            zone(json!([rate(&long, "VAT", "20")])),
            vec!["/rates/0/tax_class invalid_tax_class"],
        ),
        (
            zone(json!([rate("standard", "", "20")])),
            vec!["/rates/0/name too_short"],
        ),
        (
            zone(json!([rate("standard", "VAT", "100.1")])),
            vec!["/rates/0/percent invalid_percent"],
        ),
        (
            zone(json!([{"tax_class": "a", "name": "VAT", "percent": 20}])),
            vec!["/rates/0/percent invalid_type"],
        ),
        (
            zone(json!([
                rate("a", "State", "60"),
                rate("b", "State", "60"),
                rate("a", "County", "40.5")
            ])),
            vec!["/rates/2/percent out_of_range"],
        ),
        (zone(json!(vec![rate("a", "VAT", "0.1"); 201])), vec!["/rates too_many"]),
        (
            with("shipping", json!({"kind": "class", "tax_class": "A"})),
            vec!["/shipping invalid_tax_class"],
        ),
        (
            with("shipping", json!({"kind": "none", "x": 1})),
            vec!["/shipping/x unknown_field"],
        ),
        (
            with("shipping", json!({"kind": "some"})),
            vec!["/shipping/kind unknown_value"],
        ),
        (
            with("exempt_groups", json!(["group_1"])),
            vec!["/exempt_groups/0 invalid"],
        ),
        (
            with("areas", json!([{"country": "DE", "postal_codes": ["-"]}])),
            vec!["/areas/0/postal_codes/0 invalid_postal_code"],
        ),
        (with("gross", json!(true)), vec!["/gross unknown_field"]),
    ] {
        let problem = admin
            .post("/admin/tax/zones", body)
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
    assert_eq!(admin.get("/admin/tax/zones").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn prices_contain_the_tax_where_staff_say_so_and_shipping_is_taxed_as_the_goods() {
    let store = german_shop().await;
    let admin = store.admin().await;
    let lamp = admin.article(euros(10000), json!({}), json!({})).await;
    let book = admin
        .article(euros(5000), json!({"tax_class": "reduced"}), json!({}))
        .await;
    let gift = admin
        .article(euros(1000), json!({"tax_class": "other"}), json!({}))
        .await;
    let zone = admin
        .shipping_zone(json!([]), json!([flat("Parcel", euros(490))]))
        .await;
    admin.tax_zone(json!([{"country": "DE"}]), german()).await;
    let mut cart = store.anonymous().bare_cart(&[(&lamp, 1), (&book, 1)]).await;
    // Nobody knows where it goes yet.
    assert_eq!((cart.total("tax_included"), cart.taxes()), (0, vec![]));
    cart.say(to("DE")).await;
    // 19/119 of 100.00 is 15.966, 7/107 of 50.00 is 3.271.
    assert_eq!(
        (cart.total("total"), cart.total("tax"), cart.total("tax_included")),
        (15000, 0, 1924)
    );
    cart.say(json!({"shipping_method": zone["methods"][0]["id"]})).await;
    // 4.90 are 3.27 with the lamp and 1.63 with the book; 19/119 of 103.27 is 16.489, 7/107 of 51.63 is 3.378.
    assert_eq!(cart.taxes(), [("USt", 10327, 1649), ("USt", 5163, 338)]);
    assert_eq!(
        (cart.total("total"), cart.total("tax"), cart.total("tax_included")),
        (15490, 0, 1987)
    );
    assert_eq!(cart.cart["items"][0]["tax"], euros(1597));
    assert_eq!(cart.cart["shipping_tax"], euros(63));
    cart.assert_bought_as_shown().await;

    // What has no rate is not taxed, and nothing is elsewhere.
    let mut cart = store.anonymous().bare_cart(&[(&gift, 1)]).await;
    cart.say(to("DE")).await;
    assert_eq!(
        (cart.total("total"), cart.total("tax_included"), cart.taxes()),
        (1000, 0, vec![])
    );
    let mut cart = store.anonymous().bare_cart(&[(&lamp, 1)]).await;
    cart.say(to("CH")).await;
    assert_eq!(
        (cart.total("total"), cart.total("tax_included"), cart.taxes()),
        (10000, 0, vec![])
    );
}

#[tokio::test]
async fn taxes_come_onto_net_prices_several_beside_each_other() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let lamp = admin.article(money(10000, "USD"), json!({}), json!({})).await;
    let state = rate("standard", "New York State", "4");
    let rates = json!([
        state,
        rate("standard", "New York City", "4.5"),
        rate("standard", "MCTD", "0.375")
    ]);
    let zone = |rates: Value| json!({"prices_include_tax": false, "rates": rates, "shipping": {"kind": "none"}});
    admin
        .tax_zone(json!([{"country": "US", "regions": ["NY"]}]), zone(json!([state])))
        .await;
    let city = json!([{"country": "US", "postal_codes": ["100*..104*"]}]);
    let city = json!({"name": "A zone", "areas": city, "prices_include_tax": false, "rates": []});
    assert_eq!(
        admin.post("/admin/tax/zones", city).await.wrong_fields(),
        ["/areas/0/postal_codes/0"]
    );
    admin
        .tax_zone(
            json!([{"country": "US", "postal_codes": ["10000..10499"]}]),
            zone(rates),
        )
        .await;
    let shipping = admin
        .shipping_zone(json!([]), json!([flat("Ground", money(795, "USD"))]))
        .await;
    let mut cart = store.anonymous().bare_cart(&[(&lamp, 1)]).await;
    let details = |region: Option<&str>, code: &str| json!({"shipping_address": place("US", region, code), "shipping_method": shipping["methods"][0]["id"]});
    cart.say(details(Some("NY"), "12207")).await;
    assert_eq!(
        (cart.total("tax"), cart.total("total"), cart.taxes()),
        (400, 11195, vec![("New York State", 10000, 400)])
    );
    cart.say(details(Some("NJ"), "07030")).await;
    assert_eq!((cart.total("tax"), cart.total("total")), (0, 10795));
    // 8.875 % together, rounded once: 8.88, of which 4.00, 4.50 and 0.375 are the parts.
    cart.say(details(Some("NY"), "10001")).await;
    let taxes = [
        ("New York State", 10000, 400),
        ("New York City", 10000, 450),
        ("MCTD", 10000, 38),
    ];
    assert_eq!(cart.taxes(), taxes);
    assert_eq!(cart.cart["taxes"][2]["percent"], "0.375");
    assert_eq!(
        (cart.total("tax"), cart.total("tax_included"), cart.total("total")),
        (888, 0, 11683)
    );
    cart.assert_bought_as_shown().await;
}

#[tokio::test]
async fn shipping_is_taxed_not_at_all_as_the_goods_or_as_a_class() {
    let store = german_shop().await;
    let admin = store.admin().await;
    let book = admin
        .article(euros(2000), json!({"tax_class": "reduced"}), json!({}))
        .await;
    let shipping = admin
        .shipping_zone(json!([]), json!([flat("Parcel", euros(500))]))
        .await;
    let mut zone = german();
    zone["prices_include_tax"] = json!(false);
    let zone = admin.tax_zone(json!([]), zone).await;
    let mut cart = store.anonymous().bare_cart(&[(&book, 1)]).await;
    cart.say(to("DE")).await;
    cart.say(json!({"shipping_method": shipping["methods"][0]["id"]})).await;
    // 7 % of 20.00, and besides nothing, 7 % or 19 % of 5.00.
    let path = format!("/admin/tax/zones/{}", zone["id"].as_str().unwrap());
    for (kind, tax, of_shipping) in [
        (json!({"kind": "none"}), 140, Value::Null),
        (json!({"kind": "as_goods"}), 175, euros(35)),
        (json!({"kind": "class", "tax_class": "standard"}), 235, euros(95)),
        (json!({"kind": "class", "tax_class": "unknown"}), 140, Value::Null),
    ] {
        admin
            .with("If-Match", "*")
            .patch(&path, json!({"shipping": kind}))
            .await
            .expect(200);
        cart.read().await;
        assert_eq!((cart.total("tax"), cart.total("total")), (tax, 2500 + tax), "{kind}");
        assert_eq!(cart.cart["shipping_tax"], of_shipping, "{kind}");
    }
    cart.assert_bought_as_shown().await;
}

/// A customer who belongs to `group`.
async fn member(store: &Store, group: &Value) -> Customer {
    let customer = store.customer().await;
    let path = format!("/admin/users/{}", customer.id());
    let change = json!({"customer_group_id": group["id"]});
    store
        .admin()
        .await
        .with("If-Match", "*")
        .patch(&path, change)
        .await
        .expect(200);
    customer
}

#[tokio::test]
async fn customers_of_an_exempt_group_pay_no_tax() {
    let store = german_shop().await;
    let admin = store.admin().await;
    let lamp = admin.article(euros(11900), json!({}), json!({})).await;
    let group = admin
        .post("/admin/customer-groups", json!({"name": "Embassies"}))
        .await
        .expect(201);
    let mut zone = german();
    zone["exempt_groups"] = json!([group["id"]]);
    admin.tax_zone(json!([]), zone).await;
    let customer = member(&store, &group).await;
    let body = json!({"email": customer.email(), "password": PASSWORD});
    let tokens = store.anonymous().post("/auth/login", body).await.expect(200);
    let member = store.anonymous().bearing(tokens["access_token"].as_str().unwrap());
    let items = json!({"items": [{"variant_id": lamp, "quantity": 1}]});
    let cart = member.post("/carts", items.clone()).await.expect(201);
    let cart = ReadyCart::complete(member, &cart).await;
    assert_eq!(
        (cart.total("tax"), cart.total("tax_included"), cart.total("total")),
        (-1900, 0, 10000)
    );
    cart.assert_bought_as_shown().await;

    let other = store.customer().await;
    let other = store
        .anonymous()
        .bearing(other.sign_in()["access_token"].as_str().unwrap());
    let cart = other.post("/carts", items).await.expect(201);
    let cart = ReadyCart::complete(other, &cart).await;
    assert_eq!(
        (cart.total("tax"), cart.total("tax_included"), cart.total("total")),
        (0, 1900, 11900)
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn businesses_elsewhere_in_the_union_owe_the_tax_themselves() {
    let store = german_shop().await;
    let admin = store.admin().await;
    let lamp = admin.article(euros(11900), json!({}), json!({})).await;
    admin.tax_zone(json!([{"country": "DE"}]), german()).await;
    let mut abroad = german();
    abroad["reverse_charge"] = json!(true);
    admin
        .tax_zone(json!([{"country": "AT"}, {"country": "FR"}]), abroad)
        .await;
    let mut cart = store.anonymous().bare_cart(&[(&lamp, 1)]).await;
    cart.say(to("AT")).await;
    assert_eq!(
        (cart.total("tax"), cart.total("tax_included"), cart.total("total")),
        (0, 1900, 11900)
    );
    for wrong in ["ATU1234567", "DE12345678", "AT 123", "?", &"1".repeat(31)] {
        let refused = cart.try_to_say(json!({"tax_number": wrong})).await;
        assert_eq!(refused.json["errors"][0]["code"], "invalid_tax_number", "{wrong}");
        assert_eq!(refused.wrong_fields(), ["/tax_number"]);
    }
    cart.say(json!({"tax_number": "atu 1234.5678"})).await;
    assert_eq!(cart.cart["tax_number"], "ATU12345678");
    assert_eq!(
        (cart.total("tax"), cart.total("tax_included"), cart.total("total")),
        (-1900, 0, 10000)
    );
    assert_eq!(cart.taxes(), [("USt", 11900, -1900)]);
    // The number of another country, of a country outside, or at home: the tax stays.
    for (number, country) in [
        ("ATU12345678", "FR"),
        ("DE123456789", "AT"),
        ("12-3456789", "AT"),
        ("DE123456789", "DE"),
    ] {
        let mut details = to(country);
        details["tax_number"] = json!(number);
        cart.say(details).await;
        assert_eq!(
            (cart.total("tax"), cart.total("total")),
            (0, 11900),
            "{number} in {country}"
        );
    }
    let mut details = to("FR");
    details["tax_number"] = json!("FR12345678901");
    cart.say(details).await;
    assert_eq!((cart.total("tax"), cart.total("total")), (-1900, 10000));
    cart.assert_bought_as_shown().await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn what_goes_nowhere_is_taxed_where_the_bill_goes() {
    let store = german_shop().await;
    let admin = store.admin().await;
    let file = admin
        .article(euros(1190), json!({}), json!({"requires_shipping": false}))
        .await;
    let lamp = admin.article(euros(11900), json!({}), json!({})).await;
    admin.tax_zone(json!([{"country": "DE"}]), german()).await;
    let shop = json!({"name": "Fetched", "terms": {"pick_up": true,
        "price": {"kind": "flat", "amounts": [euros(0)]}}});
    let zone = admin.shipping_zone(json!([]), json!([shop])).await;
    for (article, method, tax) in [
        (&file, Value::Null, 190),
        (&lamp, zone["methods"][0]["id"].clone(), 1900),
    ] {
        let mut cart = store.anonymous().bare_cart(&[(article, 1)]).await;
        cart.say(json!({"shipping_method": method})).await;
        assert_eq!(cart.problems(), ["billing_address_required"]);
        let problem = cart.buy(manual()).await.problem(422, "cart_not_ready");
        assert_eq!(problem["problems"][0]["code"], "billing_address_required");
        cart.say(json!({"billing_address": place("DE", None, "10115")})).await;
        assert_eq!((cart.problems(), cart.total("tax_included")), (vec![], tax));
        // Nothing goes there, whatever else the buyer says.
        cart.say(json!({"shipping_address": place("AQ", None, "1")})).await;
        assert_eq!((cart.problems(), cart.total("tax_included")), (vec![], tax));
        cart.assert_bought_as_shown().await;
    }
}

#[tokio::test]
async fn shipping_is_taxed_as_the_goods_that_are_sent() {
    let store = german_shop().await;
    let admin = store.admin().await;
    let file = json!({"requires_shipping": false});
    let file = admin.article(euros(10000), json!({"tax_class": "reduced"}), file).await;
    let lamp = admin.article(euros(100), json!({}), json!({})).await;
    let shipping = admin
        .shipping_zone(json!([]), json!([flat("Parcel", euros(1000))]))
        .await;
    let mut zone = german();
    zone["prices_include_tax"] = json!(false);
    admin.tax_zone(json!([]), zone).await;
    let mut cart = store.anonymous().bare_cart(&[(&file, 1), (&lamp, 1)]).await;
    cart.say(to("DE")).await;
    cart.say(json!({"shipping_method": shipping["methods"][0]["id"]})).await;
    // 7 % of 100.00, and 19 % of 1.00 and of the 10.00 that only the lamp costs to send.
    assert_eq!(
        (cart.total("tax"), &cart.cart["shipping_tax"]),
        (700 + 19 + 190, &euros(190))
    );
    let free = json!({"name": "All for nothing", "needs_code": false,
        "terms": {"action": {"kind": "percentage", "percent": "100"}}});
    admin.post("/admin/promotions", free).await.expect(201);
    cart.read().await;
    assert_eq!((cart.total("tax"), &cart.cart["shipping_tax"]), (190, &euros(190)));
    cart.assert_bought_as_shown().await;
}

#[tokio::test]
async fn open_carts_follow_the_rates_and_orders_keep_theirs() {
    let store = german_shop().await;
    let admin = store.admin().await;
    let lamp = admin.article(euros(10000), json!({}), json!({})).await;
    let mut zone = german();
    zone["prices_include_tax"] = json!(false);
    let zone = admin.tax_zone(json!([]), zone).await;
    let path = format!("/admin/tax/zones/{}", zone["id"].as_str().unwrap());
    let mut cart = store.anonymous().bare_cart(&[(&lamp, 1)]).await;
    cart.say(to("DE")).await;
    assert_eq!(cart.total("total"), 11900);
    let mut other = store.anonymous().bare_cart(&[(&lamp, 1)]).await;
    other.say(to("DE")).await;
    let order = other.buy(manual()).await.expect(201);
    let change = json!({"rates": [rate("standard", "USt", "21")]});
    admin.with("If-Match", "*").patch(&path, change).await.expect(200);
    let problem = cart.buy(manual()).await.problem(409, "price_changed");
    assert_eq!((&problem["old"], &problem["new"]), (&euros(11900), &euros(12100)));
    cart.read().await;
    assert_eq!((cart.total("tax"), cart.total("total")), (2100, 12100));
    cart.assert_bought_as_shown().await;
    let seen = admin
        .get(&format!("/admin/orders/{}", order["id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(
        (&seen["totals"]["tax"], &seen["taxes"]),
        (&euros(1900), &order["taxes"])
    );
    assert_eq!(store.findings().await, [""; 0]);
}
