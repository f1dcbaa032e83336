//! Codes of promotions, as buyers type and staff write them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::keys::random_bytes;
use kernel::patch::present;
use kernel::{FieldErrors, Patch};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use super::promotion::check_limit;

/// The most codes of a promotion.
pub(crate) const MAX_CODES_OF_PROMOTION: i64 = 1_000_000;
/// The most codes that are made at once.
const MAX_GENERATED: i64 = 10_000;
/// How many random characters a code has where nobody says.
const USUAL_LENGTH: i64 = 10;
/// The characters of random codes: none that is taken for another one, whoever reads it from paper.
const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";

/// A code in capitals: 3 to 40 of `A` to `Z`, digits, `_` and `-`. Small letters and spaces around it do not matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct PromotionCode(String);

/// A code, as staff see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ListedPromotionCode)]
pub(crate) struct ListedCode {
    pub(crate) code: String,
    /// How many orders may use it; any number where it is `null`, and then nobody counts.
    pub(crate) usage_limit: Option<i64>,
    /// How many do.
    pub(crate) uses: i64,
    pub(crate) created_at: DateTime<Utc>,
}

/// New codes of a promotion: either `code` with its limit, or `generate`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCodes {
    /// One of the shop's own choice.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, nullable = false)]
    code: Option<PromotionCode>,
    /// How many orders may use `code`; any number where it is left out.
    #[schema(minimum = 1)]
    usage_limit: Option<i64>,
    /// Random ones.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    generate: Option<Generate>,
}

/// How many random codes are to be made, and of which form.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Generate {
    /// From 1 to 10,000.
    #[schema(minimum = 1, maximum = 10_000)]
    count: i64,
    /// What each begins with.
    #[serde(default)]
    #[schema(max_length = 20)]
    prefix: String,
    /// How many random characters follow: from 6 to 20, 10 where it is left out.
    #[serde(default, deserialize_with = "present")]
    #[schema(minimum = 6, maximum = 20, nullable = false)]
    length: Option<i64>,
    /// How many orders may use each: one where it is left out, any number where it is `null`.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1)]
    usage_limit: Patch<i64>,
}

/// Codes that are to be made, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CodesToMake {
    /// This one.
    Given(PromotionCode, Option<i64>),
    /// Any.
    Random(RandomCodes),
}

/// The form of random codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RandomCodes {
    /// How many are wanted.
    pub(crate) count: usize,
    prefix: String,
    length: usize,
    /// How many orders may use each.
    pub(crate) usage_limit: Option<i64>,
}

impl NewCodes {
    /// What the request asks for.
    pub(crate) fn check(self) -> Result<CodesToMake, FieldErrors> {
        let mut errors = FieldErrors::new();
        match (self.code, self.generate) {
            (Some(code), None) => {
                check_limit("/usage_limit", self.usage_limit, &mut errors);
                errors.into_result()?;
                Ok(CodesToMake::Given(code, self.usage_limit))
            }
            (None, Some(generate)) => {
                if self.usage_limit.is_some() {
                    errors.add("/usage_limit", "not_allowed", "say it in `generate`");
                }
                generate.check(errors).map(CodesToMake::Random)
            }
            (None, None) => Err(FieldErrors::one("/code", "required", "give a code, or `generate`")),
            (Some(_), Some(_)) => Err(FieldErrors::one("/generate", "not_allowed", "there is a code already")),
        }
    }
}

impl Generate {
    fn check(self, mut errors: FieldErrors) -> Result<RandomCodes, FieldErrors> {
        if !(1..=MAX_GENERATED).contains(&self.count) {
            let detail = format!("from 1 to {MAX_GENERATED}");
            errors.add("/generate/count", "out_of_range", detail);
        }
        let length = self.length.unwrap_or(USUAL_LENGTH);
        if !(6..=20).contains(&length) {
            errors.add("/generate/length", "out_of_range", "from 6 to 20");
        }
        let prefix = self.prefix.to_ascii_uppercase();
        if prefix.len() > 20 || !prefix.bytes().all(is_written) {
            let detail = "at most 20 letters of the Latin alphabet, digits, `_` and `-`";
            errors.add("/generate/prefix", "invalid_code", detail);
        }
        // What is left out is one use, so that `null` alone is any number of them.
        let usage_limit = self.usage_limit.apply(Some(1));
        check_limit("/generate/usage_limit", usage_limit, &mut errors);
        errors.into_result()?;
        Ok(RandomCodes {
            count: usize::try_from(self.count).unwrap_or_default(),
            prefix,
            length: usize::try_from(length).unwrap_or_default(),
            usage_limit,
        })
    }
}

