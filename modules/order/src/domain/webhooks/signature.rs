//! How messages are signed. Secrets are derived from `keys.secret`, so that there is nothing to store and nothing to leak.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use kernel::id::WebhookEndpointId;
use kernel::keys::SecretKey;
use sha2::Sha256;

/// How secrets begin, by which people and programs that look for leaked ones know them.
const PREFIX: &str = "whsec_";

/// A secret that an endpoint and the shop have in common: 32 bytes.
pub(crate) struct EndpointSecret([u8; 32]);

impl EndpointSecret {
    /// The secret of an endpoint. Each rotation counts its `generation` up.
    pub(crate) fn of(key: &SecretKey, endpoint: WebhookEndpointId, generation: i64) -> Self {
        let id = endpoint.uuid();
        Self(key.mac("webhook endpoint", &[id.as_bytes(), &generation.to_be_bytes()]))
    }

    /// The secret as whoever receives messages keeps it.
    pub(crate) fn shown(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }

    /// One signature of a message, as the header has it.
    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        sign(&self.0, id, timestamp, body)
    }
}

/// The value of `webhook-signature`: a signature with each secret that holds, the newest first.
pub(crate) fn header(secrets: &[EndpointSecret], id: &str, timestamp: i64, body: &str) -> String {
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    signatures.join(" ")
}

fn sign(secret: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    // HMAC takes keys of any length, so that this cannot fail.
    #[expect(clippy::expect_used, reason = "HMAC accepts keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC accepts keys of every length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body.as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use standardwebhooks::Webhook;

    use super::*;

    /// The vectors that all libraries of Standard Webhooks share.
    #[test]
    fn the_vectors_of_the_standard_are_signed_as_it_has_them() {
        let first = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            sign(
                &first,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        let second = STANDARD.decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let body = r#"{"email":"test@example.com","username":"test_user"}"#;
        assert_eq!(
            sign(&second, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
    }

    #[test]
    fn each_endpoint_and_each_generation_has_a_secret_of_its_own_that_stays() {
        let (key, endpoint) = (SecretKey::generate(), WebhookEndpointId::generate());
        let shown = |generation| EndpointSecret::of(&key, endpoint, generation).shown();
        assert_eq!(shown(1), shown(1));
        assert_ne!(shown(1), shown(2));
        assert_ne!(
            shown(1),
            EndpointSecret::of(&key, WebhookEndpointId::generate(), 1).shown()
        );
        let bytes = STANDARD.decode(shown(1).strip_prefix(PREFIX).unwrap()).unwrap();
        assert_eq!(bytes.len(), 32);
    }

    proptest! {
        #[test]
        fn the_library_of_the_standard_signs_the_same(body in any::<String>(), id in "[a-z0-9_]{1,40}", at in 0..=i64::from(u32::MAX)) {
            let secret = EndpointSecret::of(&SecretKey::generate(), WebhookEndpointId::generate(), 7);
            let theirs = Webhook::new(&secret.shown()).unwrap().sign(&id, at, body.as_bytes()).unwrap();
            prop_assert_eq!(header(&[secret], &id, at, &body), theirs);
        }
    }

    #[test]
    fn while_a_secret_is_rotated_either_one_verifies() {
        let (key, endpoint) = (SecretKey::generate(), WebhookEndpointId::generate());
        let secrets = [2, 1].map(|generation| EndpointSecret::of(&key, endpoint, generation));
        let value = header(&secrets, "event_1", 5, "{}");
        for secret in &secrets {
            let own = Webhook::new(&secret.shown())
                .unwrap()
                .sign("event_1", 5, b"{}")
                .unwrap();
            assert!(value.split(' ').any(|signature| signature == own), "{value}");
        }
    }
}
