//! The places of deliveries on their way: so many from a node, so many of a tenant. A quarter of them is kept from tenants
//! whose receivers are slow, however many of these there are, so that others need not wait for them.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lock;
use crate::model::{Places, TenantId};

/// Deliveries on their way from this node whoever's they are, each of which may hold a result.
const MOST_OF_ANY: usize = 48;
/// Those besides that are none of slow tenants.
const MOST_OF_PROMPT: usize = 16;
/// Those of one tenant, and among them those on places that slow tenants do not get.
const MOST_OF_TENANT: usize = 8;
const MOST_OF_PROMPT_TENANT: usize = 2;
/// A delivery that takes longer makes its tenant a slow one, for this time.
const PROMPT: Duration = Duration::from_secs(1);
const SLOW_FOR: Duration = Duration::from_mins(10);

/// The places of a node.
pub(super) struct SendingPlaces {
    of_tenants: Places,
    of_any: Arc<Semaphore>,
    of_prompt: Arc<Semaphore>,
    of_prompt_tenants: Places,
    /// Until when tenants are slow.
    slow: Mutex<HashMap<TenantId, Instant>>,
}

/// A place, until it is dropped.
pub(super) struct Place {
    _tenant: Option<OwnedSemaphorePermit>,
    _prompt: Option<OwnedSemaphorePermit>,
    _node: Option<OwnedSemaphorePermit>,
}

impl SendingPlaces {
    pub(super) fn new() -> Self {
        Self {
            of_tenants: Places::new(MOST_OF_TENANT),
            of_any: Arc::new(Semaphore::new(MOST_OF_ANY)),
            of_prompt: Arc::new(Semaphore::new(MOST_OF_PROMPT)),
            of_prompt_tenants: Places::new(MOST_OF_PROMPT_TENANT),
            slow: Mutex::default(),
        }
    }

    /// The next place that the tenant may have.
    pub(super) async fn take(&self, tenant: &TenantId) -> Place {
        let of_tenant = self.of_tenants.take(tenant).await;
        let of_any = async || (None, Arc::clone(&self.of_any).acquire_owned().await.ok());
        let of_prompt = async || {
            let own = self.of_prompt_tenants.take(tenant).await;
            (own, Arc::clone(&self.of_prompt).acquire_owned().await.ok())
        };
        let (own, of_node) = loop {
            if self.is_slow(tenant) {
                break of_any().await;
            }
            tokio::select! {
                biased;
                taken = of_any() => break taken,
                // It may have become slow while it waited.
                taken = of_prompt() => if !self.is_slow(tenant) {
                    break taken;
                },
            }
        };
        Place {
            _tenant: of_tenant,
            _prompt: own,
            _node: of_node,
        }
    }

    /// Sends something of a tenant. As soon as it has taken too long, the tenant is a slow one.
    pub(super) async fn sent<T>(&self, tenant: &TenantId, sending: impl Future<Output = T>) -> T {
        let mut sending = pin!(sending);
        if let Ok(sent) = tokio::time::timeout(PROMPT, &mut sending).await {
            return sent;
        }
        self.note_slow(tenant);
        let sent = sending.await;
        self.note_slow(tenant);
        sent
    }

    fn is_slow(&self, tenant: &TenantId) -> bool {
        let slow = lock(&self.slow);
        slow.get(tenant)
            .is_some_and(|until| *until > Instant::now())
    }

    fn note_slow(&self, tenant: &TenantId) {
        let now = Instant::now();
        let mut slow = lock(&self.slow);
        slow.retain(|_, until| *until > now);
        slow.insert(tenant.clone(), now + SLOW_FOR);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn tenant(number: usize) -> TenantId {
        format!("t{number}").parse().unwrap()
    }

    /// The places that a tenant gets at once.
    async fn taken(places: &SendingPlaces, tenant: &TenantId) -> Vec<Place> {
        let mut taken = Vec::new();
        while let Some(place) = places.take(tenant).now_or_never() {
            taken.push(place);
            // A task that takes many without a pause is told that there are none.
            tokio::task::yield_now().await;
        }
        taken
    }

    #[tokio::test]
    async fn however_many_tenants_are_slow_a_quarter_of_the_places_is_left() {
        let places = SendingPlaces::new();
        let mut held = Vec::new();
        for number in 0..20 {
            places.note_slow(&tenant(number));
            held.push(taken(&places, &tenant(number)).await);
        }
        assert_eq!(held.iter().map(Vec::len).sum::<usize>(), MOST_OF_ANY);
        assert_eq!(held[0].len(), MOST_OF_TENANT);
        for number in 20..28 {
            let prompt = taken(&places, &tenant(number)).await;
            assert_eq!(prompt.len(), MOST_OF_PROMPT_TENANT);
            held.push(prompt);
        }
        assert!(taken(&places, &tenant(28)).await.is_empty());
        held.remove(0);
        assert_eq!(taken(&places, &tenant(28)).await.len(), MOST_OF_TENANT);
    }

    #[tokio::test]
    async fn who_becomes_slow_while_it_waits_gets_none_of_the_places_that_are_kept() {
        let places = SendingPlaces::new();
        let mut held = Vec::new();
        for number in 0..14 {
            held.push(taken(&places, &tenant(number)).await);
        }
        let slow = tenant(14);
        let mut waits = Box::pin(places.take(&slow));
        assert!(waits.as_mut().now_or_never().is_none());
        let sending = async {
            while !places.is_slow(&slow) {
                tokio::time::sleep(PROMPT / 20).await;
            }
        };
        places.sent(&slow, sending).await;
        // Its place is one of those that are kept.
        held.remove(13);
        assert!(waits.as_mut().now_or_never().is_none());
        held.remove(0);
        assert!(waits.as_mut().now_or_never().is_some());
        places.sent(&tenant(1), std::future::ready(())).await;
        assert!(places.is_slow(&slow) && !places.is_slow(&tenant(1)));
    }
}
