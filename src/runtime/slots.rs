//! The slots of a node: how many executions run at once, and how many of them a tenant's may be.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::mutex::lock;
use crate::{model::TenantId, storage::Shares};

/// The executions that wait for their children on a node, for each of its slots, before it takes no
/// more of those that may come to wait.
const WAITING_PER_SLOT: usize = 4;

/// The most executions that wait for their children in memory, whatever the slots, where they need
/// not.
const MOST_WAITING: usize = 1_000;

/// The slots of a node, and who holds them.
pub(super) struct Slots {
    permits: Arc<Semaphore>,
    total: usize,
    cap: usize,
    weights: Arc<HashMap<TenantId, u32>>,
    held: Mutex<HashMap<TenantId, usize>>,
    waiting_parents: AtomicUsize,
    /// True while nothing is known to wait: only then may a submit start at once.
    nothing_waits: AtomicBool,
    /// Told when something may be claimed.
    claim_wanted: Notify,
    /// Told when a tenant that held as many as it may holds one less.
    below_cap: Notify,
}

/// A tenant's hold on one slot.
pub(super) struct SlotPermit {
    permit: Option<OwnedSemaphorePermit>,
    tenant: TenantId,
    slots: Arc<Slots>,
    /// Cancelled when the execution, which was started alone, no longer has to be.
    solitude: Option<CancellationToken>,
}

/// Counts an execution that waits for its children.
pub(super) struct WaitingParent(Arc<Slots>);

impl Slots {
    /// `cap_percent` of `total` slots may be one tenant's.
    pub(super) fn new(total: usize, cap_percent: usize, weights: HashMap<TenantId, u32>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(total)),
            total,
            cap: (total * cap_percent).div_ceil(100).max(1),
            weights: Arc::new(weights),
            held: Mutex::default(),
            waiting_parents: AtomicUsize::new(0),
            nothing_waits: AtomicBool::new(false),
            claim_wanted: Notify::new(),
            below_cap: Notify::new(),
        }
    }

    /// A slot for an execution that starts with its submit, if nothing waits and one is free.
    pub(super) fn try_start(self: &Arc<Self>, tenant: &TenantId, root: bool) -> Option<SlotPermit> {
        if !self.nothing_waits.load(Ordering::Relaxed) || (root && self.roots_allowed() == 0) {
            return None;
        }
        let mut held = lock(&self.held);
        if held.get(tenant).is_some_and(|held| *held >= self.cap) {
            return None;
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        *held.entry(tenant.clone()).or_default() += 1;
        drop(held);
        Some(self.permit(permit, tenant.clone()))
    }

    /// The free slots, `most` of them; none when there are none.
    pub(super) fn reserve(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        let free = self.permits.available_permits().min(most);
        let wanted = u32::try_from(free).ok().filter(|wanted| *wanted > 0)?;
        Arc::clone(&self.permits)
            .try_acquire_many_owned(wanted)
            .ok()
    }

    /// Every slot, as soon as nothing runs.
    pub(super) async fn reserve_all(&self) -> Option<OwnedSemaphorePermit> {
        let all = u32::try_from(self.total).ok()?;
        Arc::clone(&self.permits).acquire_many_owned(all).await.ok()
    }

    /// Gives a reserved slot to a tenant.
    pub(super) fn give(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        tenant: TenantId,
    ) -> SlotPermit {
        *lock(&self.held).entry(tenant.clone()).or_default() += 1;
        self.permit(permit, tenant)
    }

    /// The next free slot, for an execution that has begun: it goes before all that has not. It waits while its tenant holds
    /// as many as it may: those that hold them wait for nothing that holds none, so they end.
    pub(super) async fn take(self: &Arc<Self>, tenant: TenantId) -> Option<SlotPermit> {
        let mut slot = loop {
            let mut freed = pin!(self.below_cap.notified());
            freed.as_mut().enable();
            if let Some(slot) = self.count_below_cap(&tenant) {
                break slot;
            }
            freed.await;
        };
        slot.permit = Some(Arc::clone(&self.permits).acquire_owned().await.ok()?);
        Some(slot)
    }

    /// Counts one more slot as the tenant's, if it may have one more; the slot itself is still to be taken.
    fn count_below_cap(self: &Arc<Self>, tenant: &TenantId) -> Option<SlotPermit> {
        let mut held = lock(&self.held);
        if held.get(tenant).is_some_and(|held| *held >= self.cap) {
            return None;
        }
        *held.entry(tenant.clone()).or_default() += 1;
        Some(SlotPermit {
            permit: None,
            tenant: tenant.clone(),
            slots: Arc::clone(self),
            solitude: None,
        })
    }

    fn permit(self: &Arc<Self>, permit: OwnedSemaphorePermit, tenant: TenantId) -> SlotPermit {
        SlotPermit {
            permit: Some(permit),
            tenant,
            slots: Arc::clone(self),
            solitude: None,
        }
    }

    /// Counts an execution that begins to wait for children.
    pub(super) fn wait(self: &Arc<Self>) -> WaitingParent {
        self.waiting_parents.fetch_add(1, Ordering::Relaxed);
        WaitingParent(Arc::clone(self))
    }

    /// Returns whether so many wait for children that one more is better parked.
    pub(super) fn is_crowded(&self) -> bool {
        let most = (WAITING_PER_SLOT * self.total).min(MOST_WAITING);
        self.waiting_parents.load(Ordering::Relaxed) >= most
    }

    /// Who holds what, for a claim.
    pub(super) fn shares(&self) -> Shares {
        Shares {
            held: lock(&self.held).clone(),
            cap: self.cap,
            weights: Arc::clone(&self.weights),
        }
    }

    /// Returns the number of executions without a parent that may be started: each may come to wait
    /// for children.
    pub(super) fn roots_allowed(&self) -> usize {
        let waiting = self.waiting_parents.load(Ordering::Relaxed);
        (WAITING_PER_SLOT * self.total).saturating_sub(waiting + self.in_use())
    }

    /// Returns the number of slots that are held.
    pub(super) fn in_use(&self) -> usize {
        self.total - self.permits.available_permits().min(self.total)
    }

    /// Notes whether something may wait that no free slot is for.
    pub(super) fn note_waiting(&self, more_wait: bool) {
        self.nothing_waits.store(!more_wait, Ordering::Relaxed);
    }

    /// Something can be claimed.
    pub(super) fn something_waits(&self) {
        self.nothing_waits.store(false, Ordering::Relaxed);
        self.claim_wanted.notify_one();
    }

    /// A look is due, whatever is known.
    pub(super) fn look(&self) {
        self.claim_wanted.notify_one();
    }

    /// Returns when a look is due.
    pub(super) async fn claim_wanted(&self) {
        self.claim_wanted.notified().await;
    }

    fn freed(&self) {
        if !self.nothing_waits.load(Ordering::Relaxed) {
            self.claim_wanted.notify_one();
        }
    }
}

