//! Nothing that a buyer has collected is lost: carts are parted again, shared, put aside, and told of when they are left.

use actix_web::http::Method;
use cart_api::CartLeft;
use futures_util::future::{join_all, join3};
use kernel::event::{Event, Position};
use kernel::id::{UserId, VariantId};
use kernel::module::Module;
use serde_json::{Value, json};

use crate::buying::run_jobs_until;
use crate::effort::freeze;
use crate::support::{As, Response, Shop, address, items_path, line, path};

/// Variants and quantities of a cart, in their order.
fn lines(cart: &Value) -> Vec<(String, i64)> {
    let items = cart["items"].as_array().unwrap().iter();
    let mut lines: Vec<_> = items
        .map(|item| {
            (
                item["variant_id"].as_str().unwrap().to_owned(),
                item["quantity"].as_i64().unwrap(),
            )
        })
        .collect();
    lines.sort();
    lines
}

fn expected(lines: &[(VariantId, i64)]) -> Vec<(String, i64)> {
    let mut lines: Vec<_> = lines
        .iter()
        .map(|(variant, quantity)| (variant.to_string(), *quantity))
        .collect();
    lines.sort();
    lines
}

impl Shop {
    async fn post(&self, who: &As, path: &str, body: Value) -> Response {
        self.send(who, Method::POST, path, Some(body)).await
    }

    /// All that the module has published.
    async fn events(&self) -> Vec<Event> {
        let read = self.module.feed().read(Position::default(), 100).await.unwrap();
        read.into_iter().map(|(_, event)| event).collect()
    }
}

#[actix_web::test]
async fn several_variants_are_added_at_once_or_none_of_them() {
    let shop = Shop::open().await;
    let (shirt, hat) = (shop.catalogue.sell(1999, 5), shop.catalogue.sell(500, 5));
    let (cart, guest) = shop.guest_cart(&[(shirt, 1)]).await;
    let bulk = format!("{}/bulk", items_path(&cart));
    let both = json!({"items": [line(shirt, 1), line(hat, 3)]});
    let filled = shop.post(&guest, &bulk, both).await;
    assert_eq!(
        (filled.status.as_u16(), lines(&filled.body)),
        (201, expected(&[(shirt, 2), (hat, 3)]))
    );

    let unknown = json!({"items": [line(hat, 1), line(VariantId::generate(), 1)]});
    let refused = shop.post(&guest, &bulk, unknown).await;
    assert_eq!(
        refused.refusal(),
        (422, "validation_failed", "/items/1/variant_id", "unknown_variant")
    );
    assert_eq!(
        lines(&shop.read(&guest, &cart).await),
        expected(&[(shirt, 2), (hat, 3)])
    );

    let many: Vec<Value> = (0..101).map(|_| line(hat, 1)).collect();
    let refused = shop.post(&guest, &bulk, json!({"items": many})).await;
    assert_eq!(refused.refusal().3, "too_many_lines");
}

