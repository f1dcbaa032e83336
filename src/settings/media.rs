//! Whether a bucket can be one.

use kernel::settings::S3;
use secrecy::ExposeSecret;

/// Says in one line what is missing or cannot be meant, and by which key.
pub(super) fn check(bucket: &S3) -> Result<(), String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || ".-_".contains(character);
    let secret = |secret: &secrecy::SecretString| !secret.expose_secret().is_empty();
    let needed = [
        ("bucket", !bucket.bucket.is_empty()),
        ("region", !bucket.region.is_empty()),
        ("access_key", secret(&bucket.access_key)),
        ("secret_key", secret(&bucket.secret_key)),
    ];
    if let Some((key, _)) = needed.iter().find(|(_, is_there)| !is_there) {
        return Err(format!("media.s3.{key} is needed where media.store is \"s3\""));
    }
    let endpoint = bucket.endpoint.parse::<actix_web::http::Uri>();
    let is_address = endpoint.is_ok_and(|endpoint| {
        let scheme = endpoint.scheme_str();
        matches!(scheme, Some("http" | "https")) && endpoint.query().is_none()
    });
    let right = [
        (
            "bucket",
            bucket.bucket.chars().all(is_name),
            "must be the name of a bucket",
        ),
        (
            "endpoint",
            bucket.endpoint.is_empty() || is_address,
            "must begin with http:// or https://",
        ),
        (
            "region",
            bucket.region.chars().all(is_name),
            "must be the name of a region",
        ),
        (
            "prefix",
            bucket.prefix.is_empty()
                || bucket
                    .prefix
                    .split('/')
                    .all(|part| part.chars().all(is_name) && !part.chars().all(|character| character == '.')),
            "must be names with / between them",
        ),
    ];
    match right.iter().find(|(_, is_right, _)| !is_right) {
        Some((key, _, detail)) => Err(format!("media.s3.{key} {detail}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn bucket() -> S3 {
        S3 {
            bucket: "images.shop-1".to_owned(),
            endpoint: "http://10.0.0.9:9000".to_owned(),
            region: "eu-central-1".to_owned(),
            prefix: "shop/images".to_owned(),
            access_key: SecretString::from("key"),
            secret_key: SecretString::from("secret"),
        }
    }

    #[test]
    fn a_bucket_is_taken_at_amazon_or_elsewhere_with_a_prefix_or_without() {
        assert_eq!(check(&bucket()), Ok(()));
        let amazon = S3 {
            endpoint: String::new(),
            prefix: String::new(),
            ..bucket()
        };
        assert_eq!(check(&amazon), Ok(()));
    }

    #[test]
    fn what_is_missing_or_cannot_be_meant_is_named() {
        type Spoil = fn(&mut S3);
        let wrong: [(&str, Spoil); 9] = [
            ("media.s3.bucket is needed", |bucket| bucket.bucket.clear()),
            ("media.s3.region is needed", |bucket| bucket.region.clear()),
            ("media.s3.access_key is needed", |bucket| {
                bucket.access_key = SecretString::default();
            }),
            ("media.s3.secret_key is needed", |bucket| {
                bucket.secret_key = SecretString::default();
            }),
            ("media.s3.bucket must", |bucket| bucket.bucket = "a/b".to_owned()),
            ("media.s3.endpoint must", |bucket| {
                bucket.endpoint = "10.0.0.9:9000".to_owned();
            }),
            ("media.s3.endpoint must", |bucket| {
                bucket.endpoint = "ftp://10.0.0.9".to_owned();
            }),
            ("media.s3.prefix must", |bucket| bucket.prefix = "a/../b".to_owned()),
            ("media.s3.prefix must", |bucket| bucket.prefix = "/a".to_owned()),
        ];
        for (complaint, spoil) in wrong {
            let mut bucket = bucket();
            spoil(&mut bucket);
            let told = check(&bucket).unwrap_err();
            assert!(told.starts_with(complaint), "{told}");
        }
    }
}
