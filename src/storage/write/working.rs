//! The working set of one transaction: what was loaded, as it will be, and the rows to write.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::{
    super::{Error, sql::Cell},
    claim::{ALONE_QUEUE, Claimed, NODE_QUEUE, PARKED_QUEUE},
    session::Standing,
    submit::{KeyClaim, KeyName, Queue},
};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, ArtifactTransition, Cursor, Event, EventBody, Execution,
    ExecutionError, ExecutionId, ExecutionStatus, Materialization, Micros, NodeId, Payload,
    RawJson, Refusal, Session, SessionId, SessionKey, StreamKind, TenantId,
};

/// The right of one attempt to write: it holds while the execution's epoch is this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The epoch in which the attempt was started.
    pub epoch: i64,
}

/// What a commit means to those who wait. Losing one costs latency, never data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An execution's stream has grown.
    Events {
        /// The tenant.
        tenant_id: TenantId,
        /// The session.
        session_id: SessionId,
        /// The execution.
        execution_id: ExecutionId,
        /// Its last sequence.
        seq: i64,
        /// Whether the stream has ended.
        terminal: bool,
    },
    /// Something can run.
    Ready,
    /// A timer was set for this time.
    Timer(Micros),
    /// A running execution should stop.
    Cancel(ExecutionId),
    /// A child of this execution has ended. Stays on the node that has committed the end.
    ChildEnded(ExecutionId),
    /// This execution was cancelled, and not yet all that is below it. Stays on the node that has
    /// committed it.
    CancelBelow(ExecutionId),
}

/// A row that was loaded or made, and whether it must be written back.
#[derive(Debug)]
pub(super) struct Tracked<T> {
    pub(super) row: T,
    pub(super) is_new: bool,
    pub(super) dirty: bool,
}

impl<T> Tracked<T> {
    pub(super) fn loaded(row: T) -> Self {
        Self {
            row,
            is_new: false,
            dirty: false,
        }
    }
    pub(super) fn new(row: T) -> Self {
        Self {
            row,
            is_new: true,
            dirty: false,
        }
    }
}

#[derive(Debug)]
pub(super) struct SessionRow {
    pub(super) session: Session,
    /// None where the stream has the session's own id.
    pub(super) stream_id: Option<Uuid>,
    pub(super) next_seq: i64,
}

#[derive(Debug, Clone)]
pub(super) struct StateRow {
    pub(super) tenant_id: TenantId,
    pub(super) state: RawJson,
    pub(super) version: i64,
}

#[derive(Debug)]
pub(super) struct ArtifactRow {
    pub(super) artifact: Artifact,
    /// None until the row is inserted.
    pub(super) key: Option<i64>,
    pub(super) parents: Vec<ArtifactId>,
}

/// Who holds a key.
#[derive(Debug, Clone)]
pub(super) struct KeyHolder {
    pub(super) execution_id: ExecutionId,
    pub(super) request_hash: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimerKind {
    Start = 0,
    Retry = 1,
    Deadline = 2,
}

/// An execution whose node is dead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub(super) id: ExecutionId,
    /// False when the node gave its lease up by itself.
    pub(super) process_gone: bool,
    /// Whether nothing else ran on the node.
    pub(super) was_alone: bool,
}

/// Added to the priority of children in `ready`: they come before all executions without a parent.
pub(super) const CHILD_PRIORITY: i64 = -10;

/// So many times in a row an execution may be lost with its process, and is then run alone.
pub(super) const CRASHES_BEFORE_ALONE: i64 = 2;

/// A cancellation of an execution further up that is under way.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) reason: Option<String>,
    pub(super) actor: String,
}

/// The rows that will be inserted and deleted, by table.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) events: Vec<Event>,
    pub(super) ready_in: BTreeMap<ExecutionId, Vec<Cell>>,
    pub(super) timers_in: BTreeMap<(ExecutionId, i64), Vec<Cell>>,
    pub(super) unqueued: BTreeSet<ExecutionId>,
    pub(super) leases_in: BTreeMap<ExecutionId, Vec<Cell>>,
    pub(super) leases_out: BTreeSet<ExecutionId>,
    /// Executions that no longer run alone.
    pub(super) accompanied: BTreeSet<ExecutionId>,
    pub(super) steps: Vec<Vec<Cell>>,
    pub(super) keys_changed: BTreeMap<KeyName, KeyClaim>,
    pub(super) transitions: Vec<(i64, ArtifactTransition)>,
    pub(super) materializations: Vec<Materialization>,
    pub(super) uploads: Vec<Vec<Cell>>,
    pub(super) uploads_done: Vec<Vec<Cell>>,
    pub(super) artifacts_found: Vec<Vec<Cell>>,
    pub(super) releases_in: Vec<Vec<Cell>>,
    pub(super) releases_aside: Vec<Vec<Cell>>,
    pub(super) releases_out: Vec<ArtifactId>,
    pub(super) marks_in: BTreeMap<ExecutionId, Vec<Cell>>,
    pub(super) marks_touched: BTreeSet<ExecutionId>,
    pub(super) marks_out: BTreeSet<ExecutionId>,
    pub(super) notices: Vec<Notice>,
}

