//! Addresses and ranges of them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::setting::{Setting, listed};

/// Networks such as `10.0.0.0/8` or `fd00::7`; written with commas between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Each of them.
    #[must_use]
    pub fn list(&self) -> &[IpNet] {
        &self.0
    }
}

impl Setting for Networks {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        listed(text)
            .map(network)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn text(&self) -> Option<String> {
        let shown: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        Some(shown.join(", ")).filter(|text| !text.is_empty())
    }
}

/// An address, or a range of them by its prefix.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse().map(|address: IpAddr| IpNet::from(address));
    let network = text.parse().or_else(|_| address());
    let network: Option<IpNet> = network
        .ok()
        .and_then(|network: IpNet| plain(network.trunc()));
    network
        .ok_or_else(|| format!("expected addresses or ranges such as 10.0.0.0/8, found `{text}`"))
}

/// IPv4 addresses as such, where they are written as IPv6: so peers are compared. None where that cannot be.
fn plain(network: IpNet) -> Option<IpNet> {
    const MAPPED_BITS: u8 = 96;
    let address = network.addr().to_canonical();
    if address.is_ipv4() && network.addr().is_ipv6() {
        let bits = network.prefix_len().checked_sub(MAPPED_BITS)?;
        return IpNet::new(address, bits).ok();
    }
    Some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ranges_are_read_and_nothing_else() {
        let read = Networks::parse("10.1.2.3/8, 192.0.2.7,fd00::7").unwrap();
        let text = read.text().unwrap();
        assert_eq!(text, "10.0.0.0/8, 192.0.2.7/32, fd00::7/128");
        assert_eq!(Networks::parse(&text).unwrap(), read);
        assert_eq!(Networks::parse("").unwrap(), Networks::default());
        let mapped = Networks::parse("::ffff:10.0.0.0/104, ::ffff:192.0.2.7").unwrap();
        assert_eq!(mapped.text().unwrap(), "10.0.0.0/8, 192.0.2.7/32");
        for bad in ["10.0.0.0/33", "proxy.internal", "10.0.0.1-10.0.0.9", "*"] {
            assert!(Networks::parse(bad).unwrap_err().contains(bad));
        }
    }
}
