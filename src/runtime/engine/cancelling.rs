//! Cancelling what is below a cancelled execution, a part at a time, so that whoever writes beside it
//! does not wait.
//!
//! The node that accepted a cancellation goes on with it; when it does not for the time of a lease,
//! any other one does. From the first moment on nothing below it starts, has children or completes:
//! the writers look for the cancellation. What is done here only ends what is there.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{Engine, lock};
use crate::{
    model::ExecutionId,
    storage::{Cancellation, Error, Reached},
};

/// The executions that are cancelled in one transaction.
const AT_ONCE: u32 = 256;
/// The cancellations of others that are taken over at a time.
const TAKEN_OVER: u32 = 64;

/// A cancellation that this node goes on with, and how far it has come.
struct Walk {
    cancellation: Cancellation,
    reached: Reached,
}

impl Engine {
    /// A cancellation was accepted that did not reach all that is below.
    pub(super) fn cancel_below(&self, id: ExecutionId) {
        lock(&self.cancelling.above).push(id);
        self.cancelling.wanted.notify_one();
    }

    pub(super) async fn cancel_below_loop(self: Arc<Self>) {
        let mut walks = VecDeque::new();
        // Alone, this process is the one that was to go on with what is there at its start.
        let mut untouched_for = if self.settings.is_alone {
            Duration::ZERO
        } else {
            self.settings.lease
        };
        let mut looked: Option<tokio::time::Instant> = None;
        while !self.stopped.is_cancelled() {
            let is_due = looked.is_none_or(|at| at.elapsed() >= self.settings.heartbeat);
            let stale = is_due.then_some(untouched_for);
            let pause = match self.go_on_cancelling(&mut walks, stale).await {
                Ok(()) => {
                    if is_due {
                        looked = Some(tokio::time::Instant::now());
                        untouched_for = self.settings.lease;
                    }
                    if walks.is_empty() {
                        self.settings.heartbeat
                    } else {
                        Duration::ZERO
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "what is below a cancelled execution was not reached");
                    self.settings.poll
                }
            };
            if pause.is_zero() {
                continue;
            }
            tokio::select! {
                () = self.cancelling.wanted.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.stopped.cancelled() => return,
            }
        }
    }

    /// Cancels the next part below the cancellation whose turn it is.
    async fn go_on_cancelling(
        &self,
        walks: &mut VecDeque<Walk>,
        untouched_for: Option<Duration>,
    ) -> Result<(), Error> {
        let own = std::mem::take(&mut *lock(&self.cancelling.above));
        let mut found = match self.storage.cancellations_of(&own).await {
            Ok(found) => found,
            Err(error) => {
                lock(&self.cancelling.above).extend(own);
                return Err(error);
            }
        };
        if let Some(untouched_for) = untouched_for {
            let micros = i64::try_from(untouched_for.as_micros()).unwrap_or(i64::MAX);
            let left = self.storage.cancellations_untouched_for(micros, TAKEN_OVER);
            found.append(&mut left.await?);
        }
        let mut known: HashSet<ExecutionId> = walks
            .iter()
            .map(|walk| walk.cancellation.execution_id)
            .collect();
        for cancellation in found {
            if known.insert(cancellation.execution_id) {
                let reached = cancellation.beginning();
                walks.push_back(Walk {
                    cancellation,
                    reached,
                });
            }
        }
        let Some(walk) = walks.front_mut() else {
            return Ok(());
        };
        let below = self
            .storage
            .live_below(&walk.cancellation, walk.reached, AT_ONCE);
        let below = below.await?;
        let id = walk.cancellation.execution_id;
        if let Some(last) = below.last {
            let told = self.storage.cancel_below(&walk.cancellation, below.ids);
            told.await?;
            walk.reached = last;
            walks.rotate_left(1);
        } else {
            self.storage.end_cancellation(id).await?;
            walks.pop_front();
        }
        Ok(())
    }
}
