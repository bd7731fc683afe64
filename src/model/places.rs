//! Places for something that each tenant may have a bounded number of at once.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::TenantId;

/// Beyond so many tenants those that hold nothing are forgotten now and then.
const REMEMBERED: usize = 64;

/// The same number of places for every tenant.
#[derive(Debug)]
pub struct Places {
    each: usize,
    tenants: Mutex<HashMap<TenantId, Arc<TenantPlaces>>>,
}

/// The places of a tenant, and who waits for one.
#[derive(Debug)]
struct TenantPlaces {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Counts one that waits.
struct Waiting<'a>(&'a TenantPlaces);

impl<'a> Waiting<'a> {
    fn begin(queue: &'a TenantPlaces) -> Self {
        queue.waiting.fetch_add(1, Ordering::Relaxed);
        Self(queue)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Places {
    /// `each` places for every tenant, at least one.
    #[must_use]
    pub fn new(each: usize) -> Self {
        Self {
            each: each.max(1),
            tenants: Mutex::default(),
        }
    }

    /// The next free place of the tenant, in the order of asking. It is given back when it is dropped.
    pub async fn take(&self, tenant: &TenantId) -> Option<OwnedSemaphorePermit> {
        let queue = self.of(tenant);
        let _waiting = Waiting::begin(&queue);
        // It is never closed.
        Arc::clone(&queue.places).acquire_owned().await.ok()
    }

    /// Returns the number of those that wait for a place of the tenant.
    #[must_use]
    pub fn waiting(&self, tenant: &TenantId) -> usize {
        let tenants = self.lock();
        let queue = tenants.get(tenant);
        queue.map_or(0, |queue| queue.waiting.load(Ordering::Relaxed))
    }

    /// The tenants for whose places somebody waits, and how many do.
    #[must_use]
    pub fn all_waiting(&self) -> Vec<(TenantId, usize)> {
        let tenants = self.lock();
        let all = tenants.iter();
        let all = all.map(|(tenant, queue)| (tenant, queue.waiting.load(Ordering::Relaxed)));
        all.filter(|(_, waiting)| *waiting > 0)
            .map(|(tenant, waiting)| (tenant.clone(), waiting))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<TenantPlaces>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, tenant: &TenantId) -> Arc<TenantPlaces> {
        let mut tenants = self.lock();
        if let Some(queue) = tenants.get(tenant) {
            return Arc::clone(queue);
        }
        if tenants.len() >= REMEMBERED && tenants.len().is_power_of_two() {
            // A task that waits holds a reference to the queue, one that has a place holds one to the places.
            tenants.retain(|_, queue| {
                Arc::strong_count(queue) > 1 || Arc::strong_count(&queue.places) > 1
            });
        }
        let queue = Arc::new(TenantPlaces {
            places: Arc::new(Semaphore::new(self.each)),
            waiting: AtomicUsize::new(0),
        });
        tenants.insert(tenant.clone(), Arc::clone(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_tenant_waits_for_its_own_places_only() {
        let places = Places::new(2);
        let [one, two] = ["one", "two"].map(|name| name.parse::<TenantId>().unwrap());
        let first = places.take(&one).await;
        let second = places.take(&one).await;
        assert_eq!(places.all_waiting(), []);
        let mut third = Box::pin(places.take(&one));
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!((places.waiting(&one), places.waiting(&two)), (1, 0));
        assert_eq!(places.all_waiting(), [(one.clone(), 1)]);
        assert!(places.take(&two).now_or_never().is_some());
        drop(first);
        assert!(third.as_mut().now_or_never().is_some());
        drop((second, third));
        assert_eq!(places.all_waiting(), []);
    }

    #[tokio::test]
    async fn tenants_that_hold_nothing_are_forgotten() {
        let places = Places::new(1);
        let held = places.take(&"held".parse().unwrap()).await;
        for n in 0..1_000 {
            places.take(&format!("t{n}").parse().unwrap()).await;
        }
        assert!(places.lock().len() <= REMEMBERED);
        assert!(
            places
                .take(&"held".parse().unwrap())
                .now_or_never()
                .is_none()
        );
        drop(held);
    }
}
