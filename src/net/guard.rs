//! Which addresses may be called: to hand mail over, to tell an endpoint, to follow a link. Whoever owns a name chooses what it resolves to:
//! without this check, it could make us talk to machines that only we can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Networks of the special-purpose registry (RFC 6890) that are not reached over the Internet.
const PRIVATE_4: [(Ipv4Addr, u8); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10), // RFC 6598, carriers' NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16), // link-local, and where clouds keep their metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),   // RFC 5737, documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24), // RFC 7526, 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15), // RFC 2544, benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's host agent stands in public space
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, and broadcast
];

/// Parts of 2000::/3, the only global unicast space, that are not reached over the Internet.
const PRIVATE_6: [(Ipv6Addr, u8); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // RFC 2928: Teredo, ORCHID, benchmarks
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // RFC 3849, documentation
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // RFC 9637, documentation
];

/// Whether the address is one of the Internet's; of one that carries another in it, both must be.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => is_public_4(four),
        IpAddr::V6(six) => is_public_6(six),
    }
}

/// Whether a host can have the address at all, on whatever network.
pub fn is_of_a_host(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_broadcast = matches!(address, IpAddr::V4(four) if four.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || is_broadcast)
}

fn is_public_4(address: Ipv4Addr) -> bool {
    !PRIVATE_4.iter().any(|&(network, length)| Ipv4Net::new_assert(network, length).contains(&address))
}

fn is_public_6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    if let Some(four) = address.to_ipv4_mapped() {
        return is_public_4(four);
    }
    match segments {
        // RFC 6052 section 2.1: the well-known prefix of NAT64.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_4(embedded(high, low)),
        // RFC 3056: 6to4.
        [0x2002, high, low, ..] => is_public_4(embedded(high, low)),
        // RFC 5214 section 6.1: ISATAP.
        [.., 0 | 0x200, 0x5efe, high, low] if !is_public_4(embedded(high, low)) => false,
        [first, ..] if first & 0xe000 != 0x2000 => false,
        _ => !PRIVATE_6.iter().any(|&(network, length)| Ipv6Net::new_assert(network, length).contains(&address)),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_the_internet_is_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "168.63.129.16",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2002:c0a8:101::1",
            "2001::1",
            "2001:db8::1",
            "2001:10::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "5f00::1",
            "2a00:1450::5efe:a00:1",
            "2a00:1450::200:5efe:127.0.0.1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn the_internet_is_reached() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2a00:1450:4001::1a",
            "2607:f8b0::1",
            "2001:4860:4860::8888",
            "2002:808:808::1",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn no_network_has_a_host_there() {
        for (address, has_host) in [
            ("0.0.0.0", false),
            ("::", false),
            ("224.0.0.1", false),
            ("ff02::1", false),
            ("::ffff:255.255.255.255", false),
            ("127.0.0.1", true),
            ("::1", true),
        ] {
            assert_eq!(is_of_a_host(address.parse().unwrap()), has_host, "{address}");
        }
    }
}
