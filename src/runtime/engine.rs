//! The engine of a node: it takes what can run, keeps its lease, takes over from the dead.
//!
//! Nothing here assumes that it is the only node. What this process holds is known to the database
//! by its incarnation; when it cannot prolong that in time it stops its handlers before others may
//! take their executions.

mod cancelling;
mod claims;
mod lease;
mod maintenance;
mod notices;
mod parking;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    cancellation::CancelHints, catalog::Catalog, context::lock, handlers::Handlers, limits::Limits,
    registry::IntentRegistry, slots::Slots, trees::Trees,
};
use crate::{
    clock::Clock,
    content::{ContentStore, Payloads},
    events::Events,
    ids::IdSource,
    model::{Execution, ExecutionId, NodeId, Places, TenantId},
    state_surface::StateSurface,
    storage::{Error, Fence, LeaseConnection, Storage},
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
    /// How many of a hundred slots one tenant may hold.
    pub tenant_slots_percent: usize,
    /// How many slots a tenant gets for each one of another, where that is not one.
    pub tenant_weights: HashMap<TenantId, u32>,
    /// How often live executions without a place are looked for.
    pub sweep: Duration,
    /// How long handlers may go on at shutdown.
    pub shutdown_grace: Duration,
    /// How long an idempotency key is remembered.
    pub idempotency_ttl_micros: i64,
    /// Whether this process is alone with its database, as with SQLite.
    pub is_alone: bool,
}

/// How often a node that stops looks whether anything still runs.
const STOPPING_POLL: Duration = Duration::from_millis(20);

/// So many children of one tenant are on their way into the database at once: as many as two
/// transactions take while several tenants write, one on its way and one that gathers.
const CHILD_SUBMITS: usize = 128;

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
    pub(super) catalog: Catalog,
    /// The code of those that run here.
    pub(super) functions: Handlers,
    pub(super) events: Events,
    pub(super) state: StateSurface,
    pub(super) limits: Limits,
    pub(super) settings: Settings,
    pub(super) ids: IdSource,
    pub(super) clock: Clock,
    pub(super) slots: Arc<Slots>,
    pub(super) trees: Trees,
    /// Turns to submit a child.
    child_submits: Places,
    /// Parents of children that have ended, which do not run here.
    ended_below: Mutex<Vec<ExecutionId>>,
    wake_wanted: Notify,
    /// Cancelled executions below which this node goes on.
    cancelled_above: Mutex<Vec<ExecutionId>>,
    cancel_below_wanted: Notify,
    pub(super) tasks: TaskTracker,
    pub(super) handlers: tokio::runtime::Handle,
    /// A thread for the lease alone.
    lease: tokio::runtime::Handle,
    lease_task: Mutex<Option<JoinHandle<LeaseConnection>>>,
    pub(super) metrics: Metrics,
    /// Triggered when handlers that are still running must be given back.
    pub(super) hand_back: CancellationToken,
    pub(super) node: RwLock<NodeId>,
    /// False from when the lease was given up until a new incarnation is announced.
    has_lease: AtomicBool,
    /// Where the engine's own tasks run, whoever starts them.
    pub(super) engine: tokio::runtime::Handle,
    draining: CancellationToken,
    pub(super) stopped: CancellationToken,
    pub(super) cancel_hints: CancelHints,
    running: Mutex<HashMap<ExecutionId, Running>>,
    /// The tenant after which the next claim's turns go on.
    last_turn: Mutex<Option<TenantId>>,
    /// Until when the processes of dead incarnations may still report that they live.
    others_may_return: Mutex<Option<Instant>>,
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
    pub(crate) lease: tokio::runtime::Handle,
    pub(crate) metrics: Metrics,
}

impl Inner {
    pub(super) fn new(parts: Parts) -> Self {
        let settings = &parts.settings;
        let slots = Arc::new(Slots::new(
            settings.max_concurrent_executions,
            settings.tenant_slots_percent,
            settings.tenant_weights.clone(),
        ));
        let node = RwLock::new(parts.ids.node());
        let (catalog, functions) = parts.registry.into_parts();
        Self {
            storage: parts.storage,
            content: parts.content,
            payloads: parts.payloads,
            catalog,
            functions,
            events: parts.events,
            state: parts.state,
            limits: parts.limits,
            settings: parts.settings,
            ids: parts.ids,
            clock: parts.clock,
            handlers: parts.handlers,
            lease: parts.lease,
            lease_task: Mutex::default(),
            metrics: parts.metrics,
            slots,
            trees: Trees::default(),
            child_submits: Places::new(CHILD_SUBMITS),
            ended_below: Mutex::default(),
            wake_wanted: Notify::new(),
            cancelled_above: Mutex::default(),
            cancel_below_wanted: Notify::new(),
            node,
            has_lease: AtomicBool::new(true),
            engine: tokio::runtime::Handle::current(),
            tasks: TaskTracker::new(),
            hand_back: CancellationToken::new(),
            draining: CancellationToken::new(),
            stopped: CancellationToken::new(),
            cancel_hints: CancelHints::default(),
            running: Mutex::default(),
            last_turn: Mutex::default(),
            others_may_return: Mutex::default(),
            timer_set: Notify::new(),
            next_timer: Mutex::new(None),
        }
    }

    /// Announces the node and starts its loops.
    pub(super) async fn start(self: &Arc<Self>) -> Result<(), Error> {
        self.hold_lease().await?;
        if self.settings.is_alone {
            self.storage.retire_others(self.node_id()).await?;
        }
        self.take_over().await?;
        let loops = [
            tokio::spawn(Arc::clone(self).claim_loop()),
            tokio::spawn(Arc::clone(self).solitude_loop()),
            tokio::spawn(Arc::clone(self).timer_loop()),
            tokio::spawn(Arc::clone(self).wake_loop()),
            tokio::spawn(Arc::clone(self).care_loop()),
            tokio::spawn(Arc::clone(self).cancel_loop()),
            tokio::spawn(Arc::clone(self).cancel_below_loop()),
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
        let ended = async {
            tokio::select! {
                () = self.tasks.wait() => true,
                () = self.only_waiting() => false,
            }
        };
        let ended = tokio::time::timeout(self.settings.shutdown_grace, ended).await;
        if !ended.unwrap_or(false) {
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
        self.release_lease().await;
    }

    /// Returns when nothing runs but executions that wait for children. This node starts none any
    /// more, so there is nothing to stay for: another one goes on with them.
    async fn only_waiting(&self) {
        while self.slots.in_use() > 0 {
            tokio::time::sleep(STOPPING_POLL).await;
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

    fn has_lease(&self) -> bool {
        self.has_lease.load(Ordering::Relaxed)
    }

    /// Whether what was started under this incarnation still belongs to this process.
    pub(super) fn is_still(&self, node: NodeId) -> bool {
        self.has_lease() && self.node_id() == node
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

    /// Tells the handler to stop; false when the execution does not run here.
    pub(super) fn cancel_running(&self, id: ExecutionId) -> bool {
        let running = lock(&self.running);
        let found = running.get(&id);
        if let Some(running) = found {
            running.cancellation.cancel();
        }
        found.is_some()
    }
}
