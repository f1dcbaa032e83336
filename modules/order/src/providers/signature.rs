//! Signatures of events as Stripe makes them, and our sandbox with it: `t=<seconds>,v1=<hex>`, in which the second is
//! HMAC-SHA256 over `<seconds>.<body>` (<https://docs.stripe.com/webhooks#verify-manually>). While a secret is being changed
//! there are several `v1`, and one has to hold; whatever has another name is of no concern here.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::EventRefusal;

/// How far the time of a signature may be from ours, in seconds. An event that is sent again is signed anew.
const TOLERANCE: i64 = 300;
/// The longest header that is read, in bytes, and the most signatures in it.
const MAX_HEADER: usize = 4096;
const MAX_SIGNATURES: usize = 16;
/// HMAC-SHA256 has so many bytes.
const LENGTH: usize = 32;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
struct Signatures {
    /// Seconds since 1970, as they stand in the header: they are part of what is signed.
    time: String,
    seconds: i64,
    signatures: Vec<[u8; LENGTH]>,
}

/// Whether `body` was signed with `secret`, not long ago.
pub(super) fn verify(
    header: Option<&str>,
    body: &[u8],
    secret: &SecretString,
    now: DateTime<Utc>,
) -> Result<(), EventRefusal> {
    // A shop that has no secret would believe what anybody signs with none.
    if secret.expose_secret().is_empty() {
        return Err(EventRefusal::Signature);
    }
    let found = header.and_then(parse).ok_or(EventRefusal::Signature)?;
    let mac = mac(secret, &found.time, body).ok_or(EventRefusal::Signature)?;
    // Each comparison takes the same time, whatever it finds.
    let holds = |signature: &[u8; LENGTH]| mac.clone().verify_slice(signature).is_ok();
    if !found.signatures.iter().any(holds) {
        return Err(EventRefusal::Signature);
    }
    match now.timestamp().abs_diff(found.seconds) <= TOLERANCE.unsigned_abs() {
        true => Ok(()),
        false => Err(EventRefusal::Stale),
    }
}

/// The header for `body`.
pub(super) fn sign(body: &[u8], secret: &SecretString, now: DateTime<Utc>) -> Option<String> {
    let time = now.timestamp().to_string();
    let signature = mac(secret, &time, body)?.finalize().into_bytes();
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("t={time},v1={hex}"))
}

fn mac(secret: &SecretString, time: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

/// Reads a header; `None` where it has not exactly one time, or no signature that could be one.
fn parse(header: &str) -> Option<Signatures> {
    if header.len() > MAX_HEADER {
        return None;
    }
    let mut times = Vec::new();
    let mut signatures = Vec::new();
    for part in header.split(',') {
        let (name, value) = part.trim().split_once('=')?;
        match name {
            "t" => times.push(value),
            "v1" => signatures.extend(from_hex(value)),
            _ => (),
        }
    }
    let [time] = times[..] else { return None };
    let plain = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = time.parse().ok().filter(|_| plain)?;
    if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
        return None;
    }
    Some(Signatures {
        time: time.to_owned(),
        seconds,
        signatures,
    })
}

fn from_hex(text: &str) -> Option<[u8; LENGTH]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    match digits.len() == 2 * LENGTH {
        true => bytes.try_into().ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = br#"{"id": "evt_1"}"#;

    fn secret() -> SecretString {
        "whsec_test".to_owned().into()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn what_was_signed_just_now_holds_and_what_was_signed_long_ago_does_not() {
        let header = sign(BODY, &secret(), at(0)).unwrap();
        for (seconds, expected) in [
            (0, Ok(())),
            (300, Ok(())),
            (-300, Ok(())),
            (301, Err(EventRefusal::Stale)),
            (-301, Err(EventRefusal::Stale)),
        ] {
            assert_eq!(
                verify(Some(&header), BODY, &secret(), at(seconds)),
                expected,
                "{seconds}"
            );
        }
    }

    #[test]
    fn one_of_several_signatures_has_to_hold() {
        let own = sign(BODY, &secret(), at(0)).unwrap();
        let other = sign(BODY, &"whsec_other".to_owned().into(), at(0)).unwrap();
        let signature = |header: &str| header.split_once(",v1=").unwrap().1.to_owned();
        let both = format!("{other},v1={},v0={}", signature(&own), signature(&other));
        assert_eq!(verify(Some(&both), BODY, &secret(), at(0)), Ok(()));
        let refused = Err(EventRefusal::Signature);
        assert_eq!(verify(Some(&other), BODY, &secret(), at(0)), refused);
        let as_older_scheme = own.replace("v1=", "v0=");
        assert_eq!(verify(Some(&as_older_scheme), BODY, &secret(), at(0)), refused);
    }

    #[test]
    fn nothing_is_believed_without_a_secret_or_a_signature() {
        let none: SecretString = String::new().into();
        let header = sign(BODY, &none, at(0)).unwrap();
        assert_eq!(verify(Some(&header), BODY, &none, at(0)), Err(EventRefusal::Signature));
        let hex = "0".repeat(64);
        for header in [
            String::new(),
            "t=1800000000".to_owned(),
            format!("v1={hex}"),
            format!("t=1800000000,t=1800000000,v1={hex}"),
            format!("t=-1,v1={hex}"),
            format!("t=+1800000000,v1={hex}"),
            format!("t=18e8,v1={hex}"),
            format!("t=1800000000,v1={hex}0"),
            format!("t=1800000000;v1={hex}"),
            format!("t=1800000000{}", format!(",v1={hex}").repeat(17)),
        ] {
            assert_eq!(parse(&header), None, "{header}");
        }
        assert_eq!(verify(None, BODY, &secret(), at(0)), Err(EventRefusal::Signature));
    }

    proptest! {
        #[test]
        fn no_header_is_too_strange_to_be_read(header in "\\PC*") {
            prop_assert!(verify(Some(&header), BODY, &secret(), at(0)).is_err());
        }

        #[test]
        fn no_header_that_nearly_is_one_is_believed(time in "[0-9]{0,12}", hex in "[0-9a-f]{60,68}", name in "(v1|v0|t|)") {
            let header = format!("t={time},{name}={hex}");
            prop_assert!(verify(Some(&header), BODY, &secret(), at(0)).is_err());
        }

        #[test]
        fn one_changed_byte_is_noticed(body in prop::collection::vec(any::<u8>(), 1..200), place in any::<prop::sample::Index>(), bit in 0..8) {
            let header = sign(&body, &secret(), at(0)).unwrap();
            prop_assert_eq!(verify(Some(&header), &body, &secret(), at(0)), Ok(()));
            let mut changed = body.clone();
            changed[place.index(body.len())] ^= 1u8 << bit;
            prop_assert_eq!(verify(Some(&header), &changed, &secret(), at(0)), Err(EventRefusal::Signature));
        }
    }
}
