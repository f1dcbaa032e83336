//! Access tokens over HTTP: what does not hold goes no further than the edge (AUTH-01 to 06, AUTH-20, AZ-11).

use chrono::Duration;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kernel::token::TokenSigner;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::support::{Customer, Store};

/// Somebody who has stolen nothing but a token, and one who has the very key.
struct Forger {
    header: Value,
    claims: Value,
    pem: Vec<u8>,
}

impl Forger {
    fn new(store: &Store, customer: &Customer) -> Forger {
        let token = customer.sign_in()["access_token"].as_str().unwrap();
        let part = |index: usize| serde_json::from_slice(&decode(token.split('.').nth(index).unwrap())).unwrap();
        Forger {
            header: part(0),
            claims: part(1),
            pem: std::fs::read(store.data_dir().join("token.pem")).unwrap(),
        }
    }

    /// A token signed with the store's own key, after changes to header and claims.
    fn signed(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let (mut header, mut claims) = (self.header.clone(), self.claims.clone());
        change(&mut header, &mut claims);
        let header: Header = serde_json::from_value(header).unwrap();
        encode(&header, &claims, &EncodingKey::from_ed_pem(&self.pem).unwrap()).unwrap()
    }

    fn unsigned(&self, algorithm: &str) -> String {
        let mut header = self.header.clone();
        header["alg"] = algorithm.into();
        format!("{}.{}.", encoded(&header), encoded(&self.claims))
    }
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn encoded(value: &Value) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
}

async fn assert_refused(store: &Store, what: &str, token: &str) {
    // Where a token is needed, where none is, and where nothing is.
    for path in ["/me", "/openapi.json", "/nowhere"] {
        let answer = store.anonymous().bearing(token).get(path).await;
        assert_eq!(answer.status, 401, "{what} on {path}: {}", answer.text);
        assert!(
            answer.header("www-authenticate").contains("error=\"invalid_token\""),
            "{what}"
        );
        answer.problem(401, "invalid_token");
    }
}

#[tokio::test]
async fn an_unsigned_token_is_refused_in_any_spelling() {
    let store = Store::start().await;
    let forger = Forger::new(&store, &store.customer().await);
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        assert_refused(&store, algorithm, &forger.unsigned(algorithm)).await;
    }
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_a_secret_is_refused() {
    let store = Store::start().await;
    let forger = Forger::new(&store, &store.customer().await);
    let keys = store.anonymous().get("/auth/jwks").await.expect(200);
    let public = keys["keys"][0]["x"].as_str().unwrap();
    for (what, secret) in [("text", public.as_bytes().to_vec()), ("bytes", decode(public))] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mut header = Header::new(algorithm);
            header.typ = Some("at+jwt".into());
            header.kid = forger.header["kid"].as_str().map(str::to_owned);
            let token = encode(&header, &forger.claims, &EncodingKey::from_secret(&secret)).unwrap();
            assert_refused(&store, what, &token).await;
        }
    }
}

#[tokio::test]
async fn a_token_that_names_its_own_key_is_refused_and_nobody_is_asked_for_it() {
    let store = Store::start().await;
    let forger = Forger::new(&store, &store.customer().await);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let foreign = SigningKey::from_bytes(&[7; 32]);
    use ed25519_dalek::pkcs8::EncodePrivateKey;
    let pem = foreign.to_pkcs8_pem(Default::default()).unwrap();
    for header in [
        json!({"kid": "../../etc/passwd"}),
        json!({"kid": "' OR 1=1 --"}),
        json!({"kid": "x".repeat(10_000)}),
        json!({"kid": null}),
        json!({"jku": url}),
        json!({"x5u": url}),
    ] {
        let mut whole = forger.header.clone();
        whole
            .as_object_mut()
            .unwrap()
            .extend(header.as_object().unwrap().clone());
        let whole: Header = serde_json::from_value(whole).unwrap();
        let token = encode(
            &whole,
            &forger.claims,
            &EncodingKey::from_ed_pem(pem.as_bytes()).unwrap(),
        )
        .unwrap();
        assert_refused(&store, &header.to_string(), &token).await;
    }
    assert!(listener.accept().is_err(), "somebody came to fetch a key");
}

#[tokio::test]
async fn a_token_holds_for_five_minutes_and_a_little_leeway() {
    let store = Store::start().await;
    let customer = store.customer().await;
    customer.get("/me").await.expect(200);
    store.clock().advance(Duration::seconds(300));
    customer.get("/me").await.expect(200);
    store.clock().advance(Duration::seconds(6));
    customer.get("/me").await.problem(401, "token_expired");
}

