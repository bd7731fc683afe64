//! Stopping what was cancelled. A hint names an execution, the database says whether its
//! cancellation was requested: nothing stops because somebody said so.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Notify;

use super::{context::lock, engine::Inner};
use crate::{model::ExecutionId, storage::Error};

/// Beyond so many hints all running executions are looked at instead.
const MAX_HINTS: usize = 10_000;
/// How soon an execution is looked for again that this node holds and has not begun to run yet.
const NOT_YET: Duration = Duration::from_millis(20);

/// Executions that were said to be cancelled.
#[derive(Default)]
pub(super) struct CancelHints {
    named: Mutex<HashSet<ExecutionId>>,
    heard: Notify,
}

impl CancelHints {
    pub(super) fn add(&self, id: ExecutionId) {
        let mut named = lock(&self.named);
        // What does not fit is found at the next beat, when all that runs is looked at.
        if named.len() < MAX_HINTS {
            named.insert(id);
        }
        drop(named);
        self.heard.notify_one();
    }

    fn take(&self) -> Vec<ExecutionId> {
        lock(&self.named).drain().collect()
    }
}

impl Inner {
    /// Follows the hints.
    pub(super) async fn cancel_loop(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.cancel_hints.heard.notified() => {}
                () = self.stopped.cancelled() => return,
            }
            match self.stop_cancelled(&self.cancel_hints.take()).await {
                Ok(not_yet) if not_yet.is_empty() => {}
                // The commit that gave them to this node was a moment ago.
                Ok(not_yet) => {
                    tokio::time::sleep(NOT_YET).await;
                    for id in not_yet {
                        self.cancel_hints.add(id);
                    }
                }
                // The next beat looks at everything.
                Err(error) => tracing::warn!(%error, "cancellations could not be looked for"),
            }
        }
    }

    /// Stops those of `ids` that this node runs and whose cancellation was requested; those that it
    /// holds and does not run yet.
    pub(super) async fn stop_cancelled(
        &self,
        ids: &[ExecutionId],
    ) -> Result<Vec<ExecutionId>, Error> {
        let mut not_yet = Vec::new();
        for id in self.storage.cancel_requested(self.node_id(), ids).await? {
            if !self.cancel_running(id) {
                not_yet.push(id);
            }
        }
        Ok(not_yet)
    }
}
