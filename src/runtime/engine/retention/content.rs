//! Objects of the content store to which nothing refers: payloads of what was removed, uploads that became nothing, what
//! was stored and never registered.

use std::time::{Duration, Instant};

use super::{
    super::super::{Error, unreferenced::Review},
    Engine,
};

/// The period at which the whole store is looked through.
pub(super) const PERIOD: Duration = Duration::from_hours(6);

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
    pub(super) fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Engine {
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
        let mut review = Review::of(&self.storage, self.content.withdrawn_objects(), before);
        while let Some(page) = review.next().await? {
            let begun = Instant::now();
            for object in &page.used {
                self.content.reinstate(object).await?;
                done.brought_back += 1;
            }
            for object in &page.free {
                self.content.remove_withdrawn(object).await?;
                done.removed += 1;
                done.removed_bytes += object.size_bytes;
            }
            self.rest(begun.elapsed()).await;
        }
        let mut review = Review::of(&self.storage, self.content.objects(), before);
        while let Some(page) = review.next().await? {
            let begun = Instant::now();
            for object in &page.free {
                self.content.withdraw(object, now).await?;
                done.withdrawn += 1;
            }
            self.rest(begun.elapsed()).await;
        }
        Ok(done)
    }
}