#[tokio::test]
async fn a_token_without_one_of_its_claims_or_with_one_of_another_kind_is_refused() {
    let store = Store::start().await;
    let forger = Forger::new(&store, &store.customer().await);
    for claim in ["exp", "iat", "iss", "aud", "sub", "sid", "roles"] {
        let token = forger.signed(|_, claims| {
            claims.as_object_mut().unwrap().remove(claim);
        });
        assert_refused(&store, claim, &token).await;
    }
    for (claim, value) in [
        ("exp", json!("9999999999")),
        ("exp", json!(9_999_999_999_i64)),
        ("exp", json!(1e20)),
        ("exp", json!(12.5)),
        ("iss", json!("somebody else")),
        ("aud", json!("somebody else")),
        ("sub", json!("user_1")),
        ("sub", json!("")),
        ("roles", json!("admin")),
        ("roles", json!(["superuser"])),
    ] {
        let token = forger.signed(|_, claims| claims[claim] = value.clone());
        assert_refused(&store, &format!("{claim} {value}"), &token).await;
    }
    store
        .anonymous()
        .bearing(&forger.signed(|_, _| ()))
        .get("/me")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_token_for_another_purpose_is_no_access_token() {
    let store = Store::start().await;
    let customer = store.customer().await;
    let forger = Forger::new(&store, &customer);
    for kind in ["JWT", "rt+jwt", "service+jwt", ""] {
        assert_refused(&store, kind, &forger.signed(|header, _| header["typ"] = kind.into())).await;
    }
    assert_refused(&store, "refresh", customer.sign_in()["refresh_token"].as_str().unwrap()).await;
    let access = customer.sign_in()["access_token"].clone();
    let refused = store
        .anonymous()
        .post("/auth/refresh", json!({"refresh_token": access}))
        .await;
    refused.problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn a_token_that_was_changed_or_is_no_token_is_refused() {
    let store = Store::start().await;
    let customer = store.customer().await;
    let forger = Forger::new(&store, &customer);
    let token = customer.sign_in()["access_token"].as_str().unwrap();
    let mut claims = forger.claims.clone();
    claims["roles"] = json!(["admin"]);
    let parts: Vec<&str> = token.split('.').collect();
    let promoted = format!("{}.{}.{}", parts[0], encoded(&claims), parts[2]);
    assert_refused(&store, "promoted", &promoted).await;
    for token in [
        "",
        "x",
        "a.b.c",
        "..",
        &"x".repeat(20_000),
        &format!("{token}x"),
        &token[..token.len() - 4],
    ] {
        assert_refused(&store, token, token).await;
    }
}

#[tokio::test]
async fn the_scheme_is_bearer_in_any_case_and_there_is_one_header() {
    let store = Store::start().await;
    let customer = store.customer().await;
    let token = customer.sign_in()["access_token"].as_str().unwrap();
    let with = |value: String| store.anonymous().with("Authorization", value);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        with(format!("{scheme} {token}")).get("/me").await.expect(200);
    }
    for value in [format!("Basic {token}"), token.to_owned(), "Bearer".to_owned()] {
        with(value).get("/me").await.problem(401, "invalid_token");
    }
    with(format!("Bearer {token}"))
        .bearing(token)
        .get("/me")
        .await
        .problem(400, "duplicate_header");
    assert_eq!(
        store.anonymous().get(&format!("/me?access_token={token}")).await.status,
        401
    );
}

#[tokio::test]
async fn an_expired_token_does_not_stand_in_the_way_of_a_new_one() {
    let store = Store::start().await;
    let customer = store.customer().await;
    store.clock().advance(Duration::minutes(10));
    customer.get("/me").await.problem(401, "token_expired");
    let refresh = json!({"refresh_token": customer.sign_in()["refresh_token"]});
    let renewed = customer.post("/auth/refresh", refresh).await.expect(200);
    let token = renewed["access_token"].as_str().unwrap();
    store.anonymous().bearing(token).get("/me").await.expect(200);
}

#[tokio::test]
async fn nobody_becomes_somebody_by_saying_so_in_a_header() {
    let store = Store::start().await;
    let victim = store.customer().await;
    let admin = store.admin().await;
    for name in [
        "X-User-Id",
        "x_user_id",
        "X-USER-ID",
        "X-Forwarded-User",
        "Remote-User",
        "X-Auth-Request-User",
        "X-Internal-User",
    ] {
        let claim = |id: &str| {
            store
                .anonymous()
                .with(name, id)
                .with(name, id)
                .with("X-User-Role", "admin")
                .with("x_user_roles", "admin")
        };
        claim(victim.id()).get("/me").await.problem(401, "unauthenticated");
        claim(admin.id())
            .get("/admin/users")
            .await
            .problem(401, "unauthenticated");
        let claimed = victim.with(name, admin.id()).with("X-User-Role", "admin");
        claimed.get("/admin/users").await.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_header_that_the_connection_header_names_ends_at_the_edge() {
    let store = Store::start().await;
    let token = store.customer().await.sign_in()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let request = |connection: &str| {
        format!(
            "GET /api/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: {connection}\r\n\r\n"
        )
    };
    assert!(store.raw(request("close")).await.starts_with("HTTP/1.1 200"));
    assert!(
        store
            .raw(request("close, Authorization"))
            .await
            .starts_with("HTTP/1.1 401")
    );
}

#[tokio::test]
async fn the_signing_key_of_the_store_is_the_one_that_was_given() {
    let store = Store::start().await;
    let pem = std::fs::read_to_string(store.data_dir().join("token.pem")).unwrap();
    let public = SigningKey::from_pkcs8_pem(&pem).unwrap().verifying_key();
    let keys = store.anonymous().get("/auth/jwks").await.expect(200);
    assert_eq!(decode(keys["keys"][0]["x"].as_str().unwrap()), public.as_bytes());
}

#[tokio::test]
async fn while_the_key_is_changed_both_keys_are_published_and_believed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("next.pem");
    let pem = TokenSigner::generate_key();
    std::fs::write(&file, pem.expose_secret()).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let store = Store::with([("keys.token_other_file", file.to_str().unwrap())]).await;
    let customer = store.customer().await;
    let published = store.anonymous().get("/auth/jwks").await.expect(200);
    let kids: Vec<&Value> = published["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["kid"])
        .collect();
    let mut forger = Forger::new(&store, &customer);
    assert_eq!(kids[0], &forger.header["kid"], "the first key signs");
    forger.pem = pem.expose_secret().as_bytes().to_vec();
    let with_the_other = forger.signed(|header, _| header["kid"] = kids[1].clone());
    store.anonymous().bearing(&with_the_other).get("/me").await.expect(200);
    customer.get("/me").await.expect(200);
}
