//! Stopping what was cancelled. A hint names an execution, the database says whether its
//! cancellation was requested: nothing stops because somebody said so.

use std::{sync::Arc, time::Duration};

use super::Engine;
use crate::{model::ExecutionId, storage::Error};

/// The time after which an execution is looked for again that this node holds and has not begun to
/// run yet.
const NOT_YET: Duration = Duration::from_millis(20);

impl Engine {
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
            if !self.running.cancel(id) {
                not_yet.push(id);
            }
        }
        Ok(not_yet)
    }
}