impl SlotPermit {
    /// The permit of an execution that runs alone until `solitude` is cancelled.
    pub(super) fn alone(mut self, solitude: CancellationToken) -> Self {
        self.solitude = Some(solitude);
        self
    }

    /// Takes the token that ends the solitude of the execution, if it runs alone.
    pub(super) fn take_solitude(&mut self) -> Option<CancellationToken> {
        self.solitude.take()
    }
}

impl Drop for SlotPermit {
    fn drop(&mut self) {
        let mut held = lock(&self.slots.held);
        if let Some(count) = held.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.tenant);
            }
        }
        // Within the lock: whoever sees the tenant's share sees the slot, too.
        drop(self.permit.take());
        drop(held);
        self.slots.below_cap.notify_waiters();
        self.slots.freed();
    }
}

impl Drop for WaitingParent {
    fn drop(&mut self) {
        self.0.waiting_parents.fetch_sub(1, Ordering::Relaxed);
        self.0.freed();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn slots(total: usize) -> Arc<Slots> {
        let slots = Arc::new(Slots::new(total, 80, HashMap::new()));
        slots.note_waiting(false);
        slots
    }

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    #[test]
    fn a_submit_starts_at_once_within_its_tenants_cap() {
        let slots = slots(10);
        let hog: Vec<_> = (0..9)
            .map_while(|_| slots.try_start(&tenant("hog"), true))
            .collect();
        assert_eq!(hog.len(), 8);
        assert!(slots.try_start(&tenant("other"), true).is_some());
        slots.note_waiting(true);
        assert!(slots.try_start(&tenant("other"), true).is_none());
        drop(hog);
        assert_eq!((slots.in_use(), slots.shares().held.len()), (0, 0));
    }

    #[tokio::test]
    async fn who_goes_on_takes_no_more_than_its_tenants_cap() {
        let slots = slots(5);
        let going_on = || slots.take(tenant("hog")).now_or_never().flatten();
        let mut hog: Vec<_> = std::iter::from_fn(going_on).collect();
        assert_eq!(hog.len(), 4);
        let mut next = pin!(slots.take(tenant("hog")));
        assert!(next.as_mut().now_or_never().is_none());
        let other = slots.take(tenant("other")).now_or_never();
        assert!(other.flatten().is_some());
        // One that is given up is not counted.
        drop(hog.pop());
        drop(Box::pin(slots.take(tenant("hog"))));
        assert!(next.now_or_never().flatten().is_some());
        drop(hog);
        assert_eq!((slots.in_use(), slots.shares().held.len()), (0, 0));
    }

    #[test]
    fn waiting_parents_leave_no_room_for_roots_and_some_for_children() {
        let slots = slots(2);
        let waiting: Vec<_> = (0..8).map(|_| slots.wait()).collect();
        assert_eq!(slots.roots_allowed(), 0);
        assert!(slots.try_start(&tenant("a"), true).is_none());
        assert!(slots.try_start(&tenant("a"), false).is_some());
        drop(waiting);
        assert_eq!(slots.roots_allowed(), 8);
    }
}