impl Changes {
    /// Takes an execution out of its queue and drops its timers, those of this transaction included.
    pub(super) fn unqueue(&mut self, id: ExecutionId) {
        self.ready_in.remove(&id);
        for kind in [TimerKind::Start, TimerKind::Retry, TimerKind::Deadline] {
            self.timers_in.remove(&(id, kind as i64));
        }
        self.unqueued.insert(id);
    }

    /// Drops an execution's lease, that of this transaction included.
    pub(super) fn drop_lease(&mut self, id: ExecutionId) {
        self.leases_in.remove(&id);
        self.leases_out.insert(id);
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::storage) struct Working {
    /// The database's clock when the transaction began.
    pub(super) now: Micros,
    /// The number of its events: its own, or that of a later transaction which has overtaken it.
    pub(super) tx: i64,
    /// The place of its first event among those of that number.
    pub(super) first_ord: i64,
    pub(super) executions: HashMap<ExecutionId, Tracked<Execution>>,
    pub(super) held: HashMap<ExecutionId, Uuid>,
    pub(super) sessions: HashMap<SessionKey, Tracked<SessionRow>>,
    /// Of sessions that are only looked at.
    pub(super) standings: HashMap<SessionKey, Standing>,
    pub(super) states: HashMap<ExecutionId, Tracked<StateRow>>,
    pub(super) artifacts: HashMap<ArtifactId, Tracked<ArtifactRow>>,
    pub(super) steps: HashSet<(ExecutionId, String)>,
    /// The keys that an accepted execution holds.
    pub(super) keys: HashMap<KeyName, KeyHolder>,
    /// The keys that were free, with the execution that their new rows name. It holds the key once
    /// it is accepted.
    pub(super) keys_taken: HashMap<KeyName, ExecutionId>,
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
    pub(super) claimed: HashMap<&'static str, Claimed>,
    pub(super) fired: Vec<(ExecutionId, i64, String)>,
    pub(super) lost: Vec<Lost>,
    /// Executions that were picked and cannot be read.
    pub(super) set_aside: BTreeSet<ExecutionId>,
    pub(super) stranded: Vec<ExecutionId>,
    pub(super) overdue_sessions: Vec<SessionKey>,
    /// Bytes of uploads that were announced and have not arrived.
    pub(super) announced_bytes: HashMap<TenantId, i64>,
    pub(super) changes: Changes,
}

impl Working {
    /// The executions that were taken from queues, timers and dead nodes.
    pub(super) fn picked(&self) -> BTreeSet<ExecutionId> {
        let claimed = self.claimed.values().flat_map(|claimed| &claimed.picked);
        let fired = self.fired.iter().map(|(id, _, _)| id);
        let lost = self.lost.iter().map(|lost| &lost.id);
        let picked = claimed.chain(fired).chain(lost).chain(&self.stranded);
        picked.copied().collect()
    }

    /// The execution, if the attempt still holds it.
    pub(super) fn fenced(&mut self, fence: Fence) -> Result<&mut Execution, Error> {
        let tracked = self
            .executions
            .get_mut(&fence.execution_id)
            .ok_or(Error::Fenced)?;
        let execution = &mut tracked.row;
        if execution.epoch != fence.epoch || execution.status != ExecutionStatus::Running {
            return Err(Error::Fenced);
        }
        tracked.dirty = true;
        Ok(execution)
    }

    /// The execution, to be changed.
    pub(super) fn execution_mut(&mut self, id: ExecutionId) -> Option<&mut Execution> {
        let tracked = self.executions.get_mut(&id)?;
        tracked.dirty = true;
        Some(&mut tracked.row)
    }

    /// Appends to an execution's stream.
    pub(super) fn append(&mut self, id: ExecutionId, body: EventBody, payload: Option<Payload>) {
        let (tx, ord, now) = (self.tx, self.next_ord(), self.now);
        let Some(execution) = self.execution_mut(id) else {
            return;
        };
        let seq = execution.next_seq;
        execution.next_seq += 1;
        execution.last_tx = tx;
        let intent = &execution.intent;
        let (tenant_id, session_id) = (intent.tenant_id.clone(), intent.session_id);
        let intent_type = Some(intent.intent_type.clone());
        self.changes.notices.push(Notice::Events {
            tenant_id: tenant_id.clone(),
            session_id,
            execution_id: id,
            seq,
            terminal: body.is_terminal(),
        });
        self.changes.events.push(Event {
            stream_kind: StreamKind::Execution,
            stream_id: id.0,
            cursor: Cursor { tx, ord, seq },
            tenant_id,
            session_id,
            intent_type,
            body,
            payload,
            occurred_at: now,
        });
    }

