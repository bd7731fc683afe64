//! The engine of a node: it takes what can run, keeps its lease, takes over from the dead.
//!
//! Nothing here assumes that it is the only node. What this process holds is known to the database
//! by its incarnation; when it cannot prolong that in time it stops its handlers before others may
//! take their executions.

mod cancel_hints;
mod cancelling;
mod claims;
mod drain;
mod lease;
mod limits;
mod maintenance;
mod notices;
mod operations;
mod parking;
mod parts;
mod retention;
mod running;
mod schedules;
mod timers;
mod webhooks;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    attempt::Handles, catalog::Catalog, error::Error, handlers::Handlers, limits::Limits,
    mutex::lock, registry::IntentRegistry, retention::Retention, slots::Slots, trees::Trees,
    webhooks::courier::Courier,
};
use crate::{
    artifact_registry::ArtifactRegistry,
    clock::Clock,
    content::{ContentStore, Payloads},
    events::{CheckpointKeys, Events},
    executions::Executions,
    ids::IdSource,
    model::{Budget, Labels, Micros, NodeId, OperationId, TenantId},
    policy::Policies,
    quotas::Quotas,
    state_surface::StateSurface,
    storage::Storage,
    telemetry::metrics::Metrics,
    vault::Vault,
};
use drain::{Drain, HandOver};
use parts::{CancelHints, Cancelling, Claims, NodeLease, Overtaking, Parking, Timers};
pub(super) use retention::due;
pub use retention::{Removed, Unreferenced};
use running::RunningSet;
use webhooks::Deliveries;
pub use webhooks::DeliverySettings;

/// The version that this node tells others.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The settings of a node's engine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name that operators see.
    pub node_name: String,
    /// Its labels.
    pub labels: Labels,
    /// The number of executions that run at once.
    pub max_concurrent_executions: usize,
    /// For how long the node's lease is prolonged.
    pub lease: Duration,
    /// The period at which the lease is prolonged.
    pub heartbeat: Duration,
    /// The time for which work may go unnoticed when no hint arrives.
    pub poll: Duration,
    /// The slots, in percent, that one tenant may hold.
    pub tenant_slots_percent: usize,
    /// The slots that a tenant gets for each one of another, where that is not one.
    pub tenant_weights: HashMap<TenantId, u32>,
    /// The period of the sweep for live executions without a place.
    pub sweep: Duration,
    /// The time for which handlers may go on at shutdown.
    pub shutdown_grace: Duration,
    /// The same where other nodes may go on with them.
    pub hand_over: Duration,
    /// The time for which an idempotency key is remembered.
    pub idempotency_ttl_micros: i64,
    /// True if this process is alone with its database, as with SQLite.
    pub is_alone: bool,
    /// How long what has ended is kept.
    pub retention: Retention,
    /// How events are delivered to webhooks.
    pub deliveries: DeliverySettings,
}

/// The period at which a node that stops looks whether anything still runs.
const STOPPING_POLL: Duration = Duration::from_millis(20);

/// The longest time that a node which stops takes to ask the database for something.
const ASKED_WHILE_STOPPING: Duration = Duration::from_millis(500);

/// Executions taken back or timers fired in one transaction.
const BATCH: usize = 500;