#[actix_web::test]
async fn a_merge_is_undone_for_a_day_and_both_carts_are_as_they_were() {
    let shop = Shop::open().await;
    let (shirt, hat) = (shop.catalogue.sell(1999, 50), shop.catalogue.sell(500, 50));
    let user = UserId::generate();
    let owner = As::User(user);
    let mine = shop.user_cart(user, &[(shirt, 2)]).await;
    let (theirs, guest) = shop.guest_cart(&[(shirt, 1), (hat, 3)]).await;
    let details = json!({"email": "guest@example.com", "shipping_address": address()});
    shop.send(&guest, Method::PATCH, &path(&theirs), Some(details)).await;
    let As::Guest(secret) = &guest else { panic!("a guest") };
    let merge = json!({"from": {"id": theirs["id"], "secret": secret}});
    let merged = shop
        .post(&owner, &format!("{}/merge", path(&mine)), merge.clone())
        .await;
    assert_eq!(lines(&merged.body), expected(&[(shirt, 3), (hat, 3)]));
    assert_eq!(merged.body["email"], "guest@example.com");
    // What happens to the cart in between stays.
    shop.post(&owner, &items_path(&mine), line(hat, 1)).await;

    let undo = format!("{}/undo-merge", path(&mine));
    let from = json!({"from": {"id": theirs["id"]}});
    let stranger = shop.post(&As::User(UserId::generate()), &undo, from.clone()).await;
    assert_eq!(stranger.status, 404);
    let undone = join_all((0..4).map(|_| shop.post(&owner, &undo, from.clone()))).await;
    let done: Vec<&Response> = undone.iter().filter(|undone| undone.status == 200).collect();
    assert_eq!(done.len(), 1, "once");
    assert!(undone.iter().all(|undone| undone.status == 200 || undone.status == 404));
    let body = &done[0].body;
    assert_eq!(lines(&body["cart"]), expected(&[(shirt, 2), (hat, 1)]));
    assert_eq!(
        (&body["cart"]["email"], &body["cart"]["shipping_address"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(lines(&body["merged"]), expected(&[(shirt, 1), (hat, 3)]));
    assert_eq!(
        (&body["merged"]["status"], &body["merged"]["secret"]),
        (&json!("open"), &json!(secret))
    );
    let again = shop.read(&guest, &theirs).await;
    assert_eq!(
        (&again["status"], &again["email"]),
        (&json!("open"), &json!("guest@example.com"))
    );

    shop.post(&owner, &format!("{}/merge", path(&mine)), merge).await;
    shop.clock.advance(chrono::Duration::hours(25));
    let late = shop.post(&owner, &undo, from).await;
    assert_eq!((late.status.as_u16(), late.refusal().1), (409, "cart_closed"));
    assert_eq!(
        lines(&shop.read(&owner, &mine).await),
        expected(&[(shirt, 3), (hat, 4)])
    );
}

#[actix_web::test]
async fn a_link_shows_what_is_in_a_cart_and_nothing_of_its_buyer() {
    let shop = Shop::open().await;
    let (shirt, hat) = (shop.catalogue.sell(1999, 50), shop.catalogue.sell(500, 50));
    let (cart, guest) = shop.guest_cart(&[(shirt, 2), (hat, 1)]).await;
    let details = json!({"email": "guest@example.com", "shipping_address": address()});
    shop.send(&guest, Method::PATCH, &path(&cart), Some(details)).await;
    let share = format!("{}/share", path(&cart));
    assert_eq!(shop.send(&As::Stranger, Method::POST, &share, None).await.status, 404);
    let link = shop.send(&guest, Method::POST, &share, None).await;
    assert_eq!(link.status, 201);
    let shown = format!("/shared-carts/{}", link.body["token"].as_str().unwrap());
    let shared = shop.send(&As::Stranger, Method::GET, &shown, None).await;
    assert_eq!(
        (shared.status.as_u16(), &shared.body["subtotal"]["amount"]),
        (200, &json!(4498))
    );
    assert_eq!(lines(&shared.body), expected(&[(shirt, 2), (hat, 1)]));
    let text = shared.body.to_string();
    for secret in [
        "guest@example.com",
        "Lovelace",
        "secret",
        cart["secret"].as_str().unwrap(),
    ] {
        assert!(!text.contains(secret), "{text}");
    }

    // A cart of one's own: what is no longer sold is left out.
    shop.catalogue.edit(hat, |quote| quote.on_sale = false);
    let copy = shop
        .post(&As::Stranger, "/carts", json!({"shared_cart": link.body["token"]}))
        .await;
    assert_eq!(
        (copy.status.as_u16(), lines(&copy.body)),
        (201, expected(&[(shirt, 2)]))
    );
    assert_ne!(copy.body["id"], cart["id"]);

    let forged = format!(
        "{}.{}",
        copy.body["id"].as_str().unwrap(),
        shown.rsplit('.').next().unwrap()
    );
    for wrong in [forged.as_str(), "x", "cart_.", ""] {
        let refused = shop
            .send(&As::Stranger, Method::GET, &format!("/shared-carts/{wrong}"), None)
            .await;
        assert_eq!(refused.status, 404, "{wrong}");
    }
    assert_eq!(shop.send(&guest, Method::DELETE, &share, None).await.status, 204);
    assert_eq!(shop.send(&As::Stranger, Method::GET, &shown, None).await.status, 404);
    let other = shop.send(&guest, Method::POST, &share, None).await;
    assert_ne!(other.body["token"], link.body["token"]);
}

#[actix_web::test]
async fn what_is_put_aside_outlives_its_cart_and_comes_back_once() {
    let shop = Shop::open().await;
    let (shirt, hat) = (shop.catalogue.sell(1999, 50), shop.catalogue.sell(500, 50));
    let user = UserId::generate();
    let owner = As::User(user);
    let cart = shop.user_cart(user, &[(shirt, 2), (hat, 1)]).await;
    let item = cart["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["variant_id"] == json!(shirt));
    let save = json!({"cart_id": cart["id"], "item_id": item.unwrap()["id"]});
    let guest = shop.post(&As::Stranger, "/saved-items", save.clone()).await;
    assert_eq!(guest.status, 401);
    let stranger = shop
        .post(&As::User(UserId::generate()), "/saved-items", save.clone())
        .await;
    assert_eq!(stranger.status, 404);
    let saved = shop.post(&owner, "/saved-items", save.clone()).await;
    assert_eq!(
        (saved.status.as_u16(), lines(&saved.body)),
        (201, expected(&[(hat, 1)]))
    );
    assert_eq!(
        shop.post(&owner, "/saved-items", save).await.status,
        404,
        "it is not in the cart any more"
    );

    shop.catalogue.set_price(shirt, 1499);
    assert_eq!(shop.send(&owner, Method::DELETE, &path(&cart), None).await.status, 204);
    let listed = shop.send(&owner, Method::GET, "/saved-items", None).await.body;
    assert_eq!(lines(&listed), expected(&[(shirt, 2)]));
    assert_eq!(listed["items"][0]["unit_price"]["amount"], 1499);

    let next = shop.user_cart(user, &[(hat, 2)]).await;
    let put_back = format!("/saved-items/{shirt}/move");
    let moves = (0..6).map(|_| shop.post(&owner, &put_back, json!({"cart_id": next["id"]})));
    let moved = join_all(moves).await;
    assert_eq!(moved.iter().filter(|moved| moved.status == 200).count(), 1, "once");
    assert_eq!(
        lines(&shop.read(&owner, &next).await),
        expected(&[(shirt, 2), (hat, 2)])
    );
    assert!(lines(&shop.send(&owner, Method::GET, "/saved-items", None).await.body).is_empty());
    let gone = shop
        .send(&owner, Method::DELETE, &format!("/saved-items/{shirt}"), None)
        .await;
    assert_eq!(gone.status, 404);
}

#[actix_web::test]
async fn a_cart_that_was_left_behind_is_told_of_once_until_its_buyer_changes_it() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1999, 50);
    let user = UserId::generate();
    let cart = shop.user_cart(user, &[(shirt, 2)]).await;
    // Nobody could be told of these two.
    shop.guest_cart(&[(shirt, 1)]).await;
    shop.user_cart(UserId::generate(), &[]).await;

    shop.clock.advance(chrono::Duration::minutes(59));
    run_jobs_until(&shop, async || true).await;
    assert_eq!(shop.events().await.len(), 0);
    shop.clock.advance(chrono::Duration::minutes(2));
    // Several processes look at the same time.
    join_all((0..3).map(|_| run_jobs_until(&shop, async || !shop.events().await.is_empty()))).await;
    run_jobs_until(&shop, async || true).await;
    let events = shop.events().await;
    assert_eq!(events.len(), 1);
    let left = events[0].payload::<CartLeft>().unwrap().unwrap();
    assert_eq!(
        (left.cart.to_string().as_str(), left.user),
        (cart["id"].as_str().unwrap(), Some(user))
    );
    assert_eq!(left.amount_due.amount, 3998);
    let opened = shop
        .send(
            &As::Stranger,
            Method::GET,
            &format!("/shared-carts/{}", left.share_token),
            None,
        )
        .await;
    assert_eq!(opened.status, 200);

    // Who has ordered something since, with an account or without, is told of nothing.
    let (left, guest) = shop.guest_cart(&[(shirt, 1)]).await;
    let details = json!({"email": "guest@example.com", "shipping_address": address()});
    shop.send(&guest, Method::PATCH, &path(&left), Some(details.clone()))
        .await;
    shop.clock.advance(chrono::Duration::minutes(1));
    let (bought, buyer) = shop.guest_cart(&[(shirt, 1)]).await;
    shop.send(&buyer, Method::PATCH, &path(&bought), Some(details)).await;
    let shown = shop.read(&buyer, &bought).await;
    shop.module.service().freeze(freeze(&shown, &buyer)).await.unwrap();
    let share = format!("{}/share", path(&bought));
    let refused = shop.send(&buyer, Method::DELETE, &share, None).await;
    assert_eq!(
        (refused.status.as_u16(), refused.refusal().1),
        (409, "cart_in_checkout")
    );
    shop.clock.advance(chrono::Duration::hours(2));
    run_jobs_until(&shop, async || true).await;
    assert_eq!(shop.events().await.len(), 1);

    // A price that changes is nothing that the buyer has done.
    shop.catalogue.set_price(shirt, 1499);
    shop.read(&As::User(user), &cart).await;
    shop.clock.advance(chrono::Duration::hours(2));
    run_jobs_until(&shop, async || true).await;
    assert_eq!(shop.events().await.len(), 1);

    shop.post(&As::User(user), &items_path(&cart), line(shirt, 1)).await;
    shop.clock.advance(chrono::Duration::hours(2));
    run_jobs_until(&shop, async || shop.events().await.len() == 2).await;
}

#[actix_web::test]
async fn who_adds_while_a_cart_is_merged_loses_no_line() {
    let shop = Shop::open().await;
    let variants: Vec<VariantId> = (0..12).map(|_| shop.catalogue.sell(1000, 50)).collect();
    let user = UserId::generate();
    let owner = As::User(user);
    let mine = shop.user_cart(user, &[(variants[0], 1)]).await;
    let (theirs, guest) = shop.guest_cart(&[(variants[0], 2), (variants[1], 1)]).await;
    let As::Guest(secret) = &guest else { panic!("a guest") };
    let merge = json!({"from": {"id": theirs["id"], "secret": secret}});
    let merge_path = format!("{}/merge", path(&mine));
    let (to_mine, to_theirs) = (items_path(&mine), items_path(&theirs));
    let adds = variants[2..7]
        .iter()
        .map(|variant| shop.post(&owner, &to_mine, line(*variant, 1)));
    let late = variants[7..]
        .iter()
        .map(|variant| shop.post(&guest, &to_theirs, line(*variant, 1)));
    let merges = (0..2).map(|_| shop.post(&owner, &merge_path, merge.clone()));
    let (added, late, merged) = join3(join_all(adds), join_all(late), join_all(merges)).await;
    assert!(added.iter().chain(&merged).all(|answer| answer.status.is_success()));
    // What the guest added before the merge is in it; after it the guest hears that the cart is closed.
    let in_time = variants[7..]
        .iter()
        .zip(&late)
        .filter(|(_, answer)| answer.status == 201);
    let refused = late.iter().filter(|answer| answer.status != 201);
    assert!(refused.clone().all(|answer| answer.refusal().1 == "cart_closed"));
    let mut all: Vec<(VariantId, i64)> = vec![(variants[0], 3), (variants[1], 1)];
    all.extend(variants[2..7].iter().map(|variant| (*variant, 1)));
    all.extend(in_time.map(|(variant, _)| (*variant, 1)));
    assert_eq!(lines(&shop.read(&owner, &mine).await), expected(&all));
}
