//! The languages that a shop speaks.

use std::fmt;
use std::str::FromStr;

use language_tags::LanguageTag;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use crate::settings::Shop;

/// The longest tag, in characters.
const MAX_LENGTH: usize = 35;

/// A language as it is written somewhere: a BCP 47 tag of language, script, region and variants, in its usual case, e.g.
/// `de`, `pt-BR`, `zh-Hant-TW`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Locale(String);

/// A text is no language tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid_locale: must be a BCP 47 language tag such as de or pt-BR")]
pub struct LocaleError;

impl Locale {
    /// The tag itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same language without the region and what follows it; `None` where there is neither.
    fn without_region(&self) -> Option<Self> {
        let tag = LanguageTag::parse(&self.0).ok()?;
        let shorter = match tag.script() {
            Some(script) => format!("{}-{script}", tag.primary_language()),
            None => tag.primary_language().to_owned(),
        };
        (shorter != self.0).then_some(Self(shorter))
    }
}

impl FromStr for Locale {
    type Err = LocaleError;

    /// Case does not matter. Subtags have to be registered; extensions and tags of private use are refused.
    fn from_str(text: &str) -> Result<Self, LocaleError> {
        if text.len() > MAX_LENGTH {
            return Err(LocaleError);
        }
        let tag = LanguageTag::parse(text).map_err(|_| LocaleError)?;
        let is_plain = (2..=3).contains(&tag.primary_language().len())
            && tag.extended_language().is_none()
            && tag.extension().is_none()
            && tag.private_use().is_none();
        match is_plain && tag.is_valid() {
            true => Ok(Self(tag.into_string())),
            false => Err(LocaleError),
        }
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Locale {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Locale {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("a BCP 47 language tag"))
            .max_length(Some(MAX_LENGTH))
            .examples(["pt-BR"])
            .into()
    }
}

impl utoipa::ToSchema for Locale {}

/// The languages of a shop: the one that its resources are written in, and those that they are translated into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locales {
    base: Locale,
    others: Vec<Locale>,
}

/// The shop does not speak a language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown_locale: this shop speaks {0}")]
pub struct UnknownLocale(String);

impl Locales {
    /// The languages that `shop` is set to.
    pub fn of(shop: &Shop) -> Self {
        Self {
            base: shop.locale.clone(),
            others: shop
                .locales
                .iter()
                .filter(|other| **other != shop.locale)
                .cloned()
                .collect(),
        }
    }

    /// The language of the resources themselves.
    pub fn base(&self) -> &Locale {
        &self.base
    }

    /// The languages that resources are translated into, in the order of the settings.
    pub fn others(&self) -> &[Locale] {
        &self.others
    }

    /// All languages, the resources' own first.
    pub fn all(&self) -> impl Iterator<Item = &Locale> {
        std::iter::once(&self.base).chain(&self.others)
    }

    /// Refuses a language that the shop does not speak.
    pub fn check(&self, locale: &Locale) -> Result<(), UnknownLocale> {
        if self.all().any(|known| known == locale) {
            return Ok(());
        }
        let all: Vec<&str> = self.all().map(Locale::as_str).collect();
        Err(UnknownLocale(all.join(", ")))
    }

    /// Where texts in `locale` are looked for, the nearest first: translations into it, then into the language without
    /// its region. What none of them has is the resource's own, which is all that is left where the answer is empty.
    pub fn fallbacks(&self, locale: &Locale) -> Vec<Locale> {
        let chain = std::iter::once(locale.clone()).chain(locale.without_region());
        chain.take_while(|locale| *locale != self.base).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn locale(text: &str) -> Locale {
        text.parse().unwrap()
    }

    fn locales(base: &str, others: &[&str]) -> Locales {
        Locales {
            base: locale(base),
            others: others.iter().map(|other| locale(other)).collect(),
        }
    }

    #[test]
    fn a_tag_is_read_in_any_case_and_kept_in_the_usual_one() {
        for (given, kept) in [
            ("de", "de"),
            ("PT-br", "pt-BR"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("de-de-1996", "de-DE-1996"),
        ] {
            assert_eq!(given.parse::<Locale>().unwrap().as_str(), kept);
        }
    }

    #[test]
    fn what_is_no_plain_language_tag_is_refused() {
        for bad in [
            "",
            "d",
            "de_DE",
            "deutsch",
            "de-",
            "-de",
            "de-DE-",
            "x-klingon",
            "i-klingon",
            "de-x-a",
            "de-u-co-phonebk",
            "xy",
            "de-XY9",
            "de DE",
            "*",
            "de,en",
            "dé",
        ] {
            assert!(bad.parse::<Locale>().is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_are_looked_for_in_the_language_then_without_its_region() {
        let shop = locales("en", &["de", "de-AT", "pt-BR", "en-GB", "zh-Hant-TW"]);
        let chain = |text: &str| -> Vec<String> {
            let chain = shop.fallbacks(&locale(text));
            chain.iter().map(Locale::to_string).collect()
        };
        assert_eq!(chain("de-AT"), ["de-AT", "de"]);
        assert_eq!(chain("de"), ["de"]);
        assert_eq!(chain("pt-BR"), ["pt-BR", "pt"]);
        assert_eq!(chain("en-GB"), ["en-GB"]);
        assert_eq!(chain("zh-Hant-TW"), ["zh-Hant-TW", "zh-Hant"]);
        assert_eq!(chain("en"), Vec::<String>::new());
    }

    #[test]
    fn the_shop_says_what_it_speaks() {
        let shop = locales("en", &["de"]);
        assert_eq!(shop.check(&locale("de")), Ok(()));
        assert_eq!(shop.check(&locale("en")), Ok(()));
        let error = shop.check(&locale("fr")).unwrap_err().to_string();
        assert_eq!(error, "unknown_locale: this shop speaks en, de");
    }

    proptest! {
        #[test]
        fn what_is_read_is_read_again_as_the_same(text in "[a-zA-Z]{2,3}(-[a-zA-Z]{4})?(-[a-zA-Z]{2})?") {
            if let Ok(read) = text.parse::<Locale>() {
                prop_assert_eq!(read.as_str().parse::<Locale>(), Ok(read));
            }
        }
    }
}
