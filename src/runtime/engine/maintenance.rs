//! The maintenance loop: recovery, the sweep, and other work that need not be done at once.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{BATCH, Engine};
use crate::{
    model::ExecutionId,
    storage::{Complete, Error, Fence, LivePlace, Outcome},
};

/// The period of looking for abandoned temporary objects, and the age at which one counts as
/// abandoned.
const TIDY_EVERY: Duration = Duration::from_hours(1);
const ABANDONED_AFTER: Duration = Duration::from_hours(24);

/// The sweep looks at so many live executions at a time, and goes on with the others the next time.
const SWEPT_AT_ONCE: u32 = 10_000;

/// The metric of what waits counts so far.
const DEPTH_COUNTED: u32 = 10_000;

/// When the sweep looked last, and how far it came.
struct Swept {
    at: Instant,
    executions: Option<LivePlace>,
    places: Option<ExecutionId>,
}

impl Engine {
    /// Runs recovery, the sweep, and other work that need not be done at once.
    pub(super) async fn maintenance_loop(self: Arc<Self>) {
        let mut swept = Swept {
            at: Instant::now(),
            executions: None,
            places: None,
        };
        let mut tidied = Instant::now();
        let mut suspects = HashSet::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.settings.heartbeat) => {}
                () = self.stopped.cancelled() => return,
            }
            if let Err(error) = self.care(&mut swept, &mut suspects).await {
                tracing::warn!(%error, "the round of care was not completed");
            }
            if tidied.elapsed() >= TIDY_EVERY {
                tidied = Instant::now();
                self.tidy().await;
            }
        }
    }

    /// Removes what uploads left behind whose process was killed.
    async fn tidy(&self) {
        let removed = self
            .content
            .sweep_temporaries(ABANDONED_AFTER, self.clock.now());
        match removed.await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "abandoned temporary objects were removed"),
            Err(error) => tracing::warn!(%error, "temporary objects could not be removed"),
        }
    }

    async fn care(&self, swept: &mut Swept, suspects: &mut HashSet<Fence>) -> Result<(), Error> {
        self.take_over().await?;
        self.give_back_strays(suspects).await?;
        self.notice_cancellations().await?;
        if swept.at.elapsed() >= self.settings.sweep {
            self.sweep(swept).await?;
        }
        let waiting = self.storage.queue_depth_up_to(DEPTH_COUNTED).await?;
        self.metrics
            .set_queue_depth(usize::try_from(waiting).unwrap_or(usize::MAX));
        let webhooks = self.storage.troubled_webhooks().await?;
        self.metrics
            .set_webhooks(webhooks.disabled, webhooks.failing);
        Ok(())
    }

    /// Looks for live executions without a place, and other work that need not be done at every beat.
    async fn sweep(&self, swept: &mut Swept) -> Result<(), Error> {
        swept.at = Instant::now();
        let repaired;
        let after = swept.executions.clone();
        (repaired, swept.executions) = self.storage.sweep(after, SWEPT_AT_ONCE).await?;
        if !repaired.is_empty() {
            self.metrics.swept(repaired.len() as u64);
            tracing::error!(
                count = repaired.len(),
                "live executions stood nowhere; repaired"
            );
        }
        let mended;
        (mended, swept.places) = self
            .storage
            .mend_limits(swept.places, SWEPT_AT_ONCE)
            .await?;
        if mended > 0 {
            self.metrics.swept(mended as u64);
            tracing::error!(
                count = mended,
                "places under limits were not given on; repaired"
            );
        }
        self.sweep_overtaken().await?;
        while self.storage.expire_sessions(BATCH).await? == BATCH {}
        while self.storage.roll_counts(BATCH).await? == BATCH {}
        self.storage.forget_dead_nodes().await
    }

    /// Takes back what dead incarnations hold, unless their processes may yet say that they live.
    pub(super) async fn take_over(&self) -> Result<(), Error> {
        if !self.has_lease() || self.lease.others_may_return() {
            return Ok(());
        }
        loop {
            let taken = self.storage.recover(BATCH).await?;
            if taken > 0 {
                tracing::info!(taken, "executions of dead nodes were taken back");
            }
            if taken < BATCH {
                return Ok(());
            }
        }
    }

    /// Gives back what this node holds and does not run, because the answer of the commit that gave
    /// it to the node was lost. What is between commit and start just now is not found twice; should
    /// it be, the fence ends one of the two.
    async fn give_back_strays(&self, suspects: &mut HashSet<Fence>) -> Result<(), Error> {
        let held = self.storage.leases_of(self.node_id()).await?;
        let strays = held.into_iter().filter(|fence| !self.running.runs(*fence));
        let strays: HashSet<Fence> = strays.collect();
        let before = std::mem::replace(suspects, strays.clone());
        for fence in strays.intersection(&before).copied() {
            let give_back = Complete {
                fence,
                outcome: Outcome::HandBack,
                artifacts: Vec::new(),
                transitions: Vec::new(),
            };
            match self.storage.complete(give_back).await {
                Ok(_) => tracing::warn!(
                    execution_id = %fence.execution_id,
                    "an execution was held and not run; it is given back"
                ),
                Err(Error::Fenced) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A cancellation whose hint was lost is noticed here.
    async fn notice_cancellations(&self) -> Result<(), Error> {
        self.stop_cancelled(&self.running.ids()).await.map(|_| ())
    }
}
