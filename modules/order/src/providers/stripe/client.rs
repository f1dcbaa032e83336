//! Requests to Stripe's API: forms in, JSON out, each within the provider's deadline. Nothing of what is sent or answered is
//! logged.

use std::time::Duration;

use kernel::Fault;
use reqwest::{Client as HttpClient, Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::objects::ErrorBody;
use crate::providers::ProviderFailure;

/// Where Stripe is for everybody.
const API: &str = "https://api.stripe.com";
/// The version of the API that this code was written for. Shapes do not change under our feet.
const VERSION: &str = "2025-10-29.clover";
/// The largest answer, in bytes: a page of a hundred charges with their intents has a tenth of it.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// Fields of a form or a query.
pub(super) type Fields = Vec<(&'static str, String)>;

/// Stripe's API.
pub(super) struct Client {
    http: HttpClient,
    api: Url,
    secret_key: SecretString,
}

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The bank says no, with Stripe's word for why.
    Declined(String),
    /// There is no such object.
    Missing,
    /// The request cannot be carried out as it is, with Stripe's word for why.
    Invalid(String),
    /// Whether it was carried out is not known.
    Unknown(String),
}

impl From<Refusal> for ProviderFailure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Declined(reason) | Refusal::Invalid(reason) => Self::Refused(reason),
            Refusal::Missing => Self::Refused("resource_missing".to_owned()),
            Refusal::Unknown(reason) => Self::Unknown(reason),
        }
    }
}

impl Client {
    /// The API at `api`, or where it is for everybody.
    pub(super) fn new(api: &str, secret_key: &SecretString, timeout: Duration) -> Result<Self, Fault> {
        let api = if api.is_empty() { API } else { api };
        let api = Url::parse(api).map_err(|error| Fault::internal(format!("payments.stripe.api: {error}")))?;
        // Others in this process may have chosen the same before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = HttpClient::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Fault::internal(format!("no client for Stripe: {error}")))?;
        Ok(Self {
            http,
            api,
            secret_key: secret_key.clone(),
        })
    }

    /// Reads an object or a list.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: Fields) -> Result<T, Refusal> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        self.send(self.http.request(Method::GET, url)).await
    }

    /// Makes or changes an object, once per `key`: Stripe keeps its answers for a day at least.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, key: &str, form: Fields) -> Result<T, Refusal> {
        let request = self.http.request(Method::POST, self.url(path)?);
        self.send(request.header("idempotency-key", key).form(&form)).await
    }

    fn url(&self, path: &str) -> Result<Url, Refusal> {
        let url = self.api.join(path);
        url.map_err(|error| Refusal::Invalid(format!("no address: {error}")))
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Refusal> {
        let request = request
            .bearer_auth(self.secret_key.expose_secret())
            .header("stripe-version", VERSION);
        let response = request.send().await.map_err(|error| unknown(error.without_url()))?;
        let status = response.status();
        let body = read(response).await?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        // What was done is done, whether its description can be read or not.
        serde_json::from_slice(&body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            unknown(format!(
                "the answer cannot be read, {:?} error at {line}:{column}",
                error.classify()
            ))
        })
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| unknown(error.without_url()))? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(unknown("the answer is too large"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// What an answer other than success means (<https://docs.stripe.com/api/errors>). A key that is being used by another
/// request (409), or was used for another one (`idempotency_error`), says nothing of what became of that.
fn refusal(status: StatusCode, body: &[u8]) -> Refusal {
    let error = serde_json::from_slice::<ErrorBody>(body).ok().map(|body| body.error);
    let reason = error
        .as_ref()
        .and_then(|error| error.code.clone().or_else(|| Some(error.r#type.clone())));
    let reason = reason
        .filter(|reason| !reason.is_empty())
        .unwrap_or_else(|| status.as_str().to_owned());
    match (status.as_u16(), error) {
        (402, Some(error)) => Refusal::Declined(error.reason()),
        (_, Some(error)) if error.r#type == "card_error" => Refusal::Declined(error.reason()),
        (_, Some(error)) if error.r#type == "idempotency_error" => Refusal::Unknown(reason),
        (401 | 403 | 408 | 409 | 429, _) => {
            if matches!(status.as_u16(), 401 | 403) {
                tracing::error!(%status, reason, "Stripe does not take the shop's secret key");
            }
            Refusal::Unknown(reason)
        }
        (404, _) => Refusal::Missing,
        (400..=499, _) => Refusal::Invalid(reason),
        _ => Refusal::Unknown(reason),
    }
}

fn unknown(reason: impl ToString) -> Refusal {
    Refusal::Unknown(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Refusal {
        refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn a_refusal_is_told_from_an_open_question() {
        let declined =
            r#"{"error": {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}}"#;
        assert_eq!(of(402, declined), Refusal::Declined("insufficient_funds".into()));
        let without_detail = r#"{"error": {"type": "card_error", "code": "expired_card"}}"#;
        assert_eq!(of(402, without_detail), Refusal::Declined("expired_card".into()));
        let invalid = r#"{"error": {"type": "invalid_request_error", "code": "amount_too_small"}}"#;
        assert_eq!(of(400, invalid), Refusal::Invalid("amount_too_small".into()));
        assert_eq!(
            of(404, r#"{"error": {"type": "invalid_request_error"}}"#),
            Refusal::Missing
        );
        let reused = r#"{"error": {"type": "idempotency_error"}}"#;
        assert_eq!(of(400, reused), Refusal::Unknown("idempotency_error".into()));
        for status in [401, 403, 409, 429, 500, 502, 503] {
            let refused = of(status, r#"{"error": {"type": "api_error"}}"#);
            assert_eq!(refused, Refusal::Unknown("api_error".into()), "{status}");
        }
        assert_eq!(of(500, "<html>"), Refusal::Unknown("500".into()));
        assert_eq!(of(302, ""), Refusal::Unknown("302".into()));
    }
}
