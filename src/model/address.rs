//! What counts as one address of the network.

use std::net::{IpAddr, Ipv6Addr};

/// Returns what counts as one address: of IPv6 the network that one host commonly has to itself.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()
        }
        address => address,
    }
}
