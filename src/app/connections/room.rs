//! The numbers of connections, in all and from each address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::telemetry::metrics::{Metrics, Tracked};

/// The period of the log's lines that connections are turned away.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Places for connections.
pub(super) struct Room {
    taken: Arc<Mutex<Taken>>,
    most: usize,
    most_per_address: usize,
    metrics: Metrics,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    said: Option<Instant>,
}

/// The place of one connection, until it is dropped.
pub(super) struct Place {
    address: IpAddr,
    taken: Arc<Mutex<Taken>>,
    _counted: Tracked,
}

impl Room {
    pub(super) fn new(most: usize, most_per_address: usize, metrics: Metrics) -> Self {
        Self {
            taken: Arc::default(),
            most,
            most_per_address,
            metrics,
        }
    }

    /// A place for one more connection from this address, if there is one.
    pub(super) fn enter(&self, peer: IpAddr) -> Option<Place> {
        let address = network(peer);
        let mut taken = lock(&self.taken);
        let from_address = taken.by_address.get(&address).copied().unwrap_or_default();
        if taken.all >= self.most || from_address >= self.most_per_address {
            self.turned_away(&mut taken, peer);
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, from_address + 1);
        Some(Place {
            address,
            taken: Arc::clone(&self.taken),
            _counted: self.metrics.connected(),
        })
    }

    fn turned_away(&self, taken: &mut Taken, peer: IpAddr) {
        self.metrics.turned_away();
        if taken.said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
            taken.said = Some(Instant::now());
            tracing::warn!(%peer, connections = taken.all, "there is no room for a connection");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all -= 1;
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// Returns what counts as one address: of IPv6 the network that one host commonly has to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()
        }
        address => address,
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn there_is_room_until_all_places_or_those_of_an_address_are_taken() {
        let room = Room::new(3, 2, Metrics::new());
        let (one, other, third) = (
            address("10.0.0.1"),
            address("10.0.0.2"),
            address("10.0.0.3"),
        );
        let first = room.enter(one).unwrap();
        let _second = room.enter(address("::ffff:10.0.0.1")).unwrap();
        assert!(room.enter(one).is_none());
        let _third = room.enter(other).unwrap();
        assert!(room.enter(third).is_none());
        drop(first);
        let _fourth = room.enter(third).unwrap();
        assert!(room.enter(one).is_none());
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one() {
        let room = Room::new(10, 1, Metrics::new());
        let _place = room.enter(address("2001:db8::1")).unwrap();
        assert!(room.enter(address("2001:db8::2:1")).is_none());
        assert!(room.enter(address("2001:db8:0:1::1")).is_some());
        assert!(lock(&room.taken).by_address.len() == 1);
    }
}
