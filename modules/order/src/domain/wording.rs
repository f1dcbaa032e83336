//! How amounts and days are written for people, by language. The rules are few and meant to be read: separators and names of
//! months for some languages, and for all others what is understood everywhere (`1234.50 EUR`, `2026-11-30`). Days are those
//! of UTC, as all times of the shop are.

use chrono::{DateTime, Datelike, Utc};
use kernel::{Locale, Money};

/// How a language writes numbers and days.
struct Manner {
    /// The languages that do so.
    languages: &'static [&'static str],
    /// Between groups of three digits.
    group: &'static str,
    /// Before the decimals.
    decimal: char,
    day: fn(u32, u32, i32) -> String,
}

const MANNERS: [Manner; 6] = [
    Manner {
        languages: &["en"],
        group: ",",
        decimal: '.',
        day: |day, month, year| format!("{day} {} {year}", name(&ENGLISH, month)),
    },
    Manner {
        languages: &["ja", "zh"],
        group: ",",
        decimal: '.',
        day: |day, month, year| format!("{year}年{month}月{day}日"),
    },
    Manner {
        languages: &["de"],
        group: ".",
        decimal: ',',
        day: |day, month, year| format!("{day}. {} {year}", name(&GERMAN, month)),
    },
    Manner {
        languages: &["fr"],
        group: NARROW_SPACE,
        decimal: ',',
        day: |day, month, year| match day {
            1 => format!("1er {} {year}", name(&FRENCH, month)),
            day => format!("{day} {} {year}", name(&FRENCH, month)),
        },
    },
    Manner {
        languages: &["da", "el", "es", "id", "it", "nl", "pt", "tr"],
        group: ".",
        decimal: ',',
        day: iso,
    },
    Manner {
        languages: &["bg", "cs", "fi", "nb", "pl", "ru", "sk", "sv", "uk"],
        group: NARROW_SPACE,
        decimal: ',',
        day: iso,
    },
];

/// Everybody else: no groups, which nobody can take for decimals.
const PLAIN: Manner = Manner {
    languages: &[],
    group: "",
    decimal: '.',
    day: iso,
};

/// U+202F, on which no line breaks.
const NARROW_SPACE: &str = "\u{202f}";

#[rustfmt::skip]
const ENGLISH: [&str; 12] = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December"];
#[rustfmt::skip]
const GERMAN: [&str; 12] = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
    "November", "Dezember"];
#[rustfmt::skip]
const FRENCH: [&str; 12] = ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
    "novembre", "décembre"];

/// `amount` as the language of `locale` writes it, with the currency's own number of decimals and its code: `1,234.50 USD`,
/// `1.234,50 EUR`, `1,234 JPY`.
pub(crate) fn money(amount: Money, locale: &Locale) -> String {
    format!("{}\u{a0}{}", number(amount, locale), amount.currency)
}

/// The same without the currency, for a table that names it once.
pub(crate) fn number(amount: Money, locale: &Locale) -> String {
    let manner = manner(locale);
    let decimals = usize::from(amount.currency.decimals());
    let digits = format!("{:0width$}", amount.amount.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let mut text = String::from(if amount.amount < 0 { "-" } else { "" });
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push_str(manner.group);
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push(manner.decimal);
        text.push_str(fraction);
    }
    text
}

/// The day of `time` in UTC, as the language of `locale` writes it.
pub(crate) fn day(time: DateTime<Utc>, locale: &Locale) -> String {
    (manner(locale).day)(time.day(), time.month(), time.year())
}

/// A number of percent that is kept as `8.875`, as the language of `locale` writes it.
pub(crate) fn percent(percent: &str, locale: &Locale) -> String {
    let decimal = manner(locale).decimal.to_string();
    format!("{}\u{a0}%", percent.replace('.', &decimal))
}

/// `locale`, then the same language without its region: `de-AT`, `de`. Where something is written in several languages, the
/// first of these wins.
pub(crate) fn wider(locale: &Locale) -> impl Iterator<Item = &str> {
    let tag = locale.as_str();
    std::iter::successors(Some(tag), |tag| Some(tag.rsplit_once('-')?.0))
}

fn manner(locale: &Locale) -> &'static Manner {
    let language = locale.as_str().split('-').next().unwrap_or_default();
    MANNERS
        .iter()
        .find(|manner| manner.languages.contains(&language))
        .unwrap_or(&PLAIN)
}

fn name(names: &[&'static str; 12], month: u32) -> &'static str {
    let index = usize::try_from(month).unwrap_or_default().saturating_sub(1);
    names.get(index).copied().unwrap_or_default()
}

fn iso(day: u32, month: u32, year: i32) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(amount: i64, currency: &str, locale: &str) -> String {
        money(Money::new(amount, currency.parse().unwrap()), &locale.parse().unwrap())
    }

    #[test]
    fn amounts_are_written_as_the_language_does() {
        for (amount, currency, locale, expected) in [
            (123_450, "USD", "en", "1,234.50\u{a0}USD"),
            (123_450, "EUR", "de-AT", "1.234,50\u{a0}EUR"),
            (123_456_789, "EUR", "fr", "1\u{202f}234\u{202f}567,89\u{a0}EUR"),
            (1234, "JPY", "ja", "1,234\u{a0}JPY"),
            (1999, "KWD", "en", "1.999\u{a0}KWD"),
            (-5, "USD", "en", "-0.05\u{a0}USD"),
            (123_450, "EUR", "mt", "1234.50\u{a0}EUR"),
        ] {
            assert_eq!(written(amount, currency, locale), expected);
        }
    }

    #[test]
    fn days_are_written_as_the_language_does() {
        let time = "2026-03-01T23:59:59Z".parse().unwrap();
        for (locale, expected) in [
            ("en-GB", "1 March 2026"),
            ("de", "1. März 2026"),
            ("fr", "1er mars 2026"),
            ("ja", "2026年3月1日"),
            ("mt", "2026-03-01"),
        ] {
            assert_eq!(day(time, &locale.parse().unwrap()), expected);
        }
        assert_eq!(percent("8.875", &"de".parse().unwrap()), "8,875\u{a0}%");
    }

    #[test]
    fn a_language_is_asked_before_all_of_its_regions() {
        let locale = "zh-Hant-TW".parse().unwrap();
        assert_eq!(wider(&locale).collect::<Vec<_>>(), ["zh-Hant-TW", "zh-Hant", "zh"]);
    }

    proptest! {
        #[test]
        fn no_digit_is_lost(amount in any::<i64>(), locale in prop::sample::select(vec!["en", "de", "fr", "mt"])) {
            let text = written(amount, "USD", locale);
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            prop_assert_eq!(digits.parse::<u128>().unwrap(), u128::from(amount.unsigned_abs()));
        }
    }
}
