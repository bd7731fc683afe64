//! Filling the free slots: by claims, and with what must run alone.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{BATCH, Engine, drain::Taking, lock, parts::CHILD_SUBMITS};
use crate::{
    model::{Execution, Micros, Queue, TenantId},
    runtime::slots::SlotPermit,
    storage::{Claim, Error, Fence, NewExecution, Shares},
};

/// The time that the slots may take to become free for an execution that runs alone. Others that
/// run for longer are not stopped for it: it waits, on this node or another.
const QUIET_WITHIN: Duration = Duration::from_secs(30);
/// The time for which the others then have the slots for themselves.
const QUIET_PAUSE: Duration = Duration::from_mins(1);
/// The time for which an execution runs alone at first; twice as long after each further crash.
const SOLITUDE: Duration = Duration::from_mins(1);
/// That time is doubled this many times at most.
const SOLITUDE_DOUBLES: i64 = 6;

/// Shares in which a tenant gets fewer slots the more of its executions wait for their turn to submit
/// children, and none when as many wait as may submit: what it starts would wait, too, and holds its
/// parameters meanwhile.
fn bounded(mut shares: Shares, waiting: Vec<(TenantId, usize)>) -> Shares {
    for (tenant, waiting) in waiting {
        let room = CHILD_SUBMITS.saturating_sub(waiting);
        let held = shares.held.entry(tenant).or_default();
        *held = (*held).max(shares.cap.saturating_sub(room));
    }
    shares
}

impl Engine {
    /// A slot for an execution that may start at once: it waits for nothing and nothing waits. The leave to take it is
    /// held until the execution is known to run here.
    pub(in crate::runtime) fn free_slot_for(
        &self,
        tenant: &TenantId,
        new: &NewExecution,
    ) -> Option<(SlotPermit, Taking)> {
        let may_start = new.queue.is_served_by(&self.settings.labels)
            && new.run_at.is_none()
            && self.has_lease()
            && !self.draining.is_cancelled()
            && self.claims.child_submits.waiting(tenant) < CHILD_SUBMITS;
        let taking = self.drain.take().filter(|_| may_start)?;
        let permit = self.slots.try_start(tenant, new.parent.is_none())?;
        Some((permit, taking))
    }

    /// The queues from which this node takes; another one comes first each time. Only those that need labels are looked
    /// for, by a node that has some.
    async fn queues(&self) -> Result<Vec<Queue>, Error> {
        let mut queues = vec![Queue::Node];
        if !self.settings.labels.is_empty() {
            let waiting = self.storage.waiting_queues().await?.into_iter();
            let served = waiting.filter(|queue| queue.is_served_by(&self.settings.labels));
            queues.extend(served.filter(|queue| *queue != Queue::Node));
            let first = self.claims.count.fetch_add(1, Ordering::Relaxed) % queues.len();
            queues.rotate_left(first);
        }
        Ok(queues)
    }

    /// Who may have how many of the free slots.
    fn shares(&self) -> Shares {
        bounded(self.slots.shares(), self.claims.child_submits.all_waiting())
    }

    /// The next turn of a tenant to submit a child. It must not be kept while an execution is waited
    /// for, or those that have one could wait for each other.
    pub(in crate::runtime) async fn child_turn(
        &self,
        tenant: &TenantId,
    ) -> Option<OwnedSemaphorePermit> {
        let before = self.claims.child_submits.waiting(tenant);
        let turn = self.claims.child_submits.take(tenant).await;
        let left = self.claims.child_submits.waiting(tenant);
        // Now and then on the way down: there is room again for those that were not let in.
        if before > 0 && left < CHILD_SUBMITS && left.is_multiple_of(CHILD_SUBMITS / 8) {
            self.slots.look();
        }
        turn
    }