    /// Appends to a session's stream.
    pub(super) fn append_to_session(
        &mut self,
        key: &SessionKey,
        body: EventBody,
        payload: Option<Payload>,
    ) {
        let (tx, ord, now) = (self.tx, self.next_ord(), self.now);
        let Some(tracked) = self.sessions.get_mut(key) else {
            return;
        };
        tracked.dirty = true;
        let seq = tracked.row.next_seq;
        tracked.row.next_seq += 1;
        self.changes.events.push(Event {
            stream_kind: StreamKind::Session,
            stream_id: tracked.row.stream_id.unwrap_or(key.id.0),
            cursor: Cursor { tx, ord, seq },
            tenant_id: key.tenant_id.clone(),
            session_id: key.id,
            intent_type: None,
            body,
            payload,
            occurred_at: now,
        });
    }

    /// Appends to an artifact's own stream.
    pub(super) fn append_to_artifact(&mut self, id: ArtifactId, body: EventBody) {
        let (tx, ord, now) = (self.tx, self.next_ord(), self.now);
        let Some(tracked) = self.artifacts.get_mut(&id) else {
            return;
        };
        tracked.dirty = true;
        let artifact = &mut tracked.row.artifact;
        let seq = artifact.next_seq;
        artifact.next_seq += 1;
        self.changes.events.push(Event {
            stream_kind: StreamKind::Artifact,
            stream_id: id.0,
            cursor: Cursor { tx, ord, seq },
            tenant_id: artifact.tenant_id.clone(),
            session_id: artifact.session_id,
            intent_type: None,
            body,
            payload: None,
            occurred_at: now,
        });
    }

    /// Whether an execution that was loaded has an event with a higher number, which this transaction
    /// could not take.
    pub(super) fn is_overtaken(&self) -> bool {
        let mut loaded = self.executions.values();
        loaded.any(|tracked| tracked.row.last_tx > self.tx)
    }

    fn next_ord(&self) -> i64 {
        let before = i64::try_from(self.changes.events.len()).unwrap_or(i64::MAX);
        self.first_ord.saturating_add(before)
    }

    /// Begins an attempt on `node`: a new epoch, a lease, a `started` event.
    pub(super) fn start(
        &mut self,
        id: ExecutionId,
        node: NodeId,
        alone: bool,
    ) -> Option<Execution> {
        let now = self.now;
        let execution = self.execution_mut(id)?;
        execution.status = ExecutionStatus::Running;
        execution.epoch += 1;
        execution.attempt += 1;
        execution.started_at.get_or_insert(now);
        let (attempt, epoch) = (execution.attempt, execution.epoch);
        let lease = vec![id.0.into(), epoch.into(), node.0.into(), alone.into()];
        self.changes.leases_in.insert(id, lease);
        self.append(
            id,
            EventBody::ExecutionStarted {
                attempt,
                epoch,
                node_id: node,
            },
            None,
        );
        self.executions.get(&id).map(|tracked| tracked.row.clone())
    }

    /// Puts an execution where a free slot will find it.
    pub(super) fn enqueue(&mut self, id: ExecutionId, queue: &str) {
        let now = self.now;
        let Some(Tracked { row: execution, .. }) = self.executions.get(&id) else {
            return;
        };
        let queue = match queue {
            NODE_QUEUE | PARKED_QUEUE if execution.crashes >= CRASHES_BEFORE_ALONE => ALONE_QUEUE,
            PARKED_QUEUE => NODE_QUEUE,
            other => other,
        };
        let place = vec![
            id.0.into(),
            execution.intent.tenant_id.as_str().into(),
            queue.into(),
            place_of(execution).into(),
            age_of(execution, now).into(),
        ];
        self.changes.ready_in.insert(id, place);
        self.changes.notices.push(Notice::Ready);
    }

    /// Sets a timer.
    pub(super) fn set_timer(
        &mut self,
        id: ExecutionId,
        kind: TimerKind,
        at: Micros,
        queue: &Queue,
    ) {
        let Some(Tracked { row: execution, .. }) = self.executions.get(&id) else {
            return;
        };
        let timer = vec![
            id.0.into(),
            (kind as i64).into(),
            execution.intent.tenant_id.as_str().into(),
            queue.name().into(),
            at.into(),
        ];
        self.changes.timers_in.insert((id, kind as i64), timer);
        self.changes.notices.push(Notice::Timer(at));
    }

