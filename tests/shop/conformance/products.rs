//! What [`ProductApi`] promises.

use kernel::id::{CustomerGroupId, ReservationId, RestockId, VariantId};
use kernel::{Currency, Money};
use product_api::{Demand, ProductError, Reservation, ReservationState, Shortage, TaxClass, Traits};
use serde_json::json;

use super::{Siblings, store};
use crate::support::{Store, variant};

async fn conforms(store: &Store, siblings: &Siblings) {
    let products = &siblings.product;
    let product = store.admin().await.product(1500, 10).await;
    let mug: VariantId = variant(&product).parse().unwrap();
    let usd: Currency = "USD".parse().unwrap();

    let quotes = products
        .quote(vec![mug, VariantId::generate()], usd, None, None)
        .await
        .unwrap();
    assert_eq!(quotes.len(), 1, "unknown variants are left out");
    assert_eq!(
        (quotes[0].variant, quotes[0].available, quotes[0].on_sale),
        (mug, 10, true)
    );
    assert_eq!(quotes[0].unit_price(1), Some(Money::new(1500, usd)));
    let path = format!("/admin/products/{}/translations/de", product["id"].as_str().unwrap());
    let german = json!({"title": "Becher"});
    let admin = store.admin().await;
    admin.with("If-Match", "*").put(&path, german).await.expect(200);
    let told = async |locale: &str| {
        let locale = Some(locale.parse().unwrap());
        products
            .quote(vec![mug], usd, locale, None)
            .await
            .unwrap()
            .remove(0)
            .title
    };
    assert_eq!(
        (told("de").await.as_str(), told("en").await),
        ("Becher", quotes[0].title.clone())
    );
    let elsewhere = products
        .quote(vec![mug], "EUR".parse().unwrap(), None, None)
        .await
        .unwrap();
    assert_eq!(elsewhere[0].unit_price(1), None);

    assert_eq!(quotes[0].traits, Traits::default());
    let admin = admin.with("If-Match", "*");
    let category = json!({"name": "Mugs"});
    let category = admin.post("/admin/categories", category).await.expect(201);
    let collection = json!({"title": "Gifts", "rule": {"match": "all", "conditions": [{"tag": ["gift"]}]}});
    let collection = admin.post("/admin/collections", collection).await.expect(201);
    let path = format!("/admin/products/{}", product["id"].as_str().unwrap());
    let edit = json!({"category_id": category["id"], "tags": ["gift"], "tax_class": "reduced"});
    admin.patch(&path, edit).await.expect(200);
    let edit = json!({"weight_grams": 350, "requires_shipping": false});
    admin.patch(&format!("/admin/variants/{mug}"), edit).await.expect(200);
    let quotes = products.quote(vec![mug], usd, None, None).await.unwrap();
    let expected = Traits {
        categories: vec![category["id"].as_str().unwrap().parse().unwrap()],
        collections: vec![collection["id"].as_str().unwrap().parse().unwrap()],
        tags: vec!["gift".to_owned()],
        tax_class: TaxClass::parse("reduced").unwrap(),
        weight_grams: 350,
        requires_shipping: false,
    };
    assert_eq!(quotes[0].traits, expected);

    let gold = CustomerGroupId::generate();
    let list = json!({"name": "Gold", "currency": "USD", "status": "active", "customer_group_id": gold});
    let list = admin.post("/admin/price-lists", list).await.expect(201);
    let price = |min_quantity: i64, amount: i64| json!({"variant_id": mug, "min_quantity": min_quantity, "price": {"amount": amount, "currency": "USD"}});
    let path = format!("/admin/price-lists/{}/prices", list["id"].as_str().unwrap());
    let prices = json!({"prices": [price(1, 1400), price(10, 1000)]});
    admin.post(&path, prices).await.expect(200);
    let quotes = products.quote(vec![mug], usd, None, Some(gold)).await.unwrap();
    let prices = quotes[0]
        .prices
        .iter()
        .map(|price| (price.min_quantity, price.unit_price.amount));
    assert_eq!(prices.collect::<Vec<_>>(), [(1, 1400), (10, 1000)]);
    assert_eq!(
        products.quote(vec![mug], usd, None, None).await.unwrap()[0].unit_price(10),
        Some(Money::new(1500, usd))
    );

    let available = async || products.quote(vec![mug], usd, None, None).await.unwrap()[0].available;
    let demands = |quantity| vec![Demand { variant: mug, quantity }];
    let order = ReservationId::generate();
    for _ in 0..3 {
        assert_eq!(products.reserve(order, demands(4)).await, Ok(()));
    }
    assert_eq!(available().await, 6, "the same reservation is made once");
    let shortage = Shortage {
        variant_id: mug,
        requested: 7,
        available: 6,
    };
    let refused = products.reserve(ReservationId::generate(), demands(7)).await;
    assert_eq!(refused, Err(ProductError::InsufficientStock(vec![shortage])));
    let senseless = products.reserve(ReservationId::generate(), demands(0)).await;
    assert!(matches!(senseless, Err(ProductError::Invalid(_))), "{senseless:?}");
    assert_eq!(available().await, 6, "a refusal takes nothing");

    let reserved = |state| Reservation { id: order, state };
    let claims = products.reservations(None, 10).await.unwrap();
    assert_eq!(claims, [reserved(ReservationState::Reserved)]);
    let unknown = ReservationId::generate();
    for _ in 0..2 {
        assert_eq!(products.commit_all(vec![order, unknown]).await, Ok(vec![order]));
        assert_eq!(products.reserve(order, demands(4)).await, Ok(()), "a late repeat");
    }
    let claims = products.reservations(None, 10).await.unwrap();
    assert_eq!(claims, [reserved(ReservationState::Committed)]);
    assert_eq!(products.reservations(Some(order), 10).await.unwrap(), []);
    let missing = Err(ProductError::NotFound("reservation".to_owned()));
    assert_eq!(products.commit(unknown).await, missing);

    let restock = RestockId::generate();
    for _ in 0..2 {
        assert_eq!(products.restock(order, restock, demands(1)).await, Ok(()));
    }
    assert_eq!(available().await, 7);
    let too_many = products.restock(order, RestockId::generate(), demands(4)).await;
    assert!(matches!(too_many, Err(ProductError::Invalid(_))), "{too_many:?}");
    let unsold = products.restock(unknown, RestockId::generate(), demands(1)).await;
    assert_eq!(unsold, Err(ProductError::NotFound("sale".to_owned())));

    for _ in 0..2 {
        assert_eq!(products.release(order).await, Ok(()));
        assert_eq!(products.release(unknown).await, Ok(()));
    }
    assert_eq!(available().await, 10);
    assert_eq!(products.reserve(order, demands(1)).await, missing);
    assert_eq!(products.reserve(unknown, demands(1)).await, missing);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn the_product_module_here_keeps_its_promises() {
    let store = store().await;
    conforms(&store, &Siblings::here(&store)).await;
}

#[tokio::test]
async fn the_product_module_elsewhere_keeps_its_promises_though_calls_come_late_or_twice() {
    let store = store().await;
    conforms(&store, &Siblings::elsewhere(&store).await).await;
}
