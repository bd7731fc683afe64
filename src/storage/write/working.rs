//! The working set of one transaction: what was loaded, as it will be, and the rows to write.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
};

use entity::execution_count;
use uuid::Uuid;

use super::{
    super::{
        DataKey, Error,
        convert::{
            ArtifactRow, SessionRow, StoredKey, StoredOperation, StoredSchedule, StoredWebhook,
        },
    },
    changes::Changes,
    counts::CountOf,
    keys::{KeyClaim, KeyHolder, KeyName},
    limits::LoadedLimits,
    queue::Claimed,
    rows::{Held, Lost, Mark, Standing, StateRow},
};
use crate::model::{
    ArtifactId, Execution, ExecutionId, ExecutionStatus, KeyId, Micros, OperationId, ScheduleId,
    SessionKey, TenantId, WebhookId,
};

/// The right of one attempt to write: it holds while the execution's epoch is this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The epoch in which the attempt was started.
    pub epoch: i64,
}

/// The rows that a batch has loaded, and what its operations change of them.
#[derive(Debug, Default)]
pub(in crate::storage) struct Working {
    /// The database's clock when the transaction began.
    pub(super) now: Micros,
    /// The number of its events: its own, or that of a later transaction which has overtaken it.
    pub(super) tx: i64,
    /// The place of its first event among those of that number.
    pub(super) first_ord: i64,
    pub(super) executions: Held<ExecutionId, Execution>,
    pub(super) held: HashMap<ExecutionId, Uuid>,
    pub(super) sessions: Held<SessionKey, SessionRow>,
    /// Of sessions that are only looked at.
    pub(super) standings: HashMap<SessionKey, Standing>,
    pub(super) states: Held<ExecutionId, StateRow>,
    pub(super) artifacts: Held<ArtifactId, ArtifactRow>,
    pub(super) steps: HashSet<(ExecutionId, String)>,
    /// The keys that an accepted execution holds.
    pub(super) keys: HashMap<KeyName, KeyHolder>,
    /// The keys that were free, with the claims that their new rows are of. Its execution holds the key once
    /// it is accepted.
    pub(super) keys_taken: HashMap<KeyName, KeyClaim>,
    /// The ids among those that callers chose which something has already.
    pub(super) taken_ids: HashSet<ExecutionId>,
    /// Completed executions an artifact of which was deleted; of those that hold a fingerprint.
    pub(super) worn: HashSet<ExecutionId>,
    /// The first live executions below those that are to be cancelled.
    pub(super) descendants: HashMap<ExecutionId, Vec<ExecutionId>>,
    /// Those among the ones to be cancelled that have children.
    pub(super) parents: BTreeSet<ExecutionId>,
    /// Executions in whose trees a cancellation is under way.
    pub(super) in_marked_trees: Vec<ExecutionId>,
    /// Those among them that are below the cancelled one.
    pub(super) marks: HashMap<ExecutionId, Mark>,
    /// Children that this transaction makes, by their parents.
    pub(super) new_children: HashMap<ExecutionId, Vec<ExecutionId>>,
    pub(super) claimed: HashMap<Cow<'static, str>, Claimed>,
    pub(super) fired: Vec<(ExecutionId, i64)>,
    pub(super) lost: Vec<Lost>,
    /// Executions that were picked and cannot be read.
    pub(super) set_aside: BTreeSet<ExecutionId>,
    pub(super) stranded: Vec<ExecutionId>,
    pub(super) overdue_sessions: Vec<SessionKey>,
    /// Bytes of uploads that were announced and have not arrived.
    pub(super) announced_bytes: HashMap<TenantId, i64>,
    pub(super) api_keys: Held<KeyId, StoredKey>,
    /// The numbers of keys that tenants have and can use.
    pub(super) api_key_counts: HashMap<TenantId, i64>,
    pub(super) schedules: Held<ScheduleId, StoredSchedule>,
    /// The numbers of schedules that tenants have.
    pub(super) schedule_counts: HashMap<TenantId, i64>,
    pub(super) operations: Held<OperationId, StoredOperation>,
    /// The numbers of bulk operations that go on for tenants.
    pub(super) operation_counts: HashMap<TenantId, i64>,
    pub(super) webhooks: Held<WebhookId, StoredWebhook>,
    /// Those among them that a living node has.
    pub(super) webhooks_held: HashSet<WebhookId>,
    /// The numbers of webhooks that tenants have.
    pub(super) webhook_counts: HashMap<TenantId, i64>,
    /// The keys that seal sensitive parameters, oldest first, if an operation needs them.
    pub(super) data_keys: Vec<DataKey>,
    /// Those among the executions to be removed that are there and have ended.
    pub(super) removable: BTreeSet<Uuid>,
    /// Counts whose time has come to be part of others, locked.
    pub(super) counts_due: Vec<execution_count::Model>,
    /// The signatures of what is kept under checkpoints; none where all of it is.
    pub(super) kept_signatures: HashMap<(TenantId, i64), Option<String>>,
    pub(super) limits: LoadedLimits,
    pub(super) changes: Changes,
}