impl RandomCodes {
    /// `count` different codes.
    pub(crate) fn draw(&self, count: usize) -> Vec<String> {
        let mut drawn = BTreeSet::new();
        while drawn.len() < count {
            drawn.insert(format!("{}{}", self.prefix, random_characters(self.length)));
        }
        drawn.into_iter().collect()
    }
}

impl PromotionCode {
    /// The code that somebody has written; `None` where it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let code = text.trim().to_ascii_uppercase();
        ((3..=40).contains(&code.len()) && code.bytes().all(is_written)).then_some(Self(code))
    }

    /// As it is compared.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for PromotionCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("invalid_code: 3 to 40 letters of the Latin alphabet, digits, `_` and `-`")
        })
    }
}

impl utoipa::PartialSchema for PromotionCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[A-Za-z0-9_-]{3,40}$"))
            .examples(["SUMMER-26"])
            .into()
    }
}

impl utoipa::ToSchema for PromotionCode {}

fn is_written(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
}

/// Characters of the alphabet, each as likely as any other.
fn random_characters(length: usize) -> String {
    let mut characters = String::with_capacity(length);
    while characters.len() < length {
        for byte in random_bytes(length) {
            // The last bytes would make some characters likelier.
            let place = usize::from(byte);
            if characters.len() < length && place < 256 / ALPHABET.len() * ALPHABET.len() {
                characters.push(char::from(ALPHABET[place % ALPHABET.len()]));
            }
        }
    }
    characters
}

#[cfg(test)]
mod tests {
    use kernel::http::json::parse;

    use super::*;

    fn asked(json: &str) -> Result<CodesToMake, FieldErrors> {
        parse::<NewCodes>(json.as_bytes()).unwrap().check()
    }

    #[test]
    fn random_codes_are_codes_and_all_different() {
        let Ok(CodesToMake::Random(random)) =
            asked(r#"{"generate":{"count":500,"prefix":"vip-","length":6,"usage_limit":null}}"#)
        else {
            panic!("it is a batch")
        };
        assert_eq!((random.count, random.usage_limit), (500, None));
        let codes = random.draw(random.count);
        let different: BTreeSet<&String> = codes.iter().collect();
        assert_eq!(different.len(), 500);
        for code in &codes {
            assert_eq!(PromotionCode::parse(code).unwrap().as_str(), code);
            let random = code.strip_prefix("VIP-").unwrap();
            assert!(
                random.len() == 6 && !random.contains(['0', '1', 'I', 'L', 'O']),
                "{code}"
            );
        }
    }

    #[test]
    fn a_request_has_either_one_code_or_a_batch() {
        let one = asked(r#"{"code":"ten","usage_limit":3}"#).unwrap();
        assert_eq!(one, CodesToMake::Given(PromotionCode("TEN".to_owned()), Some(3)));
        let Ok(CodesToMake::Random(random)) = asked(r#"{"generate":{"count":1}}"#) else {
            panic!("it is a batch")
        };
        assert_eq!((random.length, random.usage_limit), (10, Some(1)));
        let cases = [
            ("{}", "/code", "required"),
            (r#"{"code":"ten","generate":{"count":1}}"#, "/generate", "not_allowed"),
            (
                r#"{"usage_limit":1,"generate":{"count":1}}"#,
                "/usage_limit",
                "not_allowed",
            ),
            (r#"{"code":"ten","usage_limit":0}"#, "/usage_limit", "out_of_range"),
            (r#"{"generate":{"count":0}}"#, "/generate/count", "out_of_range"),
            (r#"{"generate":{"count":10001}}"#, "/generate/count", "out_of_range"),
            (
                r#"{"generate":{"count":1,"length":5}}"#,
                "/generate/length",
                "out_of_range",
            ),
            (
                r#"{"generate":{"count":1,"prefix":"a b"}}"#,
                "/generate/prefix",
                "invalid_code",
            ),
            (
                r#"{"generate":{"count":1,"usage_limit":0}}"#,
                "/generate/usage_limit",
                "out_of_range",
            ),
        ];
        for (json, pointer, code) in cases {
            let errors = asked(json).unwrap_err();
            let error = &errors.as_slice()[0];
            assert_eq!((error.pointer.as_str(), error.code.as_str()), (pointer, code), "{json}");
        }
    }

    #[test]
    fn codes_are_compared_in_capitals_and_without_spaces_around_them() {
        assert_eq!(PromotionCode::parse(" summer-26 ").unwrap().as_str(), "SUMMER-26");
        for bad in ["", "ab", "a b c", "né-e", "'; --", &"A".repeat(41)] {
            assert_eq!(PromotionCode::parse(bad), None, "{bad}");
        }
    }
}
