//! The parts that the loops of an engine share with whoever gives them work.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::{sync::Notify, task::JoinHandle};

use crate::{
    model::{ExecutionId, Micros, NodeId, Places, Queue, TenantId},
    runtime::mutex::lock,
    storage::LeaseConnection,
};

/// The children of one tenant that may be on their way into the database at once: as many as two
/// transactions take while several tenants write, one on its way and one that gathers.
pub(super) const CHILD_SUBMITS: usize = 128;

/// Beyond so many hints all running executions are looked at instead.
const MAX_HINTS: usize = 10_000;

/// Whose turn it is.
pub(super) struct Claims {
    /// Turns to submit a child.
    pub(super) child_submits: Places,
    /// For each queue, the tenant after which the next claim's turns go on.
    pub(super) last_turns: Mutex<HashMap<Queue, TenantId>>,
    /// The number of claims so far: the queues of a node take turns by it.
    pub(super) count: AtomicUsize,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            child_submits: Places::new(CHILD_SUBMITS),
            last_turns: Mutex::default(),
            count: AtomicUsize::new(0),
        }
    }
}

/// When the next timer is due, as far as this node knows.
#[derive(Default)]
pub(super) struct Timers {
    pub(super) changed: Notify,
    pub(super) next: Mutex<Option<Micros>>,
}

impl Timers {
    /// A timer was set.
    pub(super) fn note(&self, at: Micros) {
        let known = *lock(&self.next);
        if known.is_none_or(|next| at < next) {
            self.look();
        }
    }

    /// Looks for the next timer at once.
    pub(super) fn look(&self) {
        self.changed.notify_one();
    }
}

/// Parents of children that have ended, which do not run here.
#[derive(Default)]
pub(super) struct Parking {
    pub(super) ended_below: Mutex<Vec<ExecutionId>>,
    pub(super) wanted: Notify,
}

/// Cancelled executions below which this node goes on.
#[derive(Default)]
pub(super) struct Cancelling {
    pub(super) above: Mutex<Vec<ExecutionId>>,
    pub(super) wanted: Notify,
}

/// Buckets of limits in which something waits that is to cancel what came before it.
#[derive(Default)]
pub(super) struct Overtaking {
    pub(super) buckets: Mutex<HashSet<String>>,
    pub(super) wanted: Notify,
}

/// Executions that were said to be cancelled.
#[derive(Default)]
pub(super) struct CancelHints {
    named: Mutex<HashSet<ExecutionId>>,
    pub(super) heard: Notify,
}

impl CancelHints {
    pub(super) fn add(&self, id: ExecutionId) {
        let mut named = lock(&self.named);
        // What does not fit is found at the next beat, when all that runs is looked at.
        if named.len() < MAX_HINTS {
            named.insert(id);
        }
        drop(named);
        self.heard.notify_one();
    }

    pub(super) fn take(&self) -> Vec<ExecutionId> {
        lock(&self.named).drain().collect()
    }
}

/// The present incarnation of the node and its lease.
pub(super) struct NodeLease {
    node: RwLock<NodeId>,
    /// False from when the lease was given up until a new incarnation is announced.
    pub(super) is_held: AtomicBool,
    /// Nothing but the lease runs there.
    pub(super) thread: tokio::runtime::Handle,
    pub(super) task: Mutex<Option<JoinHandle<LeaseConnection>>>,
    /// Until when the processes of dead incarnations may still report that they live.
    pub(super) others_may_return_until: Mutex<Option<Instant>>,
}

impl NodeLease {
    pub(super) fn new(node: NodeId, thread: tokio::runtime::Handle) -> Self {
        Self {
            node: RwLock::new(node),
            is_held: AtomicBool::new(true),
            thread,
            task: Mutex::default(),
            others_may_return_until: Mutex::default(),
        }
    }

    pub(super) fn node_id(&self) -> NodeId {
        // What the lock guards is whole at every moment, also when a holder panicked.
        *self.node.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_incarnation(&self, node: NodeId) {
        *self.node.write().unwrap_or_else(PoisonError::into_inner) = node;
    }

    pub(super) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }

    /// Returns whether the processes of dead incarnations may still report that they live.
    pub(super) fn others_may_return(&self) -> bool {
        let until = *lock(&self.others_may_return_until);
        until.is_some_and(|until| Instant::now() < until)
    }
}