    pub(super) async fn claim_loop(self: Arc<Self>) {
        while !self.draining.is_cancelled() {
            let more = match self.claim_once().await {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(%error, "nothing could be claimed");
                    false
                }
            };
            if !more {
                tokio::select! {
                    () = self.slots.claim_wanted() => {}
                    () = tokio::time::sleep(self.settings.poll) => {}
                    () = self.draining.cancelled() => {}
                }
            }
        }
    }

    /// Fills the free slots; whether there may be more to take at once.
    async fn claim_once(self: &Arc<Self>) -> Result<bool, Error> {
        if !self.has_lease() {
            return Ok(false);
        }
        let Some(_taking) = self.drain.take() else {
            return Ok(false);
        };
        let queues = self.queues().await?;
        lock(&self.claims.last_turns).retain(|queue, _| queues.contains(queue));
        let (mut more_wait, mut go_on) = (false, false);
        for queue in queues {
            let roots = self.slots.roots_allowed();
            let Some(mut permits) = self.slots.reserve(BATCH) else {
                more_wait = true;
                break;
            };
            let node_id = self.node_id();
            let claim = Claim {
                node_id,
                queue: queue.clone(),
                alone: false,
                slots: permits.num_permits(),
                roots,
                after: lock(&self.claims.last_turns).get(&queue).cloned(),
                shares: self.shares(),
            };
            let claimed = self.storage.claim(claim).await?;
            more_wait |= claimed.more_wait;
            go_on |= claimed.go_on;
            match claimed.last {
                Some(last) => lock(&self.claims.last_turns).insert(queue, last),
                None => lock(&self.claims.last_turns).remove(&queue),
            };
            if !self.is_still(node_id) {
                return Ok(false);
            }
            for execution in claimed.executions {
                if let Some(permit) = permits.split(1) {
                    let permit = self.slots.give(permit, execution.intent.tenant_id.clone());
                    self.launch(execution, claimed.at, permit);
                }
            }
        }
        self.slots.note_waiting(more_wait);
        Ok(go_on)
    }

    /// Runs what was lost with its process again and again: one at a time, and nothing beside it.
    pub(super) async fn solitude_loop(self: Arc<Self>) {
        loop {
            let pause = match self.run_alone().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "what must run alone could not be claimed");
                    self.settings.heartbeat
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.draining.cancelled() => return,
            }
        }
    }

    /// The first queue of this node in which something waits that runs alone.
    async fn queue_with_a_lonely_one(&self) -> Result<Option<Queue>, Error> {
        if !self.has_lease() || self.drain.take().is_none() {
            return Ok(None);
        }
        for queue in self.queues().await? {
            if self.storage.something_waits_alone(&queue).await? {
                return Ok(Some(queue));
            }
        }
        Ok(None)
    }

    /// Runs one execution alone, if one waits for that; how long until the next look.
    async fn run_alone(self: &Arc<Self>) -> Result<Duration, Error> {
        let Some(queue) = self.queue_with_a_lonely_one().await? else {
            return Ok(self.settings.heartbeat);
        };
        let all = tokio::time::timeout(QUIET_WITHIN, self.slots.reserve_all()).await;
        let Ok(Some(mut all)) = all else {
            tracing::info!("what must run alone waits: others run for long here");
            return Ok(QUIET_PAUSE);
        };
        let Some(taking) = self.drain.take() else {
            return Ok(self.settings.heartbeat);
        };
        let node_id = self.node_id();
        let shares = Shares {
            cap: 1,
            ..self.slots.shares()
        };
        let claim = Claim {
            node_id,
            queue,
            alone: true,
            slots: 1,
            roots: 1,
            after: None,
            shares,
        };
        let claimed = self.storage.claim(claim).await?;
        let Some(execution) = claimed.executions.into_iter().next() else {
            return Ok(self.settings.heartbeat);
        };
        if let (true, Some(permit)) = (self.is_still(node_id), all.split(1)) {
            self.in_solitude(execution, claimed.at, permit, taking)
                .await;
        }
        drop(all);
        Ok(Duration::ZERO)
    }

    /// Returns when the execution has ended, or need no longer be alone.
    async fn in_solitude(
        self: &Arc<Self>,
        execution: Execution,
        at: Micros,
        permit: OwnedSemaphorePermit,
        taking: Taking,
    ) {
        tracing::warn!(
            execution_id = %execution.id,
            crashes = execution.crashes,
            "an execution was lost with its process again and again; it runs alone"
        );
        let fence = Fence {
            execution_id: execution.id,
            epoch: execution.epoch,
        };
        let doubles = (execution.crashes - 2).clamp(0, SOLITUDE_DOUBLES);
        let limit = SOLITUDE * 2_u32.pow(u32::try_from(doubles).unwrap_or(0));
        let company = CancellationToken::new();
        let permit = self.slots.give(permit, execution.intent.tenant_id.clone());
        let ended = self.launch(execution, at, permit.alone(company.clone()));
        drop(taking);
        tokio::select! {
            _ = ended => {}
            () = company.cancelled() => {}
            () = tokio::time::sleep(limit) => {
                if let Err(error) = self.storage.end_solitude(fence).await {
                    tracing::debug!(%error, "the execution has ended meanwhile");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Arc};

    use super::*;

    #[test]
    fn the_more_of_a_tenants_executions_wait_to_submit_children_the_fewer_are_started() {
        let tenant = |name: &str| name.parse::<TenantId>().unwrap();
        let shares = Shares {
            held: HashMap::from([(tenant("many"), 10), (tenant("other"), 10)]),
            cap: 800,
            weights: Arc::default(),
        };
        let waiting = [("few", 8), ("many", CHILD_SUBMITS - 28), ("flood", 5_000)];
        let waiting = waiting.map(|(name, count)| (tenant(name), count));
        let shares = bounded(shares, waiting.to_vec());
        let left = |name: &str| 800 - shares.held.get(&tenant(name)).copied().unwrap_or(0);
        let left = ["few", "many", "flood", "other", "new"].map(left);
        assert_eq!(left, [CHILD_SUBMITS - 8, 28, 0, 790, 800]);
    }
}
