//! Settings of payment providers that cannot be meant: better found when the store starts than when somebody wants to pay.

use kernel::settings::{Payments, Sandbox, Stripe};
use secrecy::ExposeSecret;

/// The names of test keys and live keys begin like this, after the kind of key.
const MODES: [&str; 2] = ["_test_", "_live_"];

/// Finds settings that cannot be meant.
pub(super) fn check(payments: &Payments) -> Result<(), String> {
    check_stripe(&payments.stripe)?;
    check_sandbox(&payments.sandbox)
}

fn check_stripe(stripe: &Stripe) -> Result<(), String> {
    let key = stripe.secret_key.expose_secret();
    if stripe.enabled && (key.is_empty() || stripe.webhook_secret.expose_secret().is_empty()) {
        return Err("payments.stripe: `secret_key` and `webhook_secret` are needed where it is enabled".to_owned());
    }
    if !key.is_empty() && !["sk_", "rk_"].iter().any(|prefix| key.starts_with(prefix)) {
        return Err("payments.stripe.secret_key must begin with `sk_` or `rk_`".to_owned());
    }
    let public = &stripe.publishable_key;
    if !public.is_empty() && !public.starts_with("pk_") {
        return Err("payments.stripe.publishable_key must begin with `pk_`".to_owned());
    }
    let both = !public.is_empty() && !key.is_empty();
    if both && MODES.iter().any(|mode| key.contains(mode) != public.contains(mode)) {
        return Err("payments.stripe: one key is of the test mode and the other is not".to_owned());
    }
    if !stripe.api.is_empty() && !is_web(&stripe.api) {
        return Err("payments.stripe.api must begin with https:// or http://".to_owned());
    }
    Ok(())
}

fn check_sandbox(sandbox: &Sandbox) -> Result<(), String> {
    if sandbox.webhook_url.is_empty() {
        return Ok(());
    }
    if !is_web(&sandbox.webhook_url) {
        return Err("payments.sandbox.webhook_url must begin with https:// or http://".to_owned());
    }
    match sandbox.webhook_secret.expose_secret().is_empty() {
        true => Err("payments.sandbox: `webhook_url` needs a `webhook_secret`".to_owned()),
        false => Ok(()),
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use kernel::settings::{Capture, Provider};
    use secrecy::SecretString;

    use super::*;

    fn payments() -> Payments {
        Payments {
            manual: Provider { enabled: true },
            sandbox: Sandbox {
                enabled: true,
                webhook_url: "http://127.0.0.1:8080/api/v1/webhooks/payments/sandbox".to_owned(),
                webhook_secret: SecretString::from("secret"),
            },
            stripe: Stripe {
                enabled: true,
                secret_key: SecretString::from("sk_test_1"),
                webhook_secret: SecretString::from("whsec_1"),
                publishable_key: "pk_test_1".to_owned(),
                capture: Capture::Automatic,
                api: String::new(),
            },
        }
    }

    #[test]
    fn a_shop_with_all_keys_or_with_none_is_taken() {
        assert_eq!(check(&payments()), Ok(()));
        let mut none = payments();
        none.stripe.enabled = false;
        none.stripe.secret_key = SecretString::default();
        none.stripe.webhook_secret = SecretString::default();
        none.sandbox.webhook_url.clear();
        none.sandbox.webhook_secret = SecretString::default();
        assert_eq!(check(&none), Ok(()));
    }

    #[test]
    fn what_is_missing_or_cannot_be_meant_is_named() {
        type Spoil = fn(&mut Payments);
        let wrong: [(&str, Spoil); 8] = [
            ("payments.stripe: `secret_key`", |payments| {
                payments.stripe.secret_key = SecretString::default();
            }),
            ("payments.stripe: `secret_key`", |payments| {
                payments.stripe.webhook_secret = SecretString::default();
            }),
            ("payments.stripe.secret_key must", |payments| {
                payments.stripe.secret_key = SecretString::from("pk_test_1");
            }),
            ("payments.stripe.publishable_key must", |payments| {
                payments.stripe.publishable_key = "sk_test_1".to_owned();
            }),
            ("payments.stripe: one key", |payments| {
                payments.stripe.publishable_key = "pk_live_1".to_owned();
            }),
            ("payments.stripe.api must", |payments| {
                payments.stripe.api = "api.stripe.com".to_owned();
            }),
            ("payments.sandbox.webhook_url must", |payments| {
                payments.sandbox.webhook_url = "ftp://shop".to_owned();
            }),
            ("payments.sandbox: `webhook_url`", |payments| {
                payments.sandbox.webhook_secret = SecretString::default();
            }),
        ];
        for (complaint, spoil) in wrong {
            let mut payments = payments();
            spoil(&mut payments);
            let told = check(&payments).unwrap_err();
            assert!(told.starts_with(complaint), "{told}");
            assert!(!told.contains("test_1"), "no key is shown: {told}");
        }
    }
}
