//! The client behind a proxy.
//!
//! A header says where a request came from to whoever wrote it, and anybody can write one. So it is read from its
//! end, and only as far as the addresses are those of proxies that the configuration trusts.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::{api::Client, config::Http};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies whose headers are believed.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Those of the configuration.
    pub(super) fn of(http: &Http) -> Self {
        Self(http.trusted_proxies.list().to_vec())
    }

    /// Returns whether a connection from this address is a proxy's.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request, as far as the proxy that passed it on can be believed.
    pub(super) fn client(&self, sender: Client, headers: &HeaderMap) -> Client {
        if self.0.is_empty() || !self.trusts(sender.address) {
            return sender;
        }
        let last = listed(headers, &FORWARDED_PROTO).next();
        Client {
            address: self.address(sender.address, headers),
            is_encrypted: last.map_or(sender.is_encrypted, |scheme| {
                scheme.eq_ignore_ascii_case("https")
            }),
        }
    }

    /// The last address that is no trusted proxy's; before what is no address, the proxy that has passed it on.
    fn address(&self, sender: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = sender;
        for text in listed(headers, &FORWARDED_FOR) {
            let Some(address) = address(text) else {
                break;
            };
            nearest = address;
            if !self.trusts(address) {
                break;
            }
        }
        nearest
    }
}

/// The items of a header's lines, the last one first.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    let lines = lines.into_iter().rev();
    lines.flat_map(|line| {
        let line = line.to_str().unwrap_or_default();
        line.rsplit(',').map(str::trim)
    })
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse().map(|address: SocketAddr| address.ip()).ok();
    let in_brackets = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = in_brackets.unwrap_or(text).parse().ok();
    address
        .or_else(with_port)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};

    fn proxies() -> Proxies {
        let overrides = Overrides {
            set: vec!["http.trusted_proxies=10.0.0.0/8, 192.0.2.7, fd00::/8".to_owned()],
            ..Overrides::default()
        };
        let config = Config::load(&overrides, std::iter::empty()).unwrap();
        Proxies::of(&config.http)
    }

    fn client(sender: &str, headers: &[(HeaderName, &str)]) -> Client {
        let mut given = HeaderMap::new();
        for (name, value) in headers {
            given.append(name, value.parse().unwrap());
        }
        let sender = Client {
            address: sender.parse().unwrap(),
            is_encrypted: false,
        };
        proxies().client(sender, &given)
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxys() {
        for (sender, lines, expected) in [
            ("10.0.0.1", &["203.0.113.9"][..], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("fd00::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &["203.0.113.9:5000"], "203.0.113.9"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            // Whoever sends a header to a proxy stands before what the proxy adds.
            ("10.0.0.1", &["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["127.0.0.1", "203.0.113.9"], "203.0.113.9"),
            (
                "10.0.0.1",
                &["198.51.100.1, 203.0.113.9, 10.0.0.2", "192.0.2.7"],
                "203.0.113.9",
            ),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            // Nobody else is believed.
            ("203.0.113.1", &["10.0.0.1"], "203.0.113.1"),
            ("192.0.2.8", &["203.0.113.9"], "192.0.2.8"),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| (FORWARDED_FOR, *line)).collect();
            let found = client(sender, &headers).address;
            assert_eq!(found.to_string(), expected, "{sender} {lines:?}");
        }
    }

    #[test]
    fn the_scheme_is_what_the_nearest_proxy_says() {
        for (sender, scheme, expected) in [
            ("10.0.0.1", "https", true),
            ("10.0.0.1", "HTTPS", true),
            ("10.0.0.1", "https, http", false),
            ("10.0.0.1", "http", false),
            ("203.0.113.1", "https", false),
        ] {
            let found = client(sender, &[(FORWARDED_PROTO, scheme)]).is_encrypted;
            assert_eq!(found, expected, "{sender} {scheme}");
        }
        let sender = Client {
            address: [10, 0, 0, 1].into(),
            is_encrypted: true,
        };
        assert!(proxies().client(sender, &HeaderMap::new()).is_encrypted);
    }
}
