//! Which addresses may be asked: IANA's special-purpose registries (RFC 6890), multicast, tunnels, and the addresses at
//! which clouds answer their machines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The public network.
    Public,
    /// A private network: RFC 1918, carrier-grade NAT (RFC 6598), unique local (RFC 4193).
    Private,
    /// This machine.
    Loopback,
    /// Nothing that a document could be fetched from, or what must not be asked on anybody's word.
    Never,
}

use Class::{Loopback, Never, Private, Public};

/// The first line that fits decides; what fits none is public.
const V4: [(Ipv4Addr, u32, Class); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, Never), // this network; 0.0.0.0 reaches this machine
    (Ipv4Addr::new(10, 0, 0, 0), 8, Private), //
    (Ipv4Addr::new(100, 100, 100, 200), 32, Never), // metadata, Alibaba Cloud
    (Ipv4Addr::new(100, 64, 0, 0), 10, Private), // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8, Loopback), //
    (Ipv4Addr::new(168, 63, 129, 16), 32, Never), // the host of an Azure machine
    (Ipv4Addr::new(169, 254, 0, 0), 16, Never), // the link, and most clouds' metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12, Private), //
    (Ipv4Addr::new(192, 0, 0, 0), 24, Never), // protocols; metadata, Oracle Cloud
    (Ipv4Addr::new(192, 0, 2, 0), 24, Never), // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24, Never), // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16, Private), //
    (Ipv4Addr::new(198, 18, 0, 0), 15, Never), // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24, Never), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24, Never), // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4, Never), // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4, Never), // reserved, broadcast
];

/// The same, but that what fits none is never asked: also what carries IPv4 inside (mapped, compatible, Teredo, 6to4), but for NAT64's own
/// prefix.
const V6: [(Ipv6Addr, u32, Class); 10] = [
    (Ipv6Addr::LOCALHOST, 128, Loopback),
    (Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254), 128, Never), // metadata, Amazon
    (Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254), 128, Never), // metadata, Google
    (Ipv6Addr::new(0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128, Never), // metadata, Oracle
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Private),          // unique local
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Never),           // protocols, Teredo, benchmarks, ORCHID
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32, Never),      // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Never),           // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Never),           // documentation
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Public),           // all that is assigned
];

/// NAT64's prefix (RFC 6052).
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// What an address is part of.
#[must_use]
pub fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) if within_v6(address, NAT64, 96) => {
            // A network of IPv6 alone reaches the public hosts of IPv4 so, and no others (RFC 6052, section 3.1).
            let [.., a, b, c, d] = address.octets();
            if class_v4(Ipv4Addr::new(a, b, c, d)) == Public { Public } else { Never }
        }
        IpAddr::V6(address) => {
            V6.iter().find(|&&(network, bits, _)| within_v6(address, network, bits)).map_or(Never, |&(.., class)| class)
        }
    }
}

fn class_v4(address: Ipv4Addr) -> Class {
    V4.iter().find(|&&(network, bits, _)| within_v4(address, network, bits)).map_or(Public, |&(.., class)| class)
}

fn within_v4(address: Ipv4Addr, network: Ipv4Addr, bits: u32) -> bool {
    (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
}

fn within_v6(address: Ipv6Addr, network: Ipv6Addr, bits: u32) -> bool {
    (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
}
