//! Where events may be delivered: addresses that are reached over the internet, unless the configuration permits all.
//! A name is judged by the addresses that it has when a connection is made, so that it may not mean something else by then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::model::Refusal;

/// The longest address of a webhook, in bytes.
const MOST_URL_BYTES: usize = 2_000;

/// The networks of IPv4 that are not reached over the internet (IANA's special-purpose registry), and multicast.
const CLOSED_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, what is reserved, and broadcast.
    ([224, 0, 0, 0], 3),
];

/// Those within what IPv6 gives out for the internet, `2000::/3`, that are not reached over it, or lead to an address of
/// IPv4: Teredo and others of `2001::/23`, documentation, 6to4, and segment routing.
const CLOSED_V6: &[(u128, u32)] = &[
    (0x2001 << 112, 23),
    (0x2001_0db8 << 96, 32),
    (0x2002 << 112, 16),
    (0x3fff << 112, 20),
    (0x5f00 << 112, 16),
];

/// The prefix by which IPv6 reaches IPv4, `64:ff9b::/96`.
const TRANSLATED: u128 = 0x0064_ff9b << 96;

/// The address is not one of the internet.
#[derive(Debug, thiserror::Error)]
#[error("its address is not public")]
pub(in crate::runtime) struct NotPublic;

/// Returns whether an address is reached over the internet.
pub(in crate::runtime) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    let is_within = |(network, length): &([u8; 4], u32)| {
        let shift = 32 - length;
        bits >> shift == u32::from_be_bytes(*network) >> shift
    };
    !CLOSED_V4.iter().any(is_within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    if bits >> 32 == TRANSLATED >> 32 {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let is_within = |(network, length): &(u128, u32)| {
        let shift = 128 - length;
        bits >> shift == network >> shift
    };
    // Everything else is loopback, unspecified, unique-local, link-local, multicast, or not given out.
    bits >> 125 == 1 && !CLOSED_V6.iter().any(is_within)
}

/// Reads the address of a webhook.
pub(in crate::runtime) fn read_url(text: &str, allows_private: bool) -> Result<Url, Refusal> {
    let refused = |message: &str| Refusal::invalid(["url"], message);
    if text.len() > MOST_URL_BYTES {
        return Err(refused("a URL has at most 2,000 bytes"));
    }
    let url = Url::parse(text).map_err(|_| refused("it is not a URL"))?;
    match url.scheme() {
        "https" => {}
        "http" if allows_private => {}
        _ if allows_private => return Err(refused("events are delivered by https or http")),
        _ => return Err(refused("events are delivered by https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(
            "a URL with a name or a password in it is refused: deliveries are signed",
        ));
    }
    if url.fragment().is_some() {
        return Err(refused(
            "a URL with a fragment is refused: it is never sent",
        ));
    }
    check_literal(&url, allows_private).map_err(|_| {
        refused("the address is not public: this server delivers to public addresses alone")
    })?;
    Ok(url)
}

/// Refuses an address that is written out in a URL; names are judged when they are looked up.
pub(in crate::runtime) fn check_literal(url: &Url, allows_private: bool) -> Result<(), NotPublic> {
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => None,
    };
    if allows_private || literal.is_none_or(is_public) {
        return Ok(());
    }
    Err(NotPublic)
}

/// Looks names up by the system, and gives out public addresses alone.
#[derive(Debug)]
pub(super) struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is put in by whoever connects.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|it| is_public(it.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_internet_are_public_and_no_others_are() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450:4001:81b::200e",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for closed in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
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
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!is_public(closed.parse().unwrap()), "{closed}");
        }
    }

    #[test]
    fn an_address_is_judged_however_it_is_written() {
        for refused in [
            "https://127.0.0.1/a",
            "https://2130706433/a",
            "https://0x7f.1/a",
            "https://0177.0.0.1/a",
            "https://127.1/a",
            "https://[::1]/a",
            "https://[::ffff:10.0.0.1]/a",
            "https://169.254.169.254/latest/meta-data",
            "https://0/",
            "http://hooks.example.com/",
            "ftp://hooks.example.com/",
            "https://user@hooks.example.com/",
            "https://:secret@hooks.example.com/",
            "https://hooks.example.com/#a",
            "hooks.example.com",
            "https://",
            "",
            &format!("https://hooks.example.com/{}", "a".repeat(MOST_URL_BYTES)),
        ] {
            assert!(read_url(refused, false).is_err(), "{refused}");
        }
        for accepted in ["https://hooks.example.com/a?b=c", "https://1.1.1.1:8443/"] {
            assert!(read_url(accepted, false).is_ok(), "{accepted}");
        }
        for accepted in [
            "http://127.0.0.1:8080/a",
            "https://[::1]/",
            "http://hooks.internal/",
        ] {
            assert!(read_url(accepted, true).is_ok(), "{accepted}");
        }
        for refused in ["ftp://127.0.0.1/", "http://user@127.0.0.1/"] {
            assert!(read_url(refused, true).is_err(), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_has_no_public_address() {
        let name = "localhost".parse().unwrap();
        let found = PublicResolver.resolve(name).await;
        assert!(found.err().unwrap().is::<NotPublic>());
    }
}
