//! What a password may be. Unicode is normalised to NFC, so that keyboards that send either form open the same account;
//! nothing else is trimmed, folded or cut.

use std::sync::LazyLock;

use kernel::text::Email;
use kernel::{FieldError, FieldErrors};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use unicode_normalization::UnicodeNormalization;

/// The fewest characters of a new password.
const MIN: usize = 8;
/// The most characters of any password; more are refused before anything is hashed.
const MAX: usize = 128;

/// Sorted by bytes, in lower case; `data/README.md` says where it comes from.
static COMMON: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("../../data/common-passwords.txt").lines().collect());

/// A password as somebody typed it, in NFC: at most 128 characters, without NUL. Whether it is good enough for a new
/// account is another question ([`Password::check_new`]). `Debug` shows nothing.
#[derive(Clone, Debug)]
pub(crate) struct Password(SecretString);

impl Password {
    /// Normalises and measures `text`.
    pub(crate) fn parse(text: &str) -> Result<Self, PasswordError> {
        if text.contains('\0') {
            return Err(PasswordError::Nul);
        }
        // One character more than the most says enough: a megabyte is not read to its end.
        let normalised: String = text.nfc().take(MAX + 1).collect();
        if normalised.chars().count() > MAX {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(normalised.into()))
    }

    /// Whether this may become the password of the account of `email`; errors point at the field `pointer`.
    pub(crate) fn check_new(&self, email: &Email, pointer: &str) -> Result<(), FieldErrors> {
        self.weakness(email)
            .map_or(Ok(()), |error| Err(FieldError::from_message(pointer, error).into()))
    }

    /// The bytes that are hashed.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }

    fn weakness(&self, email: &Email) -> Option<PasswordError> {
        let folded = self.0.expose_secret().to_lowercase();
        if self.0.expose_secret().chars().count() < MIN {
            return Some(PasswordError::TooShort);
        }
        if folded == email.canonical() {
            return Some(PasswordError::EqualsEmail);
        }
        COMMON
            .binary_search(&folded.as_str())
            .is_ok()
            .then_some(PasswordError::Common)
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text that serde hands over stays in memory until the allocator uses it again; so does the request's body.
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Why a password is refused. Messages begin with the stable code of the field error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PasswordError {
    /// U+0000.
    #[error("invalid_character: must not contain NUL")]
    Nul,
    /// Fewer characters than the least.
    #[error("too_short: must have at least {MIN} characters")]
    TooShort,
    /// More characters than the most.
    #[error("too_long: must have at most {MAX} characters")]
    TooLong,
    /// Everybody's first guess.
    #[error("too_common: is among the most common passwords")]
    Common,
    /// Everybody's second guess.
    #[error("equals_email: must not be the address itself")]
    EqualsEmail,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) -> Result<(), PasswordError> {
        let email = Email::parse("Ada.Lovelace@example.com").unwrap();
        Password::parse(text)?.weakness(&email).map_or(Ok(()), Err)
    }

    #[test]
    fn length_is_counted_in_characters_after_normalisation() {
        assert_eq!(check("seven77"), Err(PasswordError::TooShort));
        assert_eq!(check("ein Öl-Fäßchen"), Ok(()));
        assert_eq!(check(&"🦀".repeat(128)), Ok(()));
        assert_eq!(check(&"🦀".repeat(129)), Err(PasswordError::TooLong));
        // Two code points each before normalisation, one after.
        assert_eq!(check(&"e\u{301}".repeat(128)), Ok(()));
        assert_eq!(check(&"e\u{301}".repeat(7)), Err(PasswordError::TooShort));
        assert_eq!(check(&"a".repeat(1 << 20)), Err(PasswordError::TooLong));
    }

    #[test]
    fn common_passwords_and_the_address_are_refused_in_any_case() {
        for text in ["password", "12345678", "Password1", "PASSWORD123", "qwertyuiop"] {
            assert_eq!(check(text), Err(PasswordError::Common), "{text}");
        }
        assert_eq!(check("ada.LOVELACE@example.com"), Err(PasswordError::EqualsEmail));
        assert_eq!(check("correct horse battery staple"), Ok(()));
    }

    #[test]
    fn white_space_and_case_are_kept_and_nul_is_refused() {
        assert_eq!(Password::parse("  Space  ").unwrap().as_bytes(), b"  Space  ");
        assert_eq!(Password::parse("nul\0inside").unwrap_err(), PasswordError::Nul);
    }

    #[test]
    fn a_password_does_not_print_itself() {
        assert!(!format!("{:?}", Password::parse("hunter2hunter2").unwrap()).contains("hunter2"));
    }

    #[test]
    fn the_list_is_sorted_lower_case_and_long_enough_to_matter() {
        assert!(COMMON.len() > 8000);
        assert!(COMMON.is_sorted());
        for word in COMMON.iter() {
            assert_eq!(*word, word.to_lowercase());
            assert!(word.chars().count() >= MIN, "{word}");
        }
    }

    proptest! {
        #[test]
        fn both_unicode_forms_are_one_password(text in "\\PC{0,60}") {
            let composed = Password::parse(&text.nfc().collect::<String>()).unwrap();
            let decomposed = Password::parse(&text.nfd().collect::<String>()).unwrap();
            prop_assert_eq!(composed.as_bytes(), decomposed.as_bytes());
        }

        #[test]
        fn nothing_but_the_form_changes(text in "[ -~]{0,128}") {
            let password = Password::parse(&text).unwrap();
            prop_assert_eq!(password.as_bytes(), text.as_bytes());
        }
    }
}
