//! Whose request it is, by address: the peer's, or what a proxy that we trust says about it.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderName};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where one client ends and the next begins: an IPv4 address, or a network of 64 bits of IPv6, which is what one
/// household gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client(u128);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        let bits = bits_of(address);
        match address.to_canonical() {
            IpAddr::V4(_) => Self(bits),
            IpAddr::V6(_) => Self(bits >> 64 << 64),
        }
    }
}

impl Client {
    /// The client's name in a store that others share.
    pub(crate) fn key(self) -> String {
        format!("{:x}", self.0)
    }
}

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<Network>);

/// Where a request comes from, as the modules are told.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) address: IpAddr,
    /// `https` where a trusted proxy says so.
    pub(crate) scheme: &'static str,
    pub(crate) host: String,
}

impl Origin {
    /// The value of `Forwarded` (RFC 7239).
    pub(crate) fn forwarded(&self) -> String {
        let address = match self.address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        // A host that would have to be escaped is left out; `X-Forwarded-Host` has it.
        match self.host.contains(['"', '\\']) {
            true => format!("for={address};proto={}", self.scheme),
            false => format!("for={address};host=\"{}\";proto={}", self.host, self.scheme),
        }
    }
}

/// A network in the notation of IPv6, in which those of IPv4 have their place.
#[derive(Clone, Copy, Debug)]
struct Network {
    bits: u128,
    mask: u128,
}

impl TrustedProxies {
    /// Reads addresses and networks (`10.0.0.0/8`).
    pub(crate) fn parse(texts: &[String]) -> Result<Self, String> {
        let networks = texts.iter().map(|text| {
            Network::parse(text).ok_or_else(|| {
                format!("limits.trusted_proxies: `{text}` is neither an address nor a network like 10.0.0.0/8")
            })
        });
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }

    /// The client that a request comes from: the peer, unless it is a trusted proxy; then the last hop in
    /// `X-Forwarded-For` that is none. What stands left of it was said by strangers.
    pub(crate) fn client_of(&self, request: &RequestHead) -> Client {
        self.address_of(request).into()
    }

    /// Where a request comes from, for the modules.
    pub(crate) fn origin_of(&self, request: &RequestHead) -> Origin {
        let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        Origin {
            address: self.address_of(request),
            scheme: self.scheme_of(request),
            host: host.unwrap_or_default().to_owned(),
        }
    }

    /// The scheme that the client has used.
    pub(crate) fn scheme_of(&self, request: &RequestHead) -> &'static str {
        if self.is_secure(request) { "https" } else { "http" }
    }

    /// Whether the client has come over TLS, which ends at a trusted proxy.
    pub(crate) fn is_secure(&self, request: &RequestHead) -> bool {
        let scheme = request
            .headers
            .get(FORWARDED_PROTO)
            .and_then(|value| value.to_str().ok());
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")) && self.contains(peer_of(request))
    }

    fn address_of(&self, request: &RequestHead) -> IpAddr {
        let forwarded = request.headers.get_all(FORWARDED_FOR);
        let hops: Vec<&str> = forwarded
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        self.origin(peer_of(request), &hops)
    }

    fn origin(&self, peer: IpAddr, hops: &[&str]) -> IpAddr {
        let mut origin = peer;
        for hop in hops.iter().rev() {
            if !self.contains(origin) {
                break;
            }
            let Ok(address) = hop.trim().parse() else { break };
            origin = address;
        }
        origin
    }

    fn contains(&self, address: IpAddr) -> bool {
        let bits = bits_of(address);
        self.0.iter().any(|network| bits & network.mask == network.bits)
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let length = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(length);
        let host_bits = length.checked_sub(prefix)?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self {
            bits: bits_of(address) & mask,
            mask,
        })
    }
}

fn peer_of(request: &RequestHead) -> IpAddr {
    let peer = request.peer_addr.map(|peer| peer.ip());
    peer.unwrap_or(Ipv6Addr::UNSPECIFIED.into())
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(trusted: &[&str], peer: &str, hops: &[&str]) -> String {
        let trusted: Vec<String> = trusted.iter().map(ToString::to_string).collect();
        let proxies = TrustedProxies::parse(&trusted).unwrap();
        proxies.origin(peer.parse().unwrap(), hops).to_string()
    }

    #[test]
    fn what_a_stranger_says_about_itself_is_not_believed() {
        assert_eq!(origin(&[], "203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
        assert_eq!(origin(&["10.0.0.0/8"], "203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
    }

    #[test]
    fn the_last_hop_that_is_no_proxy_of_ours_counts() {
        let trusted = ["10.0.0.0/8", "::1"];
        assert_eq!(
            origin(&trusted, "10.1.2.3", &["1.2.3.4", " 198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(
            origin(&trusted, "::1", &["1.2.3.4", "198.51.100.7", "10.9.9.9"]),
            "198.51.100.7"
        );
        assert_eq!(origin(&trusted, "10.1.2.3", &["unknown"]), "10.1.2.3");
        assert_eq!(origin(&trusted, "10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn a_household_of_ipv6_is_one_client_and_mapped_addresses_are_those_of_ipv4() {
        let client = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("::ffff:192.0.2.1"), client("192.0.2.2"));
    }

    #[test]
    fn what_is_no_network_is_refused_by_name() {
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0.0/x", "::1/129"] {
            let error = TrustedProxies::parse(&[text.to_owned()]).unwrap_err();
            assert!(error.starts_with("limits.trusted_proxies"), "{error}");
        }
        assert!(TrustedProxies::parse(&["0.0.0.0/0".to_owned()]).is_ok());
    }
}
