//! What has ended besides executions.

use std::time::Instant;

use super::{Engine, Removed};
use crate::{
    model::{Micros, TenantId},
    storage::{Ended, Error, Sealer},
};

/// Rows that are looked at, and removed, together.
const PAGE: u32 = 500;

impl Engine {
    /// Removes what has ended of the tenant and was kept for long enough.
    pub(super) async fn remove_ended(
        &self,
        tenant: &TenantId,
        now: Micros,
        removed: &mut Removed,
    ) -> Result<(), Error> {
        let seal = self.sealer().await?;
        let seal = seal.as_ref().map(|seal| seal as Sealer<'_>);
        for kind in Ended::ALL {
            let Some(kept) = self.settings.retention.ended.get(&kind) else {
                continue;
            };
            let (before, mut after) = (now.saturating_sub(*kept), None);
            loop {
                let page = self.storage.list_ended(tenant, kind, before, after, PAGE);
                let page = page.await?;
                let looked_at = page.len() + page.kept;
                after = page.last;
                if !page.is_empty() {
                    let begun = Instant::now();
                    let count = self.storage.remove_ended(tenant, kind, page, seal);
                    removed.ended += count.await? as u64;
                    self.rest(begun.elapsed()).await;
                }
                if looked_at < PAGE as usize {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Forgets the keys of requests whose time has passed.
    pub(super) async fn forget_keys(&self, removed: &mut Removed) -> Result<(), Error> {
        loop {
            let begun = Instant::now();
            let count = self.storage.forget_keys(PAGE).await?;
            removed.keys += count as u64;
            if count < PAGE as usize {
                return Ok(());
            }
            self.rest(begun.elapsed()).await;
        }
    }

    /// Forgets the sessions of browsers that were ended by logging out, and would have ended by themselves by now.
    pub(super) async fn forget_logouts(&self) -> Result<(), Error> {
        loop {
            let begun = Instant::now();
            if self.storage.forget_logouts(PAGE).await? < PAGE as usize {
                return Ok(());
            }
            self.rest(begun.elapsed()).await;
        }
    }
}
