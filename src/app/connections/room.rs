//! The numbers of connections, in all and from each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    model::network,
    telemetry::metrics::{Metrics, Tracked},
};

/// The period of the log's lines that connections are turned away.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Places for connections.
pub(super) struct Room {
    taken: Arc<Mutex<Taken>>,
    most: usize,
    most_per_address: usize,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    said: Option<Instant>,
}

/// The place of a connection, or of a request that a proxy passed on, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// None for the connection of a proxy.
    address: Option<IpAddr>,
    taken: Arc<Mutex<Taken>>,
    /// None for a request.
    connection: Option<Tracked>,
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
        self.take(peer, Some(network(peer)), true)
    }

    /// The same for a proxy: what comes by it is counted where it comes from.
    pub(super) fn enter_proxy(&self, peer: IpAddr) -> Option<Place> {
        self.take(peer, None, true)
    }

    /// A place for one more request from this address, which a proxy has passed on.
    pub(super) fn enter_behind_proxy(&self, client: IpAddr) -> Option<Place> {
        self.take(client, Some(network(client)), false)
    }

    fn take(&self, from: IpAddr, address: Option<IpAddr>, is_connection: bool) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let of_address = address.map_or(0, |address| taken.of(address));
        if is_connection && taken.all >= self.most || of_address >= self.most_per_address {
            self.turned_away(&mut taken, from);
            return None;
        }
        if let Some(address) = address {
            taken.by_address.insert(address, of_address + 1);
        }
        taken.all += usize::from(is_connection);
        Some(Place {
            address,
            taken: Arc::clone(&self.taken),
            connection: is_connection.then(|| self.metrics.connected()),
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

impl Taken {
    fn of(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all -= usize::from(self.connection.is_some());
        let address = self.address.filter(|&address| taken.of(address) == 1);
        if let Some(address) = address {
            taken.by_address.remove(&address);
        } else if let Some(count) = self.address.and_then(|it| taken.by_address.get_mut(&it)) {
            *count -= 1;
        }
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
    fn what_a_proxy_passes_on_counts_where_it_comes_from() {
        let room = Room::new(2, 1, Metrics::new());
        let (proxy, one, other) = (
            address("10.0.0.1"),
            address("203.0.113.1"),
            address("203.0.113.2"),
        );
        let _connections = [(); 2].map(|()| room.enter_proxy(proxy).unwrap());
        assert!(room.enter_proxy(proxy).is_none());
        let first = room.enter_behind_proxy(one).unwrap();
        assert!(room.enter_behind_proxy(one).is_none());
        let _other = room.enter_behind_proxy(other).unwrap();
        drop(first);
        let _again = room.enter_behind_proxy(one).unwrap();
        assert!(room.enter(other).is_none());
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
