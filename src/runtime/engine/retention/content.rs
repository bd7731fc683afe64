//! Objects of the content store to which nothing refers: payloads of what was removed, uploads that became nothing, what
//! was stored and never registered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::super::{Error, unreferenced::Review},
    Engine,
};
use crate::content::{self, StoredObject};

/// The period at which the whole store is looked through.
const PERIOD: Duration = Duration::from_hours(6);

/// What was done with objects to which nothing refers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unreferenced {
    /// Objects that were withdrawn.
    pub withdrawn: u64,
    /// Objects that were removed for good.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Objects that were brought back, for something refers to them again.
    pub brought_back: u64,
}

impl Unreferenced {
    fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Engine {
    /// Looks through the content store now and then, until the node stops.
    pub(in crate::runtime::engine) async fn content_loop(self: Arc<Self>) {
        if self.settings.retention.unreferenced.is_none() {
            return;
        }
        let mut wait = self.settings.retention.period;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stopped.cancelled() => return,
            }
            wait = PERIOD;
            let looking = async {
                // A node of a version before this one does not find what was withdrawn.
                if self.does_retention().await? && self.all_run_this_version().await? {
                    self.remove_unreferenced().await
                } else {
                    Ok(Unreferenced::default())
                }
            };
            let done = tokio::select! {
                done = looking => done,
                () = self.stopped.cancelled() => return,
            };
            match done {
                Ok(done) if done.is_nothing() => {}
                Ok(done) => tracing::info!(?done, "content to which nothing refers was taken away"),
                Err(error) => tracing::warn!(%error, "the content store was not looked through"),
            }
        }
    }

    /// Removes objects that were withdrawn for long enough and to which nothing refers still, and withdraws others to
    /// which nothing refers. Does nothing where another installation uses the store, too.
    pub(in crate::runtime) async fn remove_unreferenced(&self) -> Result<Unreferenced, Error> {
        let mut done = Unreferenced::default();
        let Some(grace) = self.settings.retention.unreferenced else {
            return Ok(done);
        };
        let installation = self.storage.installation_id().await?.to_string();
        if !self.content.is_only_used_by(&installation).await? {
            tracing::warn!(
                "nothing is removed from the content store, for another installation has used it, too: see \
                 docs/retention.md"
            );
            return Ok(done);
        }
        let now = self.clock.now();
        let before = now.saturating_sub(grace);
        let mut faults = Faults::default();
        let mut review = Review::of(&self.storage, self.content.withdrawn_objects(), before);
        while let Some(page) = review.next().await? {
            let begun = Instant::now();
            for object in &page.used {
                let reinstated = self.content.reinstate(object).await;
                done.brought_back += u64::from(faults.pass(reinstated, object)?);
            }
            for object in &page.free {
                let removed = self.content.remove_withdrawn(object).await;
                if faults.pass(removed, object)? {
                    done.removed += 1;
                    done.removed_bytes += object.size_bytes;
                }
            }
            self.rest(begun.elapsed()).await;
        }
        let mut review = Review::of(&self.storage, self.content.objects(), before);
        while let Some(page) = review.next().await? {
            let begun = Instant::now();
            for object in &page.free {
                let withdrawn = self.content.withdraw(object, now).await;
                done.withdrawn += u64::from(faults.pass(withdrawn, object)?);
            }
            self.rest(begun.elapsed()).await;
        }
        Ok(done)
    }
}

/// Objects at which something failed: one that cannot be moved does not end the round.
#[derive(Default)]
struct Faults(u32);

impl Faults {
    const MOST: u32 = 100;

    /// Returns whether it was done; an error when too many were not.
    fn pass(
        &mut self,
        result: Result<(), content::Error>,
        object: &StoredObject,
    ) -> Result<bool, Error> {
        let Err(error) = result else {
            return Ok(true);
        };
        tracing::warn!(%error, tenant = %object.tenant, digest = %object.digest, "an object was left as it is");
        self.0 += 1;
        if self.0 > Self::MOST {
            return Err(error.into());
        }
        Ok(false)
    }
}
