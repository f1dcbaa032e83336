//! The keys of a shop. Each has one purpose; none is ever printed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The least length of a symmetric key: 256 bit.
pub const KEY_LENGTH: usize = 32;

/// A symmetric key (HMAC-SHA256). Cheap to clone; `Debug` shows nothing.
#[derive(Clone, Debug)]
pub struct SecretKey(Arc<SecretBox<Vec<u8>>>);

/// A configured key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not base64 at all.
    #[error("is not base64")]
    Encoding,
    /// Fewer than 32 bytes.
    #[error("has fewer than {KEY_LENGTH} bytes")]
    TooShort,
    /// A sample from some documentation.
    #[error("is a well-known sample; make your own")]
    Sample,
    /// Not an Ed25519 private key.
    #[error("is not an Ed25519 private key (PKCS#8, PEM)")]
    NotEd25519,
}

impl SecretKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(Arc::new(SecretBox::new(Box::new(random_bytes(KEY_LENGTH)))))
    }

    /// The key in `encoded` (base64, with or without padding, either alphabet; at least 32 bytes).
    pub fn parse(encoded: &str) -> Result<Self, KeyError> {
        let unpadded = encoded.trim().trim_end_matches('=').replace('+', "-").replace('/', "_");
        let bytes = URL_SAFE_NO_PAD.decode(unpadded).map_err(|_| KeyError::Encoding)?;
        if bytes.len() < KEY_LENGTH {
            return Err(KeyError::TooShort);
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(KeyError::Sample);
        }
        Ok(Self(Arc::new(SecretBox::new(Box::new(bytes)))))
    }

    /// The key in base64, for the file that keeps it.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.expose_secret())
    }

    /// HMAC-SHA256 over `parts` for one purpose. Purpose and parts are length-prefixed, so that no two inputs run together.
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        // HMAC takes keys of any length, so that this cannot fail.
        #[expect(clippy::expect_used, reason = "HMAC accepts keys of every length")]
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("HMAC accepts keys of every length");
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The secret by which a guest proves to hold the object `id`: derived, so that nothing needs to be stored.
    pub fn guest_secret(&self, id: impl ToString) -> String {
        URL_SAFE_NO_PAD.encode(self.mac("guest", &[id.to_string().as_bytes()]))
    }

    /// Whether `secret` is the guest secret of `id`, in constant time.
    pub fn is_guest_secret(&self, id: impl ToString, secret: &str) -> bool {
        self.guest_secret(id).as_bytes().ct_eq(secret.as_bytes()).into()
    }
}

/// The keys of a running process.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Ed25519 private key (PKCS#8, PEM) that signs access tokens; only the user module needs it.
    pub token: Arc<secrecy::SecretString>,
    /// Another such key, published beside `token`: the next one before a change, the last one after it.
    pub token_other: Option<Arc<secrecy::SecretString>>,
    /// Signs the short-lived tokens by which services know each other.
    pub service: SecretKey,
    /// Cursors, cart and order secrets, refresh tokens.
    pub secret: SecretKey,
}

/// `length` bytes from the operating system's random source.
pub fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    // Without randomness no secret can be made; going on would be worse than stopping.
    #[expect(clippy::expect_used, reason = "a process without a random source must not go on")]
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_secret_belongs_to_one_object_under_one_key() {
        let key = SecretKey::generate();
        let secret = key.guest_secret("cart_1");
        assert!(key.is_guest_secret("cart_1", &secret));
        assert!(!key.is_guest_secret("cart_2", &secret));
        assert!(!key.is_guest_secret("cart_1", ""));
        assert!(!SecretKey::generate().is_guest_secret("cart_1", &secret));
    }

    #[test]
    fn purposes_and_parts_do_not_run_together() {
        let key = SecretKey::generate();
        assert_ne!(key.mac("a", &[b"bc"]), key.mac("ab", &[b"c"]));
        assert_ne!(key.mac("a", &[b"b", b"c"]), key.mac("a", &[b"bc"]));
    }

    #[test]
    fn short_sample_and_broken_keys_are_refused() {
        assert!(matches!(SecretKey::parse("c2hvcnQ="), Err(KeyError::TooShort)));
        assert!(matches!(SecretKey::parse(&"A".repeat(43)), Err(KeyError::Sample)));
        assert!(matches!(SecretKey::parse("changeme!"), Err(KeyError::Encoding)));
        let key = SecretKey::generate();
        assert_eq!(
            SecretKey::parse(&key.encode()).unwrap().mac("x", &[]),
            key.mac("x", &[])
        );
    }

    #[test]
    fn a_key_does_not_print_itself() {
        let key = SecretKey::generate();
        assert!(!format!("{key:?}").contains(&key.encode()));
    }
}
