//! Executions that have ended, with the trees below them.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{
    super::super::retention::{ENDS, Retention},
    Engine, Removed,
};
use crate::{
    model::{ExecutionId, ExecutionStatus, Micros, TenantId},
    storage::{EndedRoot, Error, Sealer, Storage, Tree, TreeMember},
};

/// Roots that are looked at together.
const PAGE: u32 = 1_000;
/// Executions that one transaction removes: on SQLite everybody else waits for it.
const BATCH: usize = 200;

/// Executions may end so long after others that were accepted later: what was accepted within this time before the
/// ones that may go is looked at again in each round.
const OVERTAKEN_BY: Micros = 10 * 60 * 1_000_000;

/// The place of an execution among those of its tenant and its end.
type Place = (Micros, ExecutionId);

/// How far executions were looked through, by tenant and end, since when.
#[derive(Debug)]
pub(in crate::runtime) struct Positions {
    reached: HashMap<(TenantId, ExecutionStatus), Place>,
    since: Instant,
    are_used: bool,
}

impl Default for Positions {
    fn default() -> Self {
        Self {
            reached: HashMap::new(),
            since: Instant::now(),
            are_used: false,
        }
    }
}

impl Positions {
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Returns whether nothing was looked through yet.
    pub(super) fn are_fresh(&self) -> bool {
        !self.are_used
    }
}

/// Those of a page that may go.
pub(in crate::runtime) struct Due {
    /// They, and all below them, the deepest first.
    pub(in crate::runtime) members: Vec<TreeMember>,
    /// The number of those that are kept for ever.
    pub(in crate::runtime) forever: u64,
    /// The number of those that have not ended for long enough.
    pub(in crate::runtime) young: u64,
    /// The number of those below which something has not ended for long enough.
    pub(in crate::runtime) held: u64,
    /// The last place before which nothing will be due by the same times.
    passed: Option<Place>,
    /// True if nothing behind that place was held back.
    is_passed: bool,
    /// True if there is more below them.
    has_more: bool,
}

/// Of these roots, the trees that may go.
pub(in crate::runtime) async fn due(
    storage: &Storage,
    retention: &Retention,
    tenant: &TenantId,
    now: Micros,
    end: ExecutionStatus,
    roots: &[EndedRoot],
) -> Result<Due, Error> {
    let least = retention.least(tenant, end);
    let mut due = Due {
        members: Vec::new(),
        forever: 0,
        young: 0,
        held: 0,
        passed: None,
        is_passed: true,
        has_more: false,
    };
    let kept = |root: &EndedRoot| retention.kept_for(tenant, &root.intent_type, end);
    let ends: Vec<EndedRoot> = roots
        .iter()
        .filter(|root| kept(root).is_some_and(|kept| root.finished_at < now - kept))
        .cloned()
        .collect();
    let trees = storage.list_trees(tenant, &ends).await?;
    let mut trees: HashMap<ExecutionId, Tree> =
        ends.iter().map(|root| root.id).zip(trees).collect();
    for root in roots {
        let kept = kept(root);
        let tree = trees.remove(&root.id);
        let ended_at = tree.as_ref().and_then(|tree| tree.ended_at);
        let may_go = kept.zip(ended_at).is_some_and(|(kept, at)| at < now - kept);
        if kept.is_none() {
            due.forever += 1;
        } else if tree.is_none() {
            due.young += 1;
        } else if !may_go {
            due.held += 1;
        }
        if let Some(tree) = tree.filter(|_| may_go) {
            due.has_more |= !tree.is_whole;
            due.members.extend(tree.members);
        } else if kept == least {
            // It is due later than others that were accepted at that time.
            due.is_passed = false;
        }
        if due.is_passed {
            due.passed = Some(place(root));
        }
    }
    Ok(due)
}

impl Engine {
    /// Removes the tenant's executions that may go.
    pub(super) async fn remove_executions(
        &self,
        tenant: &TenantId,
        now: Micros,
        positions: &mut Positions,
        removed: &mut Removed,
    ) -> Result<(), Error> {
        positions.are_used = true;
        for end in ENDS {
            let Some(shortest) = self.settings.retention.least(tenant, end) else {
                continue;
            };
            let before = now.saturating_sub(shortest);
            let key = (tenant.clone(), end);
            let mut after = positions.reached.get(&key).copied();
            let mut is_passed = true;
            loop {
                let roots = self
                    .storage
                    .list_ended_roots(tenant, end, before, after, PAGE);
                let roots = roots.await?;
                let Some(last) = roots.last().map(place) else {
                    break;
                };
                let is_last = roots.len() < PAGE as usize;
                let retention = &self.settings.retention;
                let due = due(&self.storage, retention, tenant, now, end, &roots).await?;
                let count = self.remove_members(tenant, due.members).await?;
                removed.executions += count;
                if is_passed && let Some(passed) = due.passed {
                    let passed = passed.min((before.saturating_sub(OVERTAKEN_BY), passed.1));
                    positions.reached.insert(key.clone(), passed);
                }
                if due.has_more && count > 0 {
                    continue;
                }
                is_passed &= due.is_passed;
                after = Some(last);
                if is_last {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn remove_members(
        &self,
        tenant: &TenantId,
        members: Vec<TreeMember>,
    ) -> Result<u64, Error> {
        let seal = self.sealer().await?;
        let seal = seal.as_ref().map(|seal| seal as Sealer<'_>);
        let mut removed = 0;
        let mut members = members.into_iter().peekable();
        while members.peek().is_some() {
            let batch = members.by_ref().take(BATCH).collect();
            let begun = Instant::now();
            let count = self.storage.remove_executions(tenant, batch, seal).await?;
            if count == 0 {
                // Another node is at it; what comes next is above these.
                break;
            }
            removed += count as u64;
            self.rest(begun.elapsed()).await;
        }
        Ok(removed)
    }

    /// Leaves the writers to others for as long as they were taken, if somebody waits.
    pub(super) async fn rest(&self, taken: Duration) {
        if self.storage.queue_depth() > 0 {
            tokio::time::sleep(taken).await;
        }
    }
}

fn place(root: &EndedRoot) -> Place {
    (root.created_at, root.id)
}
