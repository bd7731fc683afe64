//! Executions that wait for children outside of this process: they are run again, from their
//! beginning, when a child has ended.
//!
//! Whoever commits the end of a child looks whether its parent is parked. The parent's timer is for
//! the case that this node dies in between.

use std::{sync::Arc, time::Duration};

use super::{Engine, lock};
use crate::{
    model::ExecutionId,
    runtime::attempt::Attempt,
    storage::{Error, Fence},
};

/// The time after which a failed wake-up of parents is tried again.
const WAKE_PAUSE: Duration = Duration::from_millis(200);

impl Engine {
    /// A child has ended: its parent may be parked, unless it runs here.
    pub(super) fn child_ended(&self, parent: ExecutionId) {
        if !self.running.has(parent) {
            lock(&self.parking.ended_below).push(parent);
            self.parking.wanted.notify_one();
        }
    }

    pub(super) async fn wake_loop(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.parking.wanted.notified() => {}
                () = self.stopped.cancelled() => return,
            }
            let parents = std::mem::take(&mut *lock(&self.parking.ended_below));
            if let Err(error) = self.wake(&parents).await {
                tracing::warn!(%error, "parked executions are not woken yet");
                lock(&self.parking.ended_below).extend(parents);
                self.parking.wanted.notify_one();
                tokio::time::sleep(WAKE_PAUSE).await;
            }
        }
    }

    async fn wake(&self, parents: &[ExecutionId]) -> Result<(), Error> {
        let parked = self.storage.parked_among(parents).await?;
        if parked.is_empty() {
            return Ok(());
        }
        self.storage.wake(parked).await
    }

    /// The attempt has been parked. A child that ended just before found its parent running here.
    pub(in crate::runtime) async fn after_parking(&self, attempt: &Attempt, fence: Fence) {
        self.running.remove(fence);
        let awaited: Vec<ExecutionId> = lock(&attempt.awaited).iter().copied().collect();
        let scope = attempt.principal.scope();
        let looks = awaited.into_iter();
        let looks = looks.map(|child| self.storage.has_ended(&scope, child));
        let found = futures::future::try_join_all(looks).await;
        let one_has_ended = found.map(|ended| ended.contains(&Some(true)));
        let is_woken = one_has_ended.unwrap_or_else(|error| {
            tracing::warn!(%error, "the children of a parked execution are unknown; it looks for itself");
            true
        });
        if is_woken {
            self.child_ended(fence.execution_id);
        }
    }
}
