//! The keys of webhooks.

use super::{
    Error,
    key::{Key, Section},
    layers::Layers,
    section::section,
};

section! {
    /// Webhooks: events that are delivered to addresses outside. docs/webhooks.md says how.
    pub Webhooks "webhooks" {
        /// Permits addresses that are not public (private, loopback, link-local and the like), and `http`. Whoever may make
        /// a webhook can then have this server send requests to whatever it reaches.
        allow_private_addresses: bool [] = false,
        /// The pause after a delivery that was not accepted, in milliseconds; it doubles each time, up to an hour.
        first_retry_ms: u64 [.within(10, 3_600_000)] = 5_000,
        /// A webhook is disabled when nothing was accepted for so many hours, though it was tried.
        disable_after_hours: u64 [.within(1, 10_000)] = 72,
    }
}
