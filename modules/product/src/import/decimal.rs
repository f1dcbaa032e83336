//! Prices and weights as people write them. No floating point: every digit counts.

use kernel::Currency;
use kernel::money::MAX_AMOUNT;

use crate::domain::listing::MAX_WEIGHT_GRAMS;

/// `42.99` in a currency of two decimals is 4299. More decimals than the currency has must be zeros.
pub(super) fn minor_units(text: &str, currency: Currency) -> Result<i64, String> {
    let decimals = usize::from(currency.decimals());
    let refuse = || format!("invalid_amount: `{text}` is not an amount of {currency}");
    let (whole, fraction) = parts(text).ok_or_else(refuse)?;
    let (kept, rest) = fraction.split_at(fraction.len().min(decimals));
    if rest.bytes().any(|byte| byte != b'0') {
        return Err(format!("invalid_amount: `{text}` has more decimals than {currency}"));
    }
    let padded = format!("{whole}{kept:0<decimals$}");
    let amount: i64 = padded.parse().map_err(|_| refuse())?;
    match amount {
        0..=MAX_AMOUNT => Ok(amount),
        _ => Err(format!("out_of_range: `{text}` is more than a price can be")),
    }
}

/// A weight in whole grams. Whoever has kept it in ounces writes fractions of a gram, which are rounded.
pub(super) fn grams(text: &str) -> Result<i64, String> {
    let refuse = || format!("invalid_type: `{text}` is not a weight in grams");
    let (whole, fraction) = parts(text).ok_or_else(refuse)?;
    let whole: i64 = whole.parse().map_err(|_| refuse())?;
    match whole + i64::from(fraction.as_bytes().first() >= Some(&b'5')) {
        grams @ 0..=MAX_WEIGHT_GRAMS => Ok(grams),
        _ => Err(format!("out_of_range: must be from 0 to {MAX_WEIGHT_GRAMS}")),
    }
}

/// The digits before and after the point, of which there may be none; `None` where it is anything else.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = (1..=15).contains(&whole.len()) && digits(whole) && digits(fraction) && !text.ends_with('.');
    is_number.then_some((whole, fraction))
}

/// An amount in the form that [`minor_units`] reads: 4299 is `42.99` in a currency of two decimals.
pub(super) fn amount_of(minor_units: i64, currency: Currency) -> String {
    let decimals = usize::from(currency.decimals());
    let digits = format!("{minor_units:0>width$}", width = decimals + 1);
    match digits.split_at(digits.len() - decimals) {
        (whole, "") => whole.to_owned(),
        (whole, fraction) => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(text: &str, code: &str) -> Option<i64> {
        minor_units(text, code.parse().unwrap()).ok()
    }

    #[test]
    fn decimals_are_the_currencys_own() {
        assert_eq!(units("42.99", "USD"), Some(4299));
        assert_eq!(units("50", "USD"), Some(5000));
        assert_eq!(units("0.1", "USD"), Some(10));
        assert_eq!(units("19.990", "USD"), Some(1999));
        assert_eq!(units("1999", "JPY"), Some(1999));
        assert_eq!(units("1999.00", "JPY"), Some(1999));
        assert_eq!(units("1.999", "KWD"), Some(1999));
    }

    #[test]
    fn whatever_is_not_exactly_an_amount_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1,50",
            "1e3",
            "NaN",
            "0x1",
            "1.999",
            " 1",
            "9999999999999999",
            "99999999999.99",
        ] {
            assert_eq!(units(text, "USD"), None, "{text}");
        }
        assert_eq!(units("1.5", "JPY"), None);
    }

    #[test]
    fn fractions_of_a_gram_are_rounded_and_ten_tonnes_are_the_most() {
        for (text, grams) in [
            ("0", 0),
            ("28", 28),
            ("28.3495", 28),
            ("226.796", 227),
            ("0.5", 1),
            ("0.49", 0),
            ("10000000.0", 10_000_000),
        ] {
            assert_eq!(super::grams(text), Ok(grams), "{text}");
        }
        let code = |text: &str| super::grams(text).unwrap_err().split_once(':').unwrap().0.to_owned();
        for text in ["", "-1", "1.", ".5", "1,5", "1 kg", "1e3", "9999999999999999"] {
            assert_eq!(code(text), "invalid_type", "{text}");
        }
        for text in ["10000001", "10000000.5", "999999999999999"] {
            assert_eq!(code(text), "out_of_range", "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_survives_the_round_trip_through_text(amount in 0..=MAX_AMOUNT, code in prop::sample::select(vec!["USD", "JPY", "KWD"])) {
            let text = amount_of(amount, code.parse().unwrap());
            prop_assert_eq!(units(&text, code), Some(amount));
        }
    }
}
