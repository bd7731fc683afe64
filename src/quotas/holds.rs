//! How many of something a tenant may have open at the same time.
//!
//! With what nodes share a node takes places by the block. Every few seconds it holds on to those that it uses and gives
//! the others back; what a node held that died is free when it has said nothing for [`TTL`]. Without it each node has its share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Common;

/// How long places are held that are not held again.
pub(super) const TTL: Duration = Duration::from_secs(15);
/// The period at which they are held again.
pub(super) const HOLD_EVERY: Duration = Duration::from_secs(5);
/// A block is the limit divided by so many.
const BLOCKS: u64 = 16;
/// Stands for the number of what is open where nobody may enter any more.
const ENDED: u64 = u64::MAX;

/// What a tenant has open of one kind on this node.
#[derive(Debug)]
pub(super) struct Open {
    key: String,
    limit: u64,
    used: AtomicU64,
    /// The places that this node holds.
    held: AtomicU64,
    /// One asks for all.
    asking: tokio::sync::Mutex<()>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "it is dropped")] Option<Place>);

#[derive(Debug)]
struct Place(Arc<Open>);

impl Hold {
    /// One of what is not limited.
    pub(super) fn unlimited() -> Self {
        Self(None)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Open {
    pub(super) fn new(key: String, limit: u64) -> Self {
        Self {
            key,
            limit,
            used: AtomicU64::new(0),
            held: AtomicU64::new(0),
            asking: tokio::sync::Mutex::new(()),
        }
    }

    /// Opens one more, if there is a place.
    pub(super) async fn enter(self: &Arc<Self>, common: &Common) -> Option<Hold> {
        if let Some(hold) = self.enter_below(self.places(common)) {
            return Some(hold);
        }
        let _one = self.asking.lock().await;
        if let Some(hold) = self.enter_below(self.places(common)) {
            return Some(hold);
        }
        let needed = self.used.load(Ordering::Relaxed).saturating_add(1);
        let block = (self.limit / BLOCKS).max(1);
        self.hold(common, needed.div_ceil(block).saturating_mul(block))
            .await;
        self.enter_below(self.places(common))
    }

    fn enter_below(self: &Arc<Self>, places: u64) -> Option<Hold> {
        let one_more = |used| (used < places).then_some(used + 1);
        let entered = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.ok().map(|_| Hold(Some(Place(Arc::clone(self)))))
    }

    /// The places of this node: those that it holds, or its share.
    fn places(&self, common: &Common) -> u64 {
        if common.are_shared() {
            self.held.load(Ordering::Relaxed)
        } else {
            self.limit.div_ceil(common.nodes())
        }
    }

    /// Holds the places of what is open on, and gives back those that nobody has used since the last time.
    pub(super) async fn renew(&self, common: &Common) {
        let _one = self.asking.lock().await;
        // Until the answer is there nobody enters on a place that is given back by it.
        self.held.store(0, Ordering::Relaxed);
        self.hold(common, self.used.load(Ordering::Relaxed)).await;
    }

    /// Lets nobody enter any more, if nothing is open.
    pub(super) fn end_if_unused(&self) -> bool {
        let relaxed = Ordering::Relaxed;
        self.used
            .compare_exchange(0, ENDED, relaxed, relaxed)
            .is_ok()
    }

    /// Returns whether nobody may enter any more.
    pub(super) fn has_ended(&self) -> bool {
        self.used.load(Ordering::Relaxed) == ENDED
    }

    /// Holds as many places, and no other ones.
    async fn hold(&self, common: &Common, places: u64) {
        let Some(shared) = &common.shared else {
            return;
        };
        let places = places.min(self.limit);
        let held = shared.hold(&self.key, places, self.limit, TTL).await;
        common.heard(held.as_ref().err());
        if let Ok(held) = held {
            self.held.store(held, Ordering::Relaxed);
        }
    }

    /// The places that are left on this node, as far as it knows.
    pub(super) fn left(&self, common: &Common) -> u64 {
        let places = if common.are_shared() {
            self.limit
        } else {
            self.limit.div_ceil(common.nodes())
        };
        places.saturating_sub(self.used.load(Ordering::Relaxed))
    }
}
