//! Cancelling what a later execution has overtaken, where a limit says so.
//!
//! Whoever comes waits like others until those before it have left their places. The node that accepted it cancels
//! these; should it end first, the next sweep of any node does.

use std::sync::Arc;

use super::{Engine, lock};
use crate::storage::Error;

/// Buckets that a sweep looks at.
const SWEPT: u32 = 1_000;

impl Engine {
    /// Something waits in a bucket whose limit lets nothing wait.
    pub(super) fn overtaken(&self, bucket: &str) {
        lock(&self.overtaking.buckets).insert(bucket.to_owned());
        self.overtaking.wanted.notify_one();
    }

    pub(super) async fn overtaken_loop(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.overtaking.wanted.notified() => {}
                () = self.stopped.cancelled() => return,
            }
            let buckets = std::mem::take(&mut *lock(&self.overtaking.buckets));
            for bucket in buckets {
                if let Err(error) = self.cancel_overtaken(&bucket).await {
                    tracing::warn!(%error, "what a later execution has overtaken was not cancelled");
                }
            }
        }
    }

    /// Looks for what the node that should have done it has not cancelled.
    pub(super) async fn sweep_overtaken(&self) -> Result<(), Error> {
        for bucket in self.storage.overtaken_buckets(SWEPT).await? {
            self.cancel_overtaken(&bucket).await?;
        }
        Ok(())
    }

    async fn cancel_overtaken(&self, bucket: &str) -> Result<(), Error> {
        for (scope, id, limit) in self.storage.overtaken_in(bucket).await? {
            let reason = format!("a later execution has its place under the limit {limit}");
            let cancelled = self
                .storage
                .cancel(scope, id, Some(reason), "runtime".to_owned());
            match cancelled.await {
                // It has ended meanwhile.
                Ok(_) | Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
