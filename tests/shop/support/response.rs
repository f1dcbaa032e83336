//! What a store answers.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body where it is JSON, else null.
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl Response {
    pub(crate) async fn of(response: reqwest::Response) -> Response {
        Response::try_of(response).await.unwrap()
    }

    /// The same, where the answer may break off.
    pub(crate) async fn try_of(response: reqwest::Response) -> reqwest::Result<Response> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Response {
            status,
            headers,
            json,
            text,
        })
    }

    /// The body of an answer with this status; any other fails the test and is shown.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    /// The body of a problem with this status and code, which has all that every problem has.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.json["code"], code, "{}", self.text);
        self.assert_sound_problem();
        self.json
    }

    /// The pointers of the fields that a 422 complains about.
    #[track_caller]
    pub(crate) fn wrong_fields(self) -> Vec<String> {
        let body = self.problem(422, "validation_failed");
        let errors = body["errors"].as_array().unwrap().iter();
        errors
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect()
    }

    /// A header's value, empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn assert_sound_problem(&self) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let members = ["type", "title", "detail", "instance", "code", "request_id"];
        for member in members {
            assert!(self.json[member].is_string(), "no {member} in {}", self.text);
        }
        assert_eq!(self.json["status"], self.status, "{}", self.text);
        assert_eq!(self.json["request_id"], self.header("x-request-id"));
        if self.status == 401 {
            assert!(
                self.header("www-authenticate").starts_with("Bearer"),
                "{:?}",
                self.headers
            );
        }
        if matches!(self.status, 429 | 503) {
            assert!(self.header("retry-after").parse::<u64>().unwrap() >= 1);
        }
    }
}
