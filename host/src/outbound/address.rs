//! Which addresses guests may reach: the global ones, and what the operator permits besides.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A block of addresses, written like `10.1.0.0/16` or `fd00::/8`; an address alone is a block of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// What leads back to this machine: `127.0.0.0/8` and `::1`.
    pub const LOOPBACK: [Self; 2] = [
        Self(IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8))),
        Self(IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128))),
    ];
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is no block of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: write it like \"10.1.0.0/16\" or \"fd00::/8\"")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let network = text.parse().ok().or_else(alone).ok_or_else(|| NetworkError(text.to_owned()))?;
        Ok(Self(network))
    }
}

/// The address to connect to, when guests may: the IPv4 address in a mapped one is judged as itself.
pub(super) fn permit(address: IpAddr, private: &[Network]) -> Option<IpAddr> {
    let address = address.to_canonical();
    let permitted = is_global(address) || private.iter().any(|network| network.0.contains(&address));
    permitted.then_some(address)
}

/// Whether an address belongs to one host of the public Internet.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_GLOBAL_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !NOT_GLOBAL_V6.iter().any(|network| network.contains(&address))
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// IANA's special-purpose registry (RFC 6890) and what is not for single hosts. The few exceptions within
/// 192.0.0.0/24 serve no HTTP.
const NOT_GLOBAL_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 8),       // this network; 0.0.0.0 connects to this machine
    v4(10, 0, 0, 8),      // private
    v4(100, 64, 0, 10),   // between a provider and its customers
    v4(127, 0, 0, 8),     // this machine
    v4(169, 254, 0, 16),  // link-local: metadata of clouds
    v4(172, 16, 0, 12),   // private
    v4(192, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 24),    // documentation
    v4(192, 88, 99, 24),  // relays of 6to4
    v4(192, 168, 0, 16),  // private
    v4(198, 18, 0, 15),   // benchmarks
    v4(198, 51, 100, 24), // documentation
    v4(203, 0, 113, 24),  // documentation
    v4(224, 0, 0, 4),     // multicast
    v4(240, 0, 0, 4),     // reserved, broadcast
];

/// Global unicast (RFC 4291). Beyond it lie `::`, `::1`, IPv4-compatible ones, NAT64 (`64:ff9b::/96`,
/// `64:ff9b:1::/48`), discard-only, segment routing, unique-local, link-local, site-local and multicast.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// What is not global within it. 6to4 and Teredo carry IPv4 addresses that nobody would judge.
const NOT_GLOBAL_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),     // protocol assignments: Teredo, ORCHID
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4
    v6(0x3fff, 0, 20),     // documentation
];

#[cfg(test)]
mod tests {
    use super::{Network, permit};
    use std::net::IpAddr;

    fn permitted(address: &str, private: &[&str]) -> bool {
        let private: Vec<Network> = private.iter().map(|network| network.parse().unwrap()).collect();
        permit(address.parse().unwrap(), &private).is_some()
    }

    #[test]
    fn the_first_and_the_last_of_every_special_block_are_dropped() {
        let blocks = "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.0 \
            127.255.255.255 169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 \
            192.0.0.9 192.0.0.255 192.0.2.0 192.0.2.255 192.88.99.0 192.88.99.255 192.168.0.0 192.168.255.255 \
            198.18.0.0 198.19.255.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 224.0.0.0 \
            239.255.255.255 240.0.0.0 255.255.255.255 \
            :: ::1 ::ffff:0:0 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:169.254.169.254 ::127.0.0.1 ::7f00:1 ::8.8.8.8 \
            ::ffff:0:127.0.0.1 64:ff9b:: 64:ff9b::127.0.0.1 64:ff9b::8.8.8.8 64:ff9b:1::1 \
            64:ff9b:1:ffff:ffff:ffff:ffff:ffff 100:: 100::ffff:ffff:ffff:ffff 100:0:0:1::1 2001:: \
            2001:0:7f00:1::1 2001:1::1 2001:20::1 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff 2001:db8:: \
            2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 2002:: 2002:7f00:1:: 2002:808:808::1 3fff:: \
            3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff 4000::1 5f00::1 fc00:: fd00::1 \
            fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe80::1 febf::1 fec0::1 feff::1 ff00:: ff02::1 \
            ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1fff::1 fd00:ec2::254";
        for address in blocks.split_whitespace() {
            assert!(!permitted(address, &[]), "{address}");
        }
    }

    #[test]
    fn their_neighbours_are_reached() {
        let global = "1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 \
            128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 \
            192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 \
            198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 ::ffff:8.8.8.8 2000::1 2001:200::1 \
            2001:4860:4860::8888 2001:db7::1 2001:db9::1 2003::1 2606:4700:4700::1111 3ffe::1 3fff:1000::1";
        for address in global.split_whitespace() {
            assert!(permitted(address, &[]), "{address}");
        }
    }

    #[test]
    fn an_operator_permits_what_is_not_global() {
        assert!(permitted("10.1.2.3", &["10.1.0.0/16"]));
        assert!(!permitted("10.2.0.1", &["10.1.0.0/16"]));
        assert!(permitted("::ffff:10.1.2.3", &["10.1.0.0/16"]), "judged as the IPv4 address that it is");
        assert!(permitted("fd00::7", &["fd00::7"]) && !permitted("fd00::8", &["fd00::7"]));
        let loopback = Network::LOOPBACK;
        assert!(
            ["127.0.0.1", "127.9.9.9", "::1"].iter().all(|address| permit(
                address.parse::<IpAddr>().unwrap(),
                &loopback
            )
            .is_some())
        );
        assert!(permit("169.254.169.254".parse().unwrap(), &loopback).is_none());
    }

    #[test]
    fn a_network_is_read_as_it_is_written() {
        for (text, shown) in [("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1/128"), ("127.0.0.1", "127.0.0.1/32")]
        {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        }
        for text in ["", "10", "10.0.0.0/33", "localhost", "10.0.0.0-10.0.0.9"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