impl Working {
    /// The executions that were taken from queues, timers and dead nodes.
    pub(super) fn picked(&self) -> BTreeSet<ExecutionId> {
        let claimed = self.claimed.values().flat_map(|claimed| &claimed.picked);
        let fired = self.fired.iter().map(|(id, _)| id);
        let lost = self.lost.iter().map(|lost| &lost.id);
        let picked = claimed.chain(fired).chain(lost).chain(&self.stranded);
        picked.copied().collect()
    }

    /// The execution, if the attempt still holds it.
    pub(super) fn fenced(&self, fence: Fence) -> Result<&Execution, Error> {
        let execution = self.executions.see(&fence.execution_id);
        execution
            .filter(|execution| {
                execution.epoch == fence.epoch && execution.status == ExecutionStatus::Running
            })
            .ok_or(Error::Fenced)
    }

    /// Returns whether an execution that was loaded has an event with a higher number, which this
    /// transaction could not take.
    pub(super) fn is_overtaken(&self) -> bool {
        self.executions.all().any(|row| row.last_tx > self.tx)
    }

    /// Returns the standing of a session: whether and how long it takes anything.
    pub(super) fn standing(&self, key: &SessionKey) -> Option<Standing> {
        let loaded = self.sessions.see(key);
        let standing = loaded.map(|row| Standing::of(&row.session));
        standing.or_else(|| self.standings.get(key).cloned())
    }

    /// Returns whether a node runs this execution now, or will with this transaction.
    pub(super) fn is_held(&self, id: ExecutionId) -> bool {
        self.changes.leases_in.contains_key(&id)
            || self.held.contains_key(&id) && !self.changes.leases_out.contains(&id)
    }

    /// Gives a key to an execution that is accepted.
    pub(super) fn hold(&mut self, claim: KeyClaim) {
        let name = claim.name();
        let holder = KeyHolder {
            execution_id: claim.execution_id,
            request_hash: claim.request_hash.clone(),
        };
        self.keys.insert(name.clone(), holder);
        if self.keys_taken.get(&name) != Some(&claim) {
            self.changes.keys_changed.insert(name, claim);
        }
    }

    /// Counts an execution by what it has become in this transaction.
    pub(super) fn count(&mut self, id: ExecutionId) {
        let (now, row) = (self.now, self.executions.see(&id));
        if let Some(counted) = row.map(|row| CountOf::of(row, now)) {
            *self.changes.counts.entry(counted).or_default() += 1;
        }
    }

    /// Remembers a child that this transaction makes.
    pub(super) fn adopt(&mut self, parent: ExecutionId, child: ExecutionId) {
        self.new_children.entry(parent).or_default().push(child);
    }

    /// The execution and what was loaded of the live ones below it, with all that this transaction has
    /// made below them; parents come before their children.
    pub(super) fn family(&self, root: ExecutionId) -> Vec<ExecutionId> {
        let mut family = vec![root];
        family.extend(self.descendants.get(&root).into_iter().flatten());
        let mut next = 0;
        while let Some(id) = family.get(next) {
            family.extend(self.new_children.get(id).into_iter().flatten());
            next += 1;
        }
        family
    }

    /// Makes a copy of an execution what the execution has become since.
    pub(super) fn refresh(&self, copy: &mut Execution) {
        let found = self.executions.see(&copy.id);
        // Whatever changes an execution appends to its stream.
        if let Some(row) = found.filter(|row| row.next_seq != copy.next_seq) {
            copy.clone_from(row);
        }
    }
}
