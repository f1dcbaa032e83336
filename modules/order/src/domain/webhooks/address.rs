//! Which addresses may be sent to. What the shop calls on behalf of whoever has typed an address in must not reach what only
//! the shop can reach: its own ports, its neighbours, the cloud's metadata.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// IPv4 networks that are no part of the public Internet (the IANA registry of special-purpose addresses, and multicast).
const SPECIAL_V4: [Ipv4Net; 17] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    // Between a provider and its customers (RFC 6598).
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    // Link-local, with the metadata of clouds.
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 31, 196, 0], 24),
    v4([192, 52, 193, 0], 24),
    // What was 6to4 (RFC 7526).
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// The part of IPv6 that is handed out to the public. Loopback, unique local, link-local and multicast addresses are outside,
/// and so is what stands for IPv4 (`::ffff:0:0/96`, `64:ff9b::/96`, `64:ff9b:1::/48`).
const PUBLIC_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// What of it is special all the same.
const SPECIAL_V6: [Ipv6Net; 6] = [
    // Protocols of the IETF, with Teredo, benchmarks and ORCHID.
    v6([0x2001, 0, 0], 23),
    v6([0x2001, 0xdb8, 0], 32),
    // 6to4: leads to the IPv4 address within.
    v6([0x2002, 0, 0], 16),
    // Direct delegation of AS112, whose names resolve to anything.
    v6([0x2620, 0x4f, 0x8000], 48),
    v6([0x3ffe, 0, 0], 16),
    v6([0x3fff, 0, 0], 20),
];

const fn v4(octets: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]), length)
}

const fn v6(groups: [u16; 3], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(groups[0], groups[1], groups[2], 0, 0, 0, 0, 0), length)
}

/// Whether an address is one of the public Internet.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|special| special.contains(&address)),
        IpAddr::V6(address) => {
            PUBLIC_V6.contains(&address) && !SPECIAL_V6.iter().any(|special| special.contains(&address))
        }
    }
}

/// Where may be sent to, by the settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowance {
    /// Whether plain HTTP will do within the networks.
    pub(crate) insecure: bool,
    networks: Vec<IpNet>,
}

impl Allowance {
    /// As the settings have it.
    ///
    /// # Errors
    ///
    /// One line about the first network that cannot be meant.
    pub(crate) fn parse(insecure: bool, networks: &[String]) -> Result<Self, String> {
        let parse = |text: &String| {
            let text = text.trim();
            let single = || text.parse::<IpAddr>().map(IpNet::from);
            let refused =
                |_| format!("webhooks.allow_networks: `{text}` is neither an address nor a network like 10.0.0.0/8");
            text.parse::<IpNet>().or_else(|_| single()).map_err(refused)
        };
        let networks = networks.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { insecure, networks })
    }

    /// Whether an address may be sent to; `secure` by HTTPS.
    pub(crate) fn permits(&self, address: IpAddr, secure: bool) -> bool {
        let canonical = address.to_canonical();
        let listed = self.networks.iter().any(|network| network.contains(&canonical));
        match secure {
            true => listed || is_public(address),
            false => listed && self.insecure,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_only_the_shop_can_reach_is_not_public_however_it_is_written() {
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2620:4f:8000::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address(special)), "{special}");
        }
    }

    #[test]
    fn the_internet_is_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2606:4700:4700::1111",
            "2a00:1450:4001:81b::200e",
        ] {
            assert!(is_public(address(public)), "{public}");
        }
    }

    #[test]
    fn plain_http_goes_to_listed_networks_alone() {
        let networks = ["127.0.0.0/8".to_owned(), "fd00::1".to_owned()];
        let allowance = Allowance::parse(true, &networks).unwrap();
        for (text, secure, permitted) in [
            ("127.0.0.1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("127.0.0.1", true, true),
            ("fd00::1", false, true),
            ("fd00::2", true, false),
            ("8.8.8.8", true, true),
            ("8.8.8.8", false, false),
            ("10.0.0.1", true, false),
        ] {
            assert_eq!(allowance.permits(address(text), secure), permitted, "{text} {secure}");
        }
        let secure = Allowance::parse(false, &networks).unwrap();
        assert!(!secure.permits(address("127.0.0.1"), false));
        assert!(!Allowance::default().permits(address("127.0.0.1"), true));
        assert!(Allowance::parse(true, &["10.0.0.0/33".to_owned()]).is_err());
    }

    proptest! {
        #[test]
        fn an_address_of_ipv4_is_judged_alike_in_the_notation_of_ipv6(bits in any::<u32>()) {
            let short = Ipv4Addr::from(bits);
            prop_assert_eq!(is_public(short.into()), is_public(short.to_ipv6_mapped().into()));
        }

        #[test]
        fn whatever_is_public_is_none_of_what_the_standard_library_knows_better(bits in any::<u32>()) {
            let address = Ipv4Addr::from(bits);
            let known = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            prop_assert!(!(known && is_public(address.into())));
        }
    }
}