/// The runtime of one node: what its loops and its attempts share.
pub(super) struct Engine {
    pub(super) quotas: Quotas,
    /// Pays for what is delivered.
    budget: Arc<Budget>,
    pub(super) policies: Policies,
    pub(super) storage: Storage,
    pub(super) content: ContentStore,
    pub(super) payloads: Payloads,
    /// None where no handler has sensitive parameters.
    pub(super) vault: Option<Vault>,
    pub(super) catalog: Catalog,
    /// The code of those that run here.
    pub(super) functions: Handlers,
    pub(super) events: Events,
    /// None where the log is not signed.
    checkpoints: Option<CheckpointKeys>,
    pub(super) limits: Limits,
    pub(super) settings: Settings,
    pub(super) ids: IdSource,
    pub(super) clock: Clock,
    pub(super) slots: Arc<Slots>,
    pub(super) trees: Trees,
    pub(super) running: RunningSet,
    claims: Claims,
    timers: Timers,
    /// A schedule was made, or is due earlier than it was.
    pub(super) schedules_changed: Notify,
    /// A bulk operation has begun.
    pub(super) operations_begun: Notify,
    /// Bulk operations, by their versions, that this node has left to others, and until when.
    left_operations: Mutex<HashMap<(OperationId, i64), Micros>>,
    pub(super) webhooks: Deliveries,
    pub(super) executions: Executions,
    pub(super) artifacts: ArtifactRegistry,
    parking: Parking,
    cancelling: Cancelling,
    overtaking: Overtaking,
    cancel_hints: CancelHints,
    lease: NodeLease,
    /// The parts that attempts work with.
    pub(super) handles: Arc<Handles>,
    pub(super) tasks: TaskTracker,
    pub(super) handlers: tokio::runtime::Handle,
    pub(super) metrics: Metrics,
    drain: Drain,
    /// Where the engine's own tasks run, whoever starts them.
    pub(super) executor: tokio::runtime::Handle,
    draining: CancellationToken,
    pub(super) stopped: CancellationToken,
}

/// The parts that an engine is made of.
pub(crate) struct Parts {
    pub(crate) storage: Storage,
    pub(crate) content: ContentStore,
    pub(crate) payloads: Payloads,
    pub(crate) vault: Option<Vault>,
    pub(crate) registry: IntentRegistry,
    pub(crate) events: Events,
    pub(crate) checkpoints: Option<CheckpointKeys>,
    pub(crate) state: StateSurface,
    pub(crate) artifacts: ArtifactRegistry,
    pub(crate) courier: Courier,
    pub(crate) quotas: Quotas,
    pub(crate) budget: Arc<Budget>,
    pub(crate) policies: Policies,
    pub(crate) limits: Limits,
    pub(crate) settings: Settings,
    pub(crate) ids: IdSource,
    pub(crate) clock: Clock,
    pub(crate) handlers: tokio::runtime::Handle,
    pub(crate) lease: tokio::runtime::Handle,
    pub(crate) metrics: Metrics,
}

impl Engine {
    pub(super) fn new(parts: Parts) -> Self {
        let settings = &parts.settings;
        let slots = Arc::new(Slots::new(
            settings.max_concurrent_executions,
            settings.tenant_slots_percent,
            settings.tenant_weights.clone(),
        ));
        let (catalog, functions) = parts.registry.into_parts();
        let (node, engine) = (parts.ids.node(), tokio::runtime::Handle::current());
        let handles = Arc::new(Handles {
            storage: parts.storage.clone(),
            content: parts.content.clone(),
            payloads: parts.payloads.clone(),
            events: parts.events.clone(),
            state: parts.state,
            limits: parts.limits,
            policies: parts.policies.clone(),
            slots: Arc::clone(&slots),
            engine: engine.clone(),
        });
        let executions = Executions::new(parts.storage.clone());
        Self {
            storage: parts.storage,
            quotas: parts.quotas,
            budget: parts.budget,
            policies: parts.policies,
            content: parts.content,
            payloads: parts.payloads,
            vault: parts.vault,
            catalog,
            functions,
            events: parts.events,
            checkpoints: parts.checkpoints,
            limits: parts.limits,
            settings: parts.settings,
            ids: parts.ids,
            clock: parts.clock,
            handlers: parts.handlers,
            metrics: parts.metrics,
            slots,
            trees: Trees::default(),
            running: RunningSet::default(),
            claims: Claims::default(),
            timers: Timers::default(),
            schedules_changed: Notify::new(),
            operations_begun: Notify::new(),
            left_operations: Mutex::default(),
            webhooks: Deliveries::new(parts.courier),
            executions,
            artifacts: parts.artifacts,
            parking: Parking::default(),
            cancelling: Cancelling::default(),
            overtaking: Overtaking::default(),
            cancel_hints: CancelHints::default(),
            lease: NodeLease::new(node, parts.lease),
            handles,
            executor: engine,
            tasks: TaskTracker::new(),
            drain: Drain::default(),
            draining: CancellationToken::new(),
            stopped: CancellationToken::new(),
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
            tokio::spawn(Arc::clone(self).schedule_loop()),
            tokio::spawn(Arc::clone(self).operation_loop()),
            tokio::spawn(Arc::clone(self).webhook_loop()),
            tokio::spawn(Arc::clone(self).wake_loop()),
            tokio::spawn(Arc::clone(self).drain_loop()),
            tokio::spawn(Arc::clone(self).maintenance_loop()),
            tokio::spawn(Arc::clone(self).retention_loop()),
            tokio::spawn(Arc::clone(self).content_loop()),
            tokio::spawn(Arc::clone(self).cancel_loop()),
            tokio::spawn(Arc::clone(self).cancel_below_loop()),
            tokio::spawn(Arc::clone(self).overtaken_loop()),
            tokio::spawn(Arc::clone(self).notice_loop(self.storage.notices())),
            tokio::spawn(Arc::clone(self).notice_loop(self.events.remote_notices())),
        ];
        drop(loops);
        Ok(())
    }