    /// Lets an execution wait for its children outside of any node, at most until `at`.
    pub(super) fn park(&mut self, id: ExecutionId, at: Micros) {
        let Some(Tracked { row: execution, .. }) = self.executions.get(&id) else {
            return;
        };
        let kind = TimerKind::Retry as i64;
        let timer = vec![
            id.0.into(),
            kind.into(),
            execution.intent.tenant_id.as_str().into(),
            PARKED_QUEUE.into(),
            at.into(),
        ];
        self.changes.timers_in.insert((id, kind), timer);
        self.changes.notices.push(Notice::Timer(at));
    }

    /// Ends the present attempt's right to write and drops its lease.
    pub(super) fn release(&mut self, id: ExecutionId) {
        if let Some(execution) = self.execution_mut(id) {
            execution.epoch += 1;
        }
        self.changes.drop_lease(id);
    }

    /// Ends the present attempt without an outcome. It does not count, and it did not end its process.
    pub(super) fn give_up(&mut self, id: ExecutionId) {
        if let Some(execution) = self.execution_mut(id) {
            execution.lost_attempts += 1;
            execution.crashes = 0;
        }
        self.release(id);
    }

    /// Ends an execution for ever.
    pub(super) fn finish(&mut self, id: ExecutionId, ending: Ending) {
        let now = self.now;
        let Some(execution) = self.execution_mut(id) else {
            return;
        };
        execution.finished_at = Some(now);
        let parent = execution.parent_id;
        let (status, body, payload) = match ending {
            Ending::Completed(result) => {
                execution.result = Some(result.clone());
                execution.error = None;
                (
                    ExecutionStatus::Completed,
                    EventBody::ExecutionCompleted {},
                    Some(result),
                )
            }
            Ending::Failed(error) => {
                execution.error = Some(error.clone());
                (
                    ExecutionStatus::Failed,
                    EventBody::ExecutionFailed { error },
                    None,
                )
            }
            Ending::Cancelled => {
                let reason = execution.cancel_reason.clone();
                (
                    ExecutionStatus::Cancelled,
                    EventBody::ExecutionCancelled { reason },
                    None,
                )
            }
        };
        execution.status = status;
        let has_deadline = execution.deadline_at.is_some();
        self.release(id);
        if has_deadline {
            self.changes.unqueue(id);
        }
        self.append(id, body, payload);
        if let Some(parent) = parent {
            self.changes.notices.push(Notice::ChildEnded(parent));
        }
    }

    /// Changes an artifact's state, or refuses.
    pub(super) fn check_transition(
        &self,
        id: ArtifactId,
        tenant: &TenantId,
        to: ArtifactState,
    ) -> Result<ArtifactState, Error> {
        let found = self.artifacts.get(&id).map(|tracked| &tracked.row.artifact);
        let artifact = found
            .filter(|artifact| artifact.tenant_id == *tenant)
            .ok_or_else(|| Refusal::not_found("artifact", "artifactId"))?;
        if artifact.state.can_become(to) {
            Ok(artifact.state)
        } else {
            Err(Refusal::InvalidTransition {
                from: artifact.state,
                to,
            }
            .into())
        }
    }

    /// Whether and how long a session takes anything.
    pub(super) fn standing(&self, key: &SessionKey) -> Option<Standing> {
        let loaded = self.sessions.get(key);
        let standing = loaded.map(|tracked| Standing::of(&tracked.row.session));
        standing.or_else(|| self.standings.get(key).copied())
    }

    /// Whether a node runs this execution now, or will with this transaction.
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
        if self.keys_taken.get(&name) != Some(&claim.execution_id) {
            self.changes.keys_changed.insert(name, claim);
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
        let found = self.executions.get(&copy.id);
        // Whatever changes an execution appends to its stream.
        if let Some(tracked) = found.filter(|tracked| tracked.row.next_seq != copy.next_seq) {
            copy.clone_from(&tracked.row);
        }
    }
}

/// The place of an execution in its queue: children come first, for a parent waits for them.
fn place_of(execution: &Execution) -> i64 {
    match execution.parent_id {
        Some(_) => execution.priority + CHILD_PRIORITY,
        None => execution.priority,
    }
}

/// Since when an execution counts as waiting: as long as its root, and longer than all that has
/// not begun if it has.
fn age_of(execution: &Execution, now: Micros) -> Micros {
    match execution.root_id {
        Some(root) => root.made_at().unwrap_or(execution.created_at),
        None if execution.started_at.is_some() => execution.created_at,
        None => now,
    }
}

/// How an execution ends.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Completed(Payload),
    Failed(ExecutionError),
    Cancelled,
}
