//! The public keys that a gateway has from the user module elsewhere: AUTH-19.

use kernel::Clock;
use kernel::id::Id;
use kernel::identity::SignedIn;
use kernel::token::{PublicKeys, TokenSigner};
use serde_json::json;

use super::super::support::{Echo, Edge, eventually};

fn signer() -> TokenSigner {
    TokenSigner::new(&TokenSigner::generate_key(), Clock::system()).unwrap()
}

/// A token of somebody, signed by `signer`.
fn token(signer: &TokenSigner) -> String {
    let who = SignedIn {
        user: Id::generate(),
        session: Id::generate(),
        roles: Vec::new(),
        group: None,
    };
    signer.sign(&who).unwrap()
}

async fn status(edge: &Edge, token: &str) -> u16 {
    let request = format!("GET /api/v1/carts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    edge.exchange(request).await.status
}

#[tokio::test]
async fn made_up_keys_do_not_make_the_gateway_ask_for_each() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    assert_eq!(status(&edge, &edge.token()).await, 200);
    let before = echo.keys_asked();
    for _ in 0..50 {
        assert_eq!(status(&edge, &token(&signer())).await, 401);
    }
    // Once in five seconds at most; fifty requests take far less than a minute.
    let asked = echo.keys_asked() - before;
    assert!(asked < 12, "asked {asked} times");
    assert!(echo.seen().len() == 1, "a token that does not hold went further");
}

#[tokio::test]
async fn a_key_that_is_published_later_is_believed_and_one_that_is_not_any_more_is_refused() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let old = edge.token();
    assert_eq!(status(&edge, &old).await, 200);
    let next = signer();
    let fresh = token(&next);
    assert_eq!(status(&edge, &fresh).await, 401);
    echo.publishes(PublicKeys {
        keys: vec![next.public_key()],
    });
    eventually(async || json!(status(&edge, &fresh).await), |status| *status == 200).await;
    assert_eq!(status(&edge, &old).await, 401);
}
