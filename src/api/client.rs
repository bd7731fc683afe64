//! Where a request comes from.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::Extensions;

/// The client that sent a request, as far as its connection tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// True if TLS protected the request on its way.
    pub is_encrypted: bool,
}

impl Client {
    /// That of a request.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self::unknown())
    }

    /// That of a request that came by no connection.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            address: Ipv4Addr::UNSPECIFIED.into(),
            is_encrypted: false,
        }
    }

    /// One of this machine, for tests.
    #[cfg(test)]
    pub(crate) fn local() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            is_encrypted: false,
        }
    }
}
