//! Carriers and a tax service that are asked what something costs, and what happens where they do not answer.

use std::sync::{Arc, Mutex};

use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use kernel::id::VariantId;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{As, Shop, address, items_path, line, path};

/// A service outside the shop: what it answers, and what it was asked.
#[derive(Clone)]
struct Outside {
    url: String,
    answer: Arc<Mutex<(StatusCode, Value)>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Outside {
    fn start(answer: Value) -> Self {
        let answer = Arc::new(Mutex::new((StatusCode::OK, answer)));
        let asked = Arc::<Mutex<Vec<Value>>>::default();
        let (answers, questions) = (Arc::clone(&answer), Arc::clone(&asked));
        let server = HttpServer::new(move || {
            let (answers, questions) = (Arc::clone(&answers), Arc::clone(&questions));
            App::new().default_service(web::to(move |request: HttpRequest, question: web::Json<Value>| {
                assert_eq!(request.headers().get("authorization").unwrap(), "Bearer let me in");
                questions.lock().unwrap().push(question.into_inner());
                let (status, body) = answers.lock().unwrap().clone();
                async move { HttpResponse::build(status).json(body) }
            }))
        });
        let server = server.workers(1).bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        Self { url, answer, asked }
    }

    fn answers(&self, status: u16, body: Value) {
        *self.answer.lock().unwrap() = (StatusCode::from_u16(status).unwrap(), body);
    }

    fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

async fn shop_with(carriers: Option<&Outside>, taxes: Option<&Outside>) -> Shop {
    Shop::open_with(|settings| {
        let cart = &mut settings.cart;
        for (service, outside) in [(&mut cart.carriers, carriers), (&mut cart.taxes, taxes)] {
            if let Some(outside) = outside {
                service.url.clone_from(&outside.url);
                service.token = SecretString::from("let me in");
            }
        }
    })
    .await
}

fn usd(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

/// A shop that sends by a carrier, with a cart of one thing that goes to London.
async fn cart_by_carrier(shop: &Shop, fallback: Value) -> (Value, As, VariantId, String) {
    let price = json!({"kind": "carrier", "service": "express", "fallback": fallback});
    let zone = json!({"name": "World", "areas": [], "methods": [{"name": "Express", "terms": {"price": price}}]});
    let zone = shop.set_up("/admin/shipping/zones", zone).await;
    let method = zone["methods"][0]["id"].as_str().unwrap().to_owned();
    let variant = shop.catalogue.sell(1000, 50);
    shop.catalogue.edit(variant, |quote| quote.traits.weight_grams = 700);
    let (cart, guest) = shop.guest_cart(&[(variant, 2)]).await;
    let details = json!({"email": "guest@example.com", "shipping_address": address()});
    shop.send(&guest, Method::PATCH, &path(&cart), Some(details)).await;
    (cart, guest, variant, method)
}

async fn methods_of(shop: &Shop, guest: &As, cart: &Value) -> Value {
    let found = shop
        .send(guest, Method::GET, &format!("{}/shipping-methods", path(cart)), None)
        .await;
    assert_eq!(found.status, 200, "{}", found.body);
    found.body["items"].clone()
}

#[actix_web::test]
async fn a_carrier_says_what_a_parcel_costs_and_never_hears_whose_it_is() {
    let carriers = Outside::start(usd(1290));
    let shop = shop_with(Some(&carriers), None).await;
    let (cart, guest, variant, method) = cart_by_carrier(&shop, json!([usd(2000)])).await;
    let methods = methods_of(&shop, &guest, &cart).await;
    assert_eq!(
        (methods[0]["id"].as_str(), &methods[0]["price"]),
        (Some(method.as_str()), &usd(1290))
    );
    let choice = json!({"shipping_method": method});
    let chosen = shop.send(&guest, Method::PATCH, &path(&cart), Some(choice)).await;
    assert_eq!(chosen.body["totals"]["shipping"], usd(1290));
    assert_eq!(shop.read(&guest, &cart).await["totals"]["total"], usd(3290));
    let asked = carriers.asked();
    assert_eq!(asked.len(), 1, "an answer holds for a while");
    let place = json!({"country": "GB", "region": null, "postal_code": "N1", "city": "London"});
    let question = json!({"service": "express", "destination": place, "grams": 1400, "value": usd(2000)});
    assert_eq!(asked[0], question);

    // Another parcel is another question, and one that the carrier does not take is not offered.
    carriers.answers(404, json!({}));
    let heavier = shop
        .send(&guest, Method::POST, &items_path(&cart), Some(line(variant, 1)))
        .await;
    let codes: Vec<&str> = heavier.body["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["shipping_method_unavailable"]);
    assert_eq!(methods_of(&shop, &guest, &cart).await, json!([]));
}

#[actix_web::test]
async fn where_no_carrier_answers_a_method_costs_its_fallback_or_is_not_offered() {
    for (fallback, offered) in [(json!([usd(2000)]), json!([usd(2000)])), (json!([]), json!([]))] {
        let carriers = Outside::start(Value::Null);
        carriers.answers(500, json!("who knows"));
        let shop = shop_with(Some(&carriers), None).await;
        let (cart, guest, ..) = cart_by_carrier(&shop, fallback).await;
        for _ in 0..3 {
            let methods = methods_of(&shop, &guest, &cart).await;
            let prices: Vec<Value> = methods
                .as_array()
                .unwrap()
                .iter()
                .map(|method| method["price"].clone())
                .collect();
            assert_eq!(json!(prices), offered);
        }
        assert_eq!(carriers.asked().len(), 1, "who has failed is left alone for a while");
        shop.clock.advance(chrono::Duration::seconds(11));
        carriers.answers(200, usd(700));
        assert_eq!(methods_of(&shop, &guest, &cart).await[0]["price"], usd(700));
    }
    for wrong in [
        json!({"amount": -1, "currency": "USD"}),
        json!({"amount": 1, "currency": "EUR"}),
        json!({"amount": i64::MAX, "currency": "USD"}),
        json!("free"),
    ] {
        let carriers = Outside::start(wrong);
        let shop = shop_with(Some(&carriers), None).await;
        let (cart, guest, ..) = cart_by_carrier(&shop, json!([usd(2000)])).await;
        assert_eq!(methods_of(&shop, &guest, &cart).await[0]["price"], usd(2000));
    }
}

#[actix_web::test]
async fn a_tax_service_says_what_is_taxed_and_the_shops_zones_hold_where_it_does_not_answer() {
    let rate = |percent: &str| json!([{"tax_class": "standard", "name": "Tax", "percent": percent}]);
    let taxes = Outside::start(json!({"prices_include_tax": false, "rates": rate("10"), "shipping": {"kind": "none"}}));
    let shop = shop_with(None, Some(&taxes)).await;
    let zone = json!({"name": "World", "areas": [], "prices_include_tax": false, "rates": rate("20")});
    shop.set_up("/admin/tax/zones", zone).await;
    let variant = shop.catalogue.sell(1000, 50);
    let cart_to = async |city: &str| {
        let (cart, guest) = shop.guest_cart(&[(variant, 1)]).await;
        let mut address = address();
        address["city"] = json!(city);
        let details = json!({"shipping_address": address, "tax_number": "12-345"});
        let answer = shop.send(&guest, Method::PATCH, &path(&cart), Some(details)).await;
        answer.body["totals"]["tax"].clone()
    };
    assert_eq!(cart_to("London").await, usd(100));
    let asked = taxes.asked();
    let place = json!({"country": "GB", "region": null, "postal_code": "N1", "city": "London"});
    let question = json!({"destination": place, "currency": "USD", "tax_number": "12345", "customer_group": null,
        "tax_classes": ["standard"]});
    assert_eq!(asked, [question]);
    taxes.answers(503, json!({}));
    assert_eq!(cart_to("London").await, usd(100), "an answer holds for a while");
    assert_eq!(cart_to("Cambridge").await, usd(200));
}