    /// Stops accepting, lets handlers finish, gives the rest back and ends the incarnation. Where other nodes take work,
    /// they go on with it soon; else the handlers may go on here for longer, since nobody else would.
    pub(super) async fn stop(&self) {
        self.draining.cancel();
        self.tasks.close();
        let begun = Instant::now();
        let grace = self.settings.shutdown_grace;
        if !self.settings.is_alone {
            self.tell_end().await;
            let soon = self.settings.hand_over.min(grace);
            let ended = tokio::time::timeout(soon, self.tasks.wait()).await;
            if ended.is_err() {
                let nodes = self.others_at_work().await;
                self.drain.hand_over(HandOver::ToNodes(nodes.into()));
            }
        }
        let ended = async {
            tokio::select! {
                () = self.tasks.wait() => true,
                () = self.only_waiting() => false,
            }
        };
        let ended = tokio::time::timeout(grace.saturating_sub(begun.elapsed()), ended).await;
        if !ended.unwrap_or(false) {
            self.drain.hand_over(HandOver::Everything);
            let limit = Duration::from_secs(5);
            if tokio::time::timeout(limit, self.tasks.wait())
                .await
                .is_err()
            {
                tracing::warn!("some executions could not be given back; another node takes them");
            }
        }
        self.webhooks.end().await;
        self.stopped.cancel();
        self.release_lease().await;
    }

    /// Tells other nodes that this one takes nothing more: nobody that stops is to leave its work to one that stops, too.
    async fn tell_end(&self) {
        let told = self.storage.set_draining(self.node_id(), true);
        let told = tokio::time::timeout(ASKED_WHILE_STOPPING, told).await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::warn!("other nodes were not told that this one stops");
        }
    }

    /// The labels of the other nodes that take work; none where the database does not say.
    async fn others_at_work(&self) -> Vec<Labels> {
        let nodes = self.storage.labels_at_work(Some(self.node_id()));
        let nodes = tokio::time::timeout(ASKED_WHILE_STOPPING, nodes).await;
        let Ok(Ok(nodes)) = nodes else {
            tracing::warn!("it is not known which other nodes take work");
            return Vec::new();
        };
        nodes
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

    /// Returns whether no living node runs another version.
    async fn all_run_this_version(&self) -> Result<bool, crate::storage::Error> {
        let nodes = self.storage.list_nodes().await?;
        Ok(nodes.iter().all(|node| node.version == VERSION))
    }

    pub(super) fn node_id(&self) -> NodeId {
        self.lease.node_id()
    }

    fn has_lease(&self) -> bool {
        self.lease.is_held()
    }

    /// Returns whether executions that were started under this incarnation still belong to this
    /// process.
    pub(super) fn is_still(&self, node: NodeId) -> bool {
        self.has_lease() && self.node_id() == node
    }
}
