//! Events across processes: what the user module publishes reaches the carts, wherever they are, once.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use kernel::Fault;
use kernel::event::Feed;
use kernel::remote::RemoteFeed;
use serde_json::{Value, json};

use super::remote;
use crate::support::{Customer, Store, Topology, address, eventually, runtime};

/// What is left of a cart.
#[derive(QueryableByName, serde::Serialize)]
struct Rest {
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Bool)]
    personal: bool,
}

/// A cart as it lies in the database: nobody can ask for that of somebody who is gone.
async fn rest_of(store: &Store, cart: &Value) -> Value {
    let id: kernel::id::CartId = cart["id"].as_str().unwrap().parse().unwrap();
    let url = store.database_url().to_owned();
    let look = move || {
        let mut connection = PgConnection::establish(&url).unwrap();
        connection.batch_execute("SET search_path = carts").unwrap();
        let query = diesel::sql_query(
            "SELECT status, version, email IS NOT NULL OR shipping_address IS NOT NULL OR tax_number IS NOT NULL \
             OR coalesce(prices::text, '') LIKE '%DE123456789%' AS personal FROM carts WHERE id = $1",
        );
        let query = query.bind::<diesel::sql_types::Uuid, _>(id.uuid());
        query.get_result::<Rest>(&mut connection).unwrap()
    };
    json!(tokio::task::spawn_blocking(look).await.unwrap())
}

/// A customer's cart with an address in it.
async fn cart_of(customer: &Customer) -> Value {
    let cart = customer.post("/carts", json!({})).await.expect(201);
    let path = format!("/carts/{}", cart["id"].as_str().unwrap());
    let details = json!({"email": customer.email(), "shipping_address": address(), "tax_number": "DE123456789"});
    customer.patch(&path, details).await.expect(200)
}

async fn is_forgotten(store: &Store, cart: &Value) -> Value {
    let look = || rest_of(store, cart);
    let expected = json!({"status": "expired", "version": cart["version"].as_i64().unwrap() + 1, "personal": false});
    eventually(look, |rest| *rest == expected).await
}

#[tokio::test]
async fn carts_forget_whose_account_is_gone_also_what_happened_while_they_were_away() {
    let mut store = Store::spread(Topology::Five, []).await;
    let (first, second, third, other) = (
        store.customer().await,
        store.customer().await,
        store.customer().await,
        store.customer().await,
    );
    let carts = [
        cart_of(&first).await,
        cart_of(&second).await,
        cart_of(&third).await,
        cart_of(&other).await,
    ];
    first.delete("/me").await.expect(204);
    is_forgotten(&store, &carts[0]).await;

    let upstreams = ["user", "product"].map(|module| format!("http://{}", store.internal_of(module)));
    store.stop_process_of("cart").await;
    second.delete("/me").await.expect(204);
    third.delete("/me").await.expect(204);
    assert_eq!(
        rest_of(&store, &carts[1]).await["status"],
        "open",
        "nobody is there to hear of it"
    );

    let again = [
        ("run", "cart"),
        ("upstream.user", &upstreams[0]),
        ("upstream.product", &upstreams[1]),
    ];
    let beside = store.start_beside(again).await;
    for cart in &carts[..3] {
        // None is lost, and none has an effect twice: a second one would raise the version once more.
        is_forgotten(&store, cart).await;
    }
    let rest = rest_of(&store, &carts[3]).await;
    assert_eq!((&rest["status"], &rest["personal"]), (&json!("open"), &json!(true)));
    assert!(beside.site().verify().await.unwrap().is_empty());
    runtime::run(beside.stop()).await;
}

#[tokio::test]
async fn whoever_waits_for_news_of_a_process_that_stops_is_told_so_at_once() {
    let mut store = Store::spread(Topology::Five, []).await;
    let address = format!("http://{}", store.internal_of("user"));
    let feed = RemoteFeed::new(remote(&store, "user", address));
    let end = feed.end().await.unwrap();
    let waiting = feed.next(end, 10, Duration::from_secs(20));
    let (answer, ()) = tokio::join!(waiting, store.stop_process_of("user"));
    // Had the process waited for the news, there would be none; had it ended without a word, nobody would know.
    assert!(matches!(answer, Err(Fault::Unavailable { .. })), "{answer:?}");
}

#[tokio::test]
async fn carts_in_the_same_process_forget_as_well() {
    let store = Store::spread(Topology::One, []).await;
    let customer = store.customer().await;
    let cart = cart_of(&customer).await;
    customer.delete("/me").await.expect(204);
    is_forgotten(&store, &cart).await;
}
