//! Files in a bucket of Amazon S3, or of whatever speaks like it.

use std::time::Duration;

use kernel::settings::S3;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ClientOptions, Result, RetryConfig};
use secrecy::ExposeSecret;

/// How long a connection may take to come about.
const LONGEST_CONNECT: Duration = Duration::from_secs(2);
/// How long the first byte of an answer may take, with what is sent before, and each further piece. There is no limit for an
/// answer as a whole, which goes on to a client of any speed.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How often something is tried again, and how long after the first time at most.
const RETRIES: (usize, Duration) = (2, Duration::from_secs(2));

/// The bucket. Nobody is asked yet whether it is there.
pub(super) fn open(settings: &S3) -> Result<AmazonS3> {
    // Whoever was first has installed the same one: there is no other in the binary.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_access_key_id(settings.access_key.expose_secret())
        .with_secret_access_key(settings.secret_key.expose_secret())
        .with_client_options(client(settings))
        .with_retry(RetryConfig {
            max_retries: RETRIES.0,
            retry_timeout: RETRIES.1,
            ..RetryConfig::default()
        });
    match settings.endpoint.as_str() {
        "" => builder.with_virtual_hosted_style_request(true),
        endpoint => builder.with_endpoint(endpoint.trim_end_matches('/')),
    }
    .build()
}

fn client(settings: &S3) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(settings.endpoint.starts_with("http://"))
        .with_connect_timeout(LONGEST_CONNECT)
        .with_timeout_disabled()
        .with_read_timeout(LONGEST_PAUSE)
        .with_content_type_for_suffix("jpg", "image/jpeg")
        .with_content_type_for_suffix("png", "image/png")
}
