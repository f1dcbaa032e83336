//! Codes: what variants and products are known by in the books of others.

use std::fmt;
use std::ops::Deref;

use kernel::Text;
use kernel::text::TextError;
use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization;

/// A SKU, a barcode, an external id, or the name or a value of an option, which files know variants by: `MIN` to 120
/// characters, in the composed form of Unicode (NFC), without white space around it. What looks the same is the same code
/// then, however it was typed; all else counts, also the case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct Code<const MIN: usize = 1>(Text<MIN, 120>);

impl<const MIN: usize> Code<MIN> {
    /// Checks a code; it is bounded in the form in which it is kept.
    pub(crate) fn parse(text: &str) -> Result<Self, TextError> {
        Text::parse(text.trim().nfc().collect::<String>()).map(Self)
    }

    /// The text itself.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl<const MIN: usize> Deref for Code<MIN> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize> fmt::Display for Code<MIN> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<const MIN: usize> From<Code<MIN>> for String {
    fn from(code: Code<MIN>) -> Self {
        code.0.into_string()
    }
}

impl<'de, const MIN: usize> Deserialize<'de> for Code<MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(text: &str) -> String {
        Code::<1>::parse(text).unwrap().into()
    }

    /// IN-20
    #[test]
    fn a_code_is_the_same_however_its_letters_are_put_together_and_another_in_another_case() {
        assert_eq!(code("Cafe\u{301}-1"), code("Caf\u{e9}-1"));
        assert_eq!(code("\u{212b}"), code("\u{c5}"), "the sign of the unit is the letter");
        assert_eq!(code("\u{a0} a "), code("a"), "nobody sees what is around it");
        for (one, other) in [
            ("abc", "ABC"),
            ("I", "i"),
            ("I", "\u{131}"),
            ("\u{130}", "i"),
            ("ss", "\u{df}"),
            ("a", "\u{430}"),
            ("\u{ff21}", "A"),
            ("a b", "ab"),
        ] {
            assert_ne!(code(one), code(other), "{one} and {other}");
        }
    }

    #[test]
    fn a_code_is_bounded_as_it_is_kept() {
        assert!(
            Code::<1>::parse(&"e\u{301}".repeat(120)).is_ok(),
            "120 letters, however they are typed"
        );
        // This letter has no composed form of its own and is kept as two.
        assert!(Code::<1>::parse(&"\u{958}".repeat(61)).is_err());
        assert!(Code::<1>::parse("").is_err() && Code::<1>::parse(" ").is_err() && Code::<1>::parse("a\nb").is_err());
        assert!(Code::<0>::parse("").is_ok());
    }

    proptest! {
        /// IN-20
        #[test]
        fn all_spellings_of_a_text_are_one_code(text in ".{1,40}") {
            let parse = |text: &str| Code::<1>::parse(text).map(String::from);
            let kept = parse(&text);
            prop_assert_eq!(parse(&text.nfd().collect::<String>()), kept.clone());
            prop_assert_eq!(parse(&text.nfc().collect::<String>()), kept.clone());
            if let Ok(kept) = kept {
                prop_assert_eq!(parse(&kept), Ok(kept.clone()));
            }
        }
    }
}
