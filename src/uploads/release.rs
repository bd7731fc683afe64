//! Content of deleted artifacts goes: after a grace it is put aside, and a while later, if nothing
//! holds it by then, removed.
//!
//! Aside it can be brought back. A handler that stores bytes which are there already stores nothing,
//! and registers them when it completes; whatever comes between is noticed at the second look.

use std::{collections::HashSet, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Error, Uploads};
use crate::{
    content::Digest,
    model::{ArtifactId, Micros, TenantId, TenantScope},
    storage::Release,
};

/// Releases looked at together.
const BATCH: u32 = 200;
/// The longest time that content lies aside.
const MAX_ASIDE: Duration = Duration::from_hours(1);
/// The period of the maintenance loop that looks for content that is due.
const PERIOD: Duration = Duration::from_mins(1);

impl Uploads {
    /// Releases the content of deleted artifacts now and then, until `stop`.
    pub async fn release_until(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = stop.cancelled() => return,
            }
            match self.release_deleted().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "content of deleted artifacts was released"),
                Err(error) => tracing::warn!(%error, "deleted content could not be released"),
            }
        }
    }

    /// Releases the content of artifacts whose grace is over; how many of them are done with.
    ///
    /// # Errors
    /// When the database or the content store is away; what is left is done the next time.
    pub async fn release_deleted(&self) -> Result<usize, Error> {
        let now = self.0.clock.now();
        let grace = micros(self.0.settings.deleted_grace);
        let releases = self.0.storage.list_releases(now - grace, BATCH).await?;
        let used = self.used(&releases, now - grace).await?;
        let (fresh, aside): (Vec<&Release>, Vec<&Release>) = releases
            .iter()
            .partition(|release| release.aside_at.is_none());
        self.put_aside(&fresh, &used, now).await?;
        let aside_since = now - grace.min(micros(MAX_ASIDE));
        self.remove(&aside, &used, aside_since).await
    }

    async fn put_aside(
        &self,
        fresh: &[&Release],
        used: &HashSet<(TenantId, String)>,
        now: Micros,
    ) -> Result<(), Error> {
        for (scope, digest) in free(fresh, used) {
            self.0.content.put_aside(&scope, &digest).await?;
        }
        let noted = self.0.storage.advance_releases(ids(fresh), Some(now));
        Ok(noted.await?)
    }

    /// Brings back content that is in use again, and removes what has been aside for long enough.
    async fn remove(
        &self,
        aside: &[&Release],
        used: &HashSet<(TenantId, String)>,
        aside_since: Micros,
    ) -> Result<usize, Error> {
        for release in aside {
            for key in keys(release) {
                if let (true, Ok(digest)) = (used.contains(&key), key.1.parse()) {
                    self.0.content.bring_back(&release.scope, &digest).await?;
                }
            }
        }
        let over: Vec<&Release> = aside
            .iter()
            .copied()
            .filter(|release| release.aside_at.is_some_and(|at| at <= aside_since))
            .collect();
        for (scope, digest) in free(&over, used) {
            self.0.content.remove_aside(&scope, &digest).await?;
        }
        self.0.storage.advance_releases(ids(&over), None).await?;
        Ok(over.len())
    }

    async fn used(
        &self,
        releases: &[Release],
        uploaded_after: Micros,
    ) -> Result<HashSet<(TenantId, String)>, Error> {
        let digests: HashSet<_> = releases.iter().flat_map(keys).collect();
        let digests: Vec<_> = digests.into_iter().collect();
        let storage = &self.0.storage;
        Ok(storage.digests_in_use(&digests, uploaded_after).await?)
    }
}

fn ids(releases: &[&Release]) -> Vec<ArtifactId> {
    releases.iter().map(|release| release.artifact_id).collect()
}

/// The stored forms of a release, by tenant and digest.
fn keys(release: &Release) -> impl Iterator<Item = (TenantId, String)> {
    let tenant = release.scope.tenant();
    let digests = release.digests.iter();
    digests.map(move |digest| (tenant.clone(), digest.clone()))
}

/// The digests of these releases that nothing uses.
fn free(releases: &[&Release], used: &HashSet<(TenantId, String)>) -> Vec<(TenantScope, Digest)> {
    let of_one = |release: &Release| -> Vec<(TenantScope, Digest)> {
        let free = keys(release).filter(|key| !used.contains(key));
        free.filter_map(|(_, digest)| Some((release.scope.clone(), digest.parse().ok()?)))
            .collect()
    };
    releases
        .iter()
        .flat_map(|release| of_one(release))
        .collect()
}

fn micros(duration: Duration) -> Micros {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
