//! The engine of a node: it takes what can run, keeps its lease, takes over from the dead.
//!
//! Nothing here assumes that it is the only node. What this process holds is known to the database
//! by its incarnation; when it cannot prolong that in time it stops its handlers before others may
//! take their executions.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{context::lock, limits::Limits, registry::IntentRegistry};
use crate::{
    clock::Clock,
    content::{ContentStore, Payloads},
    events::Events,
    ids::IdSource,
    model::{Execution, ExecutionId, NodeId},
    state_surface::StateSurface,
    storage::{Claim, Complete, Error, Fence, NewExecution, NodeInfo, Notice, Queue, Storage},
    telemetry::metrics::{Metrics, Tracked},
};

/// How a node works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name that operators see.
    pub node_name: String,
    /// How many executions run at once.
    pub max_concurrent_executions: usize,
    /// For how long the node's lease is prolonged.
    pub lease: Duration,
    /// How often.
    pub heartbeat: Duration,
    /// How long work may go unnoticed when no hint arrives.
    pub poll: Duration,
    /// How often live executions without a place are looked for.
    pub sweep: Duration,
    /// How long handlers may go on at shutdown.
    pub shutdown_grace: Duration,
    /// How long an idempotency key is remembered.
    pub idempotency_ttl_micros: i64,
    /// Whether this process is alone with its database, as with SQLite.
    pub is_alone: bool,
}

/// Executions taken back or timers fired in one transaction.
const BATCH: usize = 500;

/// A running execution, seen from outside.
struct Running {
    epoch: i64,
    cancellation: CancellationToken,
    lost: CancellationToken,
    _counted: Tracked,
}

pub(super) struct Inner {
    pub(super) storage: Storage,
    pub(super) content: ContentStore,
    pub(super) payloads: Payloads,
    pub(super) registry: IntentRegistry,
    pub(super) events: Events,
    pub(super) state: StateSurface,
    pub(super) limits: Limits,
    pub(super) settings: Settings,
    pub(super) ids: IdSource,
    pub(super) clock: Clock,
    pub(super) slots: Arc<Semaphore>,
    pub(super) tasks: TaskTracker,
    pub(super) handlers: tokio::runtime::Handle,
    pub(super) metrics: Metrics,
    /// Triggered when handlers that are still running must be given back.
    pub(super) hand_back: CancellationToken,
    pub(super) node: RwLock<NodeId>,
    draining: CancellationToken,
    stopped: CancellationToken,
    running: Mutex<HashMap<ExecutionId, Running>>,
    /// True while nothing is known to wait: only then may a submit start at once.
    nothing_waits: AtomicBool,
    claims: AtomicUsize,
    claim_wanted: Notify,
    timer_set: Notify,
    next_timer: Mutex<Option<i64>>,
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) storage: Storage,
    pub(crate) content: ContentStore,
    pub(crate) payloads: Payloads,
    pub(crate) registry: IntentRegistry,
    pub(crate) events: Events,
    pub(crate) state: StateSurface,
    pub(crate) limits: Limits,
    pub(crate) settings: Settings,
    pub(crate) ids: IdSource,
    pub(crate) clock: Clock,
    pub(crate) handlers: tokio::runtime::Handle,
    pub(crate) metrics: Metrics,
}

impl Inner {
    pub(super) fn new(parts: Parts) -> Self {
        let slots = Arc::new(Semaphore::new(parts.settings.max_concurrent_executions));
        let node = RwLock::new(parts.ids.node());
        Self {
            storage: parts.storage,
            content: parts.content,
            payloads: parts.payloads,
            registry: parts.registry,
            events: parts.events,
            state: parts.state,
            limits: parts.limits,
            settings: parts.settings,
            ids: parts.ids,
            clock: parts.clock,
            handlers: parts.handlers,
            metrics: parts.metrics,
            slots,
            node,
            tasks: TaskTracker::new(),
            hand_back: CancellationToken::new(),
            draining: CancellationToken::new(),
            stopped: CancellationToken::new(),
            running: Mutex::default(),
            nothing_waits: AtomicBool::new(false),
            claims: AtomicUsize::new(0),
            claim_wanted: Notify::new(),
            timer_set: Notify::new(),
            next_timer: Mutex::new(None),
        }
    }

