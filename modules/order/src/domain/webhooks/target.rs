//! The address of an endpoint, as far as it can be judged without asking anybody.

use std::net::IpAddr;

use kernel::FieldErrors;
use reqwest::Url;

use super::address::Allowance;

/// The longest address, in characters.
pub(crate) const MAX_URL: usize = 2000;

/// An address that may be sent to, once it is known what its host resolves to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: Url,
    /// Whether it is called by HTTPS.
    pub(crate) secure: bool,
}

impl Target {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// Why it cannot be sent to, as errors of the field `/url`.
    pub(crate) fn parse(text: &str, allowance: &Allowance) -> Result<Self, FieldErrors> {
        judge(text, allowance).map_err(|(code, detail)| FieldErrors::one("/url", code, detail))
    }
}

fn judge(text: &str, allowance: &Allowance) -> Result<Target, (&'static str, &'static str)> {
    let url = Url::parse(text).map_err(|_| ("invalid_url", "must be an address like https://erp.example/hooks"))?;
    if url.as_str().len() > MAX_URL {
        return Err((
            "too_long",
            "must have at most 2000 characters, as it is written on the wire",
        ));
    }
    let secure = match url.scheme() {
        "https" => true,
        "http" if allowance.insecure => false,
        _ => return Err(("insecure_url", "must begin with https://")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("invalid_url", "must not hold a name or a password"));
    }
    if url.fragment().is_some() {
        return Err(("invalid_url", "must not have a fragment"));
    }
    // The ports below are those of other protocols, which must not be spoken to in HTTP.
    if !matches!(url.port_or_known_default(), Some(80 | 443 | 1024..)) {
        return Err(("port_not_allowed", "the port must be 80, 443, or 1024 and above"));
    }
    if let Some(address) = literal(&url)
        && !allowance.permits(address, secure)
    {
        return Err(("address_not_allowed", "the address cannot be reached from the Internet"));
    }
    Ok(Target { url, secure })
}

/// The address that a url names instead of a host.
pub(crate) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str, allowance: &Allowance) -> Option<&'static str> {
        judge(text, allowance).err().map(|(code, _)| code)
    }

    #[test]
    fn an_address_is_https_to_a_host_of_the_internet() {
        let strict = Allowance::default();
        for fine in [
            "https://erp.example/hooks?a=b",
            "https://erp.example:8443",
            "https://8.8.8.8/",
            "https://[2606:4700:4700::1111]/x",
        ] {
            assert_eq!(code(fine, &strict), None, "{fine}");
        }
        for (text, expected) in [
            ("", "invalid_url"),
            ("erp.example", "invalid_url"),
            ("https://", "invalid_url"),
            ("http://erp.example/", "insecure_url"),
            ("file:///etc/passwd", "insecure_url"),
            ("gopher://erp.example/", "insecure_url"),
            ("https://ada@erp.example/", "invalid_url"),
            ("https://ada:secret@erp.example/", "invalid_url"),
            ("https://erp.example/#x", "invalid_url"),
            ("https://erp.example:22/", "port_not_allowed"),
            ("https://erp.example:0/", "port_not_allowed"),
            ("https://127.0.0.1/", "address_not_allowed"),
            ("https://2130706433/", "address_not_allowed"),
            ("https://0x7f.1/", "address_not_allowed"),
            ("https://0177.0.0.1/", "address_not_allowed"),
            ("https://169.254.169.254/latest", "address_not_allowed"),
            ("https://[::1]/", "address_not_allowed"),
            ("https://[::ffff:10.0.0.1]/", "address_not_allowed"),
        ] {
            assert_eq!(code(text, &strict), Some(expected), "{text}");
        }
    }

    #[test]
    fn plain_http_needs_leave_and_a_network() {
        let lenient = Allowance::parse(true, &["127.0.0.0/8".to_owned()]).unwrap();
        assert_eq!(code("http://127.0.0.1:9000/", &lenient), None);
        assert_eq!(
            code("http://somewhere.example/", &lenient),
            None,
            "what it resolves to decides"
        );
        assert_eq!(code("http://8.8.8.8/", &lenient), Some("address_not_allowed"));
        assert_eq!(code("ftp://127.0.0.1:9000/", &lenient), Some("insecure_url"));
    }
}
