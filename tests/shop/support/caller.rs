//! Who calls a store. The kind is a type, so that a test cannot mistake one for another.

use std::ops::Deref;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Response, Shop, unique};

/// The password of all accounts in tests.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Somebody who can send requests. Cheap to clone; each clone is the same person.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) shop: Shop,
    headers: Vec<(String, String)>,
}

/// Somebody without an account.
#[derive(Clone)]
pub(crate) struct Anonymous(Caller);

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct Customer(Account);

/// Somebody who may do everything.
#[derive(Clone)]
pub(crate) struct Admin(Account);

/// What both have: an account, and a token in every request.
#[derive(Clone)]
pub(crate) struct Account {
    caller: Caller,
    email: String,
    /// What signing in answered.
    answer: Value,
}

impl Caller {
    fn of(shop: &Shop) -> Caller {
        Caller {
            shop: shop.clone(),
            headers: Vec::new(),
        }
    }

    /// The same caller, who also sends this header.
    pub(crate) fn with(&self, name: &str, value: impl ToString) -> Caller {
        let mut caller = self.clone();
        caller.headers.push((name.to_owned(), value.to_string()));
        caller
    }

    /// The same caller, who also sends this idempotency key.
    pub(crate) fn once(&self, key: impl ToString) -> Caller {
        self.with("Idempotency-Key", key)
    }

    /// The same caller with an access token.
    pub(crate) fn bearing(&self, token: &str) -> Caller {
        self.with("Authorization", format!("Bearer {token}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Response {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Response {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, None).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let body = body.map(|body| ("application/json", body.to_string()));
        self.send_text(method, path, body).await
    }

    /// Sends a body of any type. A path that begins with `//` is taken from the root of the store instead of `/api/v1`.
    pub(crate) async fn send_text(&self, method: Method, path: &str, body: Option<(&str, String)>) -> Response {
        self.try_send_text(method, path, body).await.unwrap()
    }

    /// The same as [`Caller::send`] for a store that may be gone.
    pub(crate) async fn try_send(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<Response> {
        let body = body.map(|body| ("application/json", body.to_string()));
        self.try_send_text(method, path, body).await
    }

    async fn try_send_text(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> reqwest::Result<Response> {
        let mut request = self.request(method, path);
        if let Some((media_type, text)) = body {
            request = request.header("content-type", media_type).body(text);
        }
        Response::try_of(request.send().await?).await
    }

    /// The answer to a GET as it comes, for what is no text.
    pub(crate) async fn download(&self, path: &str) -> reqwest::Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let path = match path.strip_prefix("//") {
            Some(path) => format!("/{path}"),
            None => format!("/api/v1{path}"),
        };
        let request = self
            .shop
            .client
            .request(method, format!("http://{}{path}", self.shop.address()));
        let with = |request: reqwest::RequestBuilder, (name, value): &(String, String)| request.header(name, value);
        self.headers.iter().fold(request, with)
    }
}

impl Anonymous {
    pub(crate) fn of(shop: &Shop) -> Anonymous {
        Anonymous(Caller::of(shop))
    }
}

impl Customer {
    pub(crate) async fn registered(shop: &Shop) -> Customer {
        let email = format!("{}@customer.example", unique("customer"));
        let body = json!({"email": email, "password": PASSWORD, "name": "Ada"});
        let answer = Caller::of(shop).post("/auth/register", body).await.expect(201);
        Customer(Account::new(shop, email, answer))
    }
}

impl Admin {
    pub(crate) async fn signed_in(shop: &Shop, email: &str) -> Admin {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = Caller::of(shop).post("/auth/login", body).await.expect(200);
        Admin(Account::new(shop, email.to_owned(), answer))
    }
}

impl Account {
    fn new(shop: &Shop, email: String, answer: Value) -> Account {
        Account {
            caller: Caller::of(shop).bearing(answer["access_token"].as_str().unwrap()),
            email,
            answer,
        }
    }

    /// The address of the account.
    pub(crate) fn email(&self) -> &str {
        &self.email
    }

    /// The id of the account.
    pub(crate) fn id(&self) -> &str {
        self.answer["user"]["id"].as_str().unwrap()
    }

    /// What registering or signing in answered: both tokens and the profile.
    pub(crate) fn sign_in(&self) -> &Value {
        &self.answer
    }
}

impl Deref for Anonymous {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl Deref for Customer {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.0
    }
}

impl Deref for Admin {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.0
    }
}

impl Deref for Account {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}