    /// Announces the node and starts its loops.
    pub(super) async fn start(self: &Arc<Self>) -> Result<(), Error> {
        self.beat(true).await?;
        if self.settings.is_alone {
            self.storage.retire_others(self.node_id()).await?;
        }
        self.take_over().await?;
        let loops = [
            tokio::spawn(Arc::clone(self).claim_loop()),
            tokio::spawn(Arc::clone(self).timer_loop()),
            tokio::spawn(Arc::clone(self).heartbeat_loop()),
            tokio::spawn(Arc::clone(self).care_loop()),
            tokio::spawn(Arc::clone(self).notice_loop(self.storage.notices())),
            tokio::spawn(Arc::clone(self).notice_loop(self.events.remote_notices())),
        ];
        drop(loops);
        Ok(())
    }

    /// Stops accepting, lets handlers finish, gives the rest back and ends the incarnation.
    pub(super) async fn stop(&self) {
        self.draining.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.settings.shutdown_grace, self.tasks.wait())
            .await
            .is_err()
        {
            self.hand_back.cancel();
            let limit = Duration::from_secs(5);
            if tokio::time::timeout(limit, self.tasks.wait())
                .await
                .is_err()
            {
                tracing::warn!("some executions could not be given back; another node takes them");
            }
        }
        self.stopped.cancel();
        if let Err(error) = self.storage.retire(self.node_id()).await {
            tracing::warn!(%error, "the node's lease was not given back; it runs out by itself");
        }
    }

    /// Stops at once, as if the process had been killed.
    pub(super) fn crash(&self) {
        self.draining.cancel();
        self.stopped.cancel();
        self.lose_everything();
    }

    pub(super) fn refuse_while_draining(&self) -> Result<(), Error> {
        if self.draining.is_cancelled() {
            Err(Error::ShuttingDown)
        } else {
            Ok(())
        }
    }

    pub(super) fn node_id(&self) -> NodeId {
        *self
            .node
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How many executions run here now.
    pub(super) fn running_count(&self) -> usize {
        lock(&self.running).len()
    }

    /// A slot for an execution that may start at once: it waits for nothing and nothing waits.
    pub(super) fn free_slot_for(&self, new: &NewExecution) -> Option<OwnedSemaphorePermit> {
        let may_start = new.queue == Queue::Node
            && new.run_at.is_none()
            && self.nothing_waits.load(Ordering::Relaxed)
            && !self.draining.is_cancelled();
        may_start
            .then(|| Arc::clone(&self.slots).try_acquire_owned().ok())
            .flatten()
    }

    pub(super) fn register(
        &self,
        execution: &Execution,
        cancellation: CancellationToken,
    ) -> CancellationToken {
        let lost = CancellationToken::new();
        let running = Running {
            epoch: execution.epoch,
            cancellation,
            lost: lost.clone(),
            _counted: self.metrics.running(),
        };
        let mut all = lock(&self.running);
        all.insert(execution.id, running);
        lost
    }

    pub(super) fn unregister(&self, fence: Fence) {
        let mut all = lock(&self.running);
        // A later attempt of the same execution may have begun here meanwhile.
        if all
            .get(&fence.execution_id)
            .is_some_and(|running| running.epoch == fence.epoch)
        {
            all.remove(&fence.execution_id);
        }
        drop(all);
        if !self.nothing_waits.load(Ordering::Relaxed) {
            self.claim_wanted.notify_one();
        }
    }

    async fn claim_loop(self: Arc<Self>) {
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
                    () = self.claim_wanted.notified() => {}
                    () = tokio::time::sleep(self.settings.poll) => {}
                    () = self.draining.cancelled() => {}
                }
            }
        }
    }

    /// Fills the free slots; whether there may be more to take at once.
    async fn claim_once(self: &Arc<Self>) -> Result<bool, Error> {
        let free = self.slots.available_permits().min(BATCH);
        let wanted = u32::try_from(free).unwrap_or(0);
        let Ok(mut permits) = Arc::clone(&self.slots).try_acquire_many_owned(wanted) else {
            return Ok(false);
        };
        if wanted == 0 {
            return Ok(false);
        }
        let turn = self.claims.fetch_add(1, Ordering::Relaxed);
        let claim = Claim {
            node_id: self.node_id(),
            slots: free,
            turn,
        };
        let claimed = self.storage.claim(claim).await?;
        let more = claimed.len() == free;
        self.nothing_waits.store(!more, Ordering::Relaxed);
        for execution in claimed {
            if let Some(permit) = permits.split(1) {
                self.launch(execution, permit);
            }
        }
        Ok(more)
    }

    async fn timer_loop(self: Arc<Self>) {
        while !self.draining.is_cancelled() {
            let pause = match self.fire_due().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "timers could not be fired");
                    self.settings.poll
                }
            };
            tokio::select! {
                () = self.timer_set.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// Fires what is due; how long until the next look.
    async fn fire_due(&self) -> Result<Duration, Error> {
        loop {
            *lock(&self.next_timer) = None;
            let Some(due_in) = self.storage.next_timer_in().await? else {
                return Ok(self.settings.poll);
            };
            if due_in > 0 {
                *lock(&self.next_timer) = Some(self.clock.now() + due_in);
                let pause = Duration::from_micros(due_in.unsigned_abs());
                return Ok(pause.min(self.settings.poll));
            }
            self.storage.fire_timers(BATCH).await?;
        }
    }

    /// Prolongs the lease. A node that was declared dead, or could not prolong in time, stops what
    /// it runs and goes on under a new incarnation.
    async fn heartbeat_loop(self: Arc<Self>) {
        // Others may take over when the lease is out; this process stops its handlers before.
        let margin = self.settings.lease / 5;
        let held = self.settings.lease.saturating_sub(margin);
        let mut valid_until = Instant::now() + held;
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.settings.heartbeat) => {}
                () = self.stopped.cancelled() => return,
            }
            let asked = Instant::now();
            let left = valid_until.saturating_duration_since(asked);
            match tokio::time::timeout(left, self.beat(false)).await {
                Ok(Ok(true)) => {
                    valid_until = asked + held;
                }
                Ok(Ok(false)) => valid_until = self.reincarnate(valid_until, held).await,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the lease was not prolonged");
                    if Instant::now() + self.settings.heartbeat >= valid_until {
                        self.lose_everything();
                    }
                }
                Err(_) => {
                    tracing::warn!("the lease was not prolonged in time");
                    self.lose_everything();
                    valid_until = Instant::now() + self.settings.heartbeat;
                }
            }
        }
    }

    async fn reincarnate(&self, valid_until: Instant, held: Duration) -> Instant {
        tracing::warn!("this node was declared dead; it goes on under a new incarnation");
        self.lose_everything();
        if let Ok(mut node) = self.node.write() {
            *node = self.ids.node();
        }
        let asked = Instant::now();
        match self.beat(true).await {
            Ok(_) => asked + held,
            Err(error) => {
                tracing::warn!(%error, "the new incarnation was not announced");
                valid_until
            }
        }
    }

    async fn beat(&self, first: bool) -> Result<bool, Error> {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let info = NodeInfo {
            id: self.node_id(),
            name: self.settings.node_name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capacity: count(self.settings.max_concurrent_executions),
            running: count(self.running_count()),
            started_at: 0,
            expires_at: 0,
        };
        let lease_micros = i64::try_from(self.settings.lease.as_micros()).unwrap_or(i64::MAX);
        self.storage.beat(&info, lease_micros, first).await
    }

    /// Ends every handler of this node without recording anything.
    fn lose_everything(&self) {
        for running in lock(&self.running).values() {
            running.lost.cancel();
        }
    }

    /// Recovery, the sweep, and what else is done now and then.
    async fn care_loop(self: Arc<Self>) {
        let mut swept = Instant::now();
        let mut suspects = HashSet::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.settings.heartbeat) => {}
                () = self.stopped.cancelled() => return,
            }
            if let Err(error) = self.care(&mut swept, &mut suspects).await {
                tracing::warn!(%error, "the round of care was not completed");
            }
        }
    }

    async fn care(&self, swept: &mut Instant, suspects: &mut HashSet<Fence>) -> Result<(), Error> {
        self.take_over().await?;
        self.give_back_unknown(suspects).await?;
        self.notice_cancellations().await?;
        let waiting = self.storage.backlog().await?.ready;
        self.metrics
            .set_queue_depth(usize::try_from(waiting).unwrap_or(usize::MAX));
        if swept.elapsed() < self.settings.sweep {
            return Ok(());
        }
        *swept = Instant::now();
        let repaired = self.storage.sweep(BATCH).await?;
        if !repaired.is_empty() {
            self.metrics.swept(repaired.len() as u64);
            tracing::error!(
                count = repaired.len(),
                "live executions stood nowhere; repaired"
            );
        }
        while self.storage.expire_sessions(BATCH).await? == BATCH {}
        self.storage.forget_dead_nodes().await
    }

    /// Gives back what this node holds and does not run: the answer to its claim was lost with a
    /// connection. What was not running at two looks in a row is not just about to begin.
    async fn give_back_unknown(&self, suspects: &mut HashSet<Fence>) -> Result<(), Error> {
        let held = self.storage.held_by(self.node_id()).await?;
        let unknown: HashSet<Fence> = {
            let running = lock(&self.running);
            let is_known = |fence: &Fence| {
                let known = running.get(&fence.execution_id);
                known.is_some_and(|known| known.epoch == fence.epoch)
            };
            held.into_iter().filter(|fence| !is_known(fence)).collect()
        };
        for fence in unknown.intersection(suspects) {
            tracing::warn!(execution_id = %fence.execution_id, "held and not run; given back");
            match self.storage.complete(Complete::hand_back(*fence)).await {
                Ok(_) | Err(Error::Fenced) => {}
                Err(error) => return Err(error),
            }
        }
        *suspects = unknown;
        Ok(())
    }

    /// Takes back what dead incarnations hold.
    async fn take_over(&self) -> Result<(), Error> {
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

    /// A cancellation whose hint was lost is noticed here.
    async fn notice_cancellations(&self) -> Result<(), Error> {
        let ids: Vec<ExecutionId> = lock(&self.running).keys().copied().collect();
        for id in self.storage.cancel_requested(&ids).await? {
            self.cancel_running(id);
        }
        Ok(())
    }

    fn cancel_running(&self, id: ExecutionId) {
        if let Some(running) = lock(&self.running).get(&id) {
            running.cancellation.cancel();
        }
    }

    async fn notice_loop(self: Arc<Self>, mut notices: broadcast::Receiver<Arc<Vec<Notice>>>) {
        loop {
            let received = tokio::select! {
                received = notices.recv() => received,
                () = self.stopped.cancelled() => return,
            };
            match received {
                Ok(notices) => notices.iter().for_each(|notice| self.notice(notice)),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.claim_wanted.notify_one();
                    self.timer_set.notify_one();
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Ready => {
                self.nothing_waits.store(false, Ordering::Relaxed);
                self.claim_wanted.notify_one();
            }
            Notice::Timer(at) => {
                let known = *lock(&self.next_timer);
                if known.is_none_or(|next| *at < next) {
                    self.timer_set.notify_one();
                }
            }
            Notice::Cancel(id) => self.cancel_running(*id),
            Notice::Events { .. } => {}
        }
    }
}
