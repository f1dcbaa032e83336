//! Amounts as Stripe counts them (<https://docs.stripe.com/currencies>, read in November 2026). They are those of ISO 4217,
//! but for what is listed here.

use kernel::{Currency, Money};

/// Currencies in which Stripe counts with another number of decimals than ISO 4217 has.
const DECIMALS: [(&str, u8); 3] = [
    // Has no decimals any more, and is told with two all the same ("special cases").
    ("ISK", 2),
    // Likewise.
    ("UGX", 2),
    // Among the zero-decimal currencies, though ISO 4217 has two for the iraimbilanja, five of which are an ariary.
    ("MGA", 0),
];

/// How many decimals Stripe counts with.
fn decimals(currency: Currency) -> u8 {
    let known = DECIMALS.iter().find(|(code, _)| *code == currency.code());
    known.map_or(currency.decimals(), |(_, decimals)| *decimals)
}

/// An amount in Stripe's own units; the error is for people.
pub(super) fn to_stripe(money: Money) -> Result<i64, String> {
    let (ours, theirs) = (money.currency.decimals(), decimals(money.currency));
    let inexact = |step: i64| {
        format!(
            "Stripe takes {} in steps of {}",
            money.currency,
            Money::new(step, money.currency)
        )
    };
    let amount = match theirs.checked_sub(ours) {
        Some(more) => {
            let factor = 10_i64.checked_pow(u32::from(more));
            let amount = factor.and_then(|factor| money.amount.checked_mul(factor));
            amount.ok_or_else(|| format!("{money} is more than Stripe takes"))?
        }
        None => {
            let step = 10_i64.pow(u32::from(ours - theirs));
            if money.amount % step != 0 {
                return Err(inexact(step));
            }
            money.amount / step
        }
    };
    // Three-decimal currencies: the last digit has to be a zero.
    if theirs == 3 && amount % 10 != 0 {
        return Err(inexact(10));
    }
    Ok(amount)
}

/// An amount of Stripe's in the units of ISO 4217; `None` for what is no amount of that currency.
pub(super) fn from_stripe(amount: i64, currency: &str) -> Option<Money> {
    let currency: Currency = currency.to_ascii_uppercase().parse().ok()?;
    let (ours, theirs) = (currency.decimals(), decimals(currency));
    let amount = match ours.checked_sub(theirs) {
        Some(more) => amount.checked_mul(10_i64.checked_pow(u32::from(more))?)?,
        None => {
            let step = 10_i64.pow(u32::from(theirs - ours));
            (amount % step == 0).then_some(amount / step)?
        }
    };
    Some(Money::new(amount, currency))
}

/// The code of a currency as Stripe writes it.
pub(super) fn code(currency: Currency) -> String {
    currency.code().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(amount: i64, currency: &str) -> Money {
        Money::new(amount, currency.parse().unwrap())
    }

    #[test]
    fn amounts_are_told_as_stripe_documents_them() {
        for (ours, code, theirs) in [
            // 10 USD are 1000 cents, 10 JPY are 10.
            (1000, "USD", 1000),
            (10, "JPY", 10),
            // 5 ISK and 5 UGX are told as 500.
            (5, "ISK", 500),
            (5, "UGX", 500),
            // 5.12 KWD.
            (5120, "KWD", 5120),
            // 500 ariary are 500, and 50000 iraimbilanja as ISO 4217 counts.
            (50_000, "MGA", 500),
            // Zero-decimal for payouts alone.
            (1045, "HUF", 1045),
            (80_045, "TWD", 80_045),
        ] {
            assert_eq!(to_stripe(money(ours, code)), Ok(theirs), "{code}");
            assert_eq!(
                from_stripe(theirs, &code.to_lowercase()),
                Some(money(ours, code)),
                "{code}"
            );
        }
    }

    #[test]
    fn the_zero_decimal_currencies_of_the_documentation_are_those_of_iso_4217_but_for_the_list() {
        let documented = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF";
        for code in documented.split(' ') {
            assert_eq!(decimals(code.parse().unwrap()), 0, "{code}");
        }
        for code in ["BHD", "JOD", "KWD", "OMR", "TND"] {
            assert_eq!(decimals(code.parse().unwrap()), 3, "{code}");
        }
        for code in [
            "USD", "EUR", "GBP", "HUF", "TWD", "ISK", "UGX", "CNY", "INR", "IDR", "COP", "MXN",
        ] {
            assert_eq!(decimals(code.parse().unwrap()), 2, "{code}");
        }
    }

    #[test]
    fn what_cannot_be_charged_exactly_is_refused_and_never_rounded() {
        assert_eq!(
            to_stripe(money(5124, "KWD")).unwrap_err(),
            "Stripe takes KWD in steps of 0.010 KWD"
        );
        assert_eq!(
            to_stripe(money(150, "MGA")).unwrap_err(),
            "Stripe takes MGA in steps of 1.00 MGA"
        );
        assert!(to_stripe(money(i64::MAX, "ISK")).is_err());
        assert_eq!(from_stripe(550, "isk"), None);
        assert_eq!(from_stripe(100, "xyz"), None);
        assert_eq!(from_stripe(i64::MAX, "mga"), None);
    }

    proptest! {
        #[test]
        fn what_can_be_told_comes_back_as_it_was(
            amount in 0..=kernel::money::MAX_AMOUNT,
            code in prop::sample::select(vec!["USD", "JPY", "KWD", "MGA", "ISK", "UGX", "TWD", "BHD", "XOF", "EUR"]),
        ) {
            if let Ok(told) = to_stripe(money(amount, code)) {
                prop_assert_eq!(from_stripe(told, &code.to_ascii_lowercase()), Some(money(amount, code)));
            }
        }
    }
}
