//! The lifecycle of an execution: it waits, is started, is given up, and ends.

use std::borrow::Cow;

use entity::{lease, ready, timer};

use super::{
    super::places::{LeaseHolder, PARKED_QUEUE, TimerKind, alone_queue},
    notice::Notice,
    working::Working,
};
use crate::model::{
    EventBody, Execution, ExecutionError, ExecutionId, ExecutionStatus, Micros, NodeId, Payload,
    Queue,
};

/// What stands in `ready` as the priority of children is lower than this: they come before all executions without a
/// parent.
pub(super) const FIRST_ROOT: i64 = 0;
const CHILD: i64 = -5;
const ROOT: i64 = 5;

/// One level of priority is worth so much age: what waits for longer goes before what came later with a better one.
/// So nothing waits for ever.
const LEVEL_MICROS: i64 = 60_000_000;

/// The number of times in a row that an execution may be lost with its process before it is run
/// alone.
pub(super) const CRASHES_BEFORE_ALONE: i64 = 2;

impl Working {
    /// Begins an attempt on `node`: a new epoch, a lease, a `started` event.
    pub(super) fn start(
        &mut self,
        id: ExecutionId,
        node: NodeId,
        alone: bool,
    ) -> Option<Execution> {
        let now = self.now;
        let execution = self.executions.change(&id)?;
        execution.status = ExecutionStatus::Running;
        execution.epoch += 1;
        execution.attempt += 1;
        execution.started_at.get_or_insert(now);
        let (attempt, epoch) = (execution.attempt, execution.epoch);
        let lease = lease::Model {
            execution_id: id.0,
            epoch,
            node_id: node.0,
            alone,
            holder: LeaseHolder::Node.code(),
        };
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
        self.executions.see(&id).cloned()
    }

    /// Puts an execution into its queue, where a free slot will find it, or lets it wait for a place under a limit.
    pub(super) fn enqueue(&mut self, id: ExecutionId) {
        let Some(place) = self.place_in_queue(id) else {
            return;
        };
        if !self.pass_limits(id, &place) {
            return;
        }
        let queue = Cow::Owned(place.queue.clone());
        self.changes.ready_in.insert(id, place);
        self.changes.notices.push(Notice::Ready { queue });
    }

    /// Starts an execution that was just made, unless it has to wait for a place under a limit; whether it did.
    pub(super) fn start_or_wait(&mut self, id: ExecutionId, node: NodeId) -> bool {
        let Some(place) = self.place_in_queue(id) else {
            return false;
        };
        let passed = self.pass_limits(id, &place);
        if passed {
            self.start(id, node, false);
        }
        passed
    }

    fn place_in_queue(&self, id: ExecutionId) -> Option<ready::Model> {
        let execution = self.executions.see(&id)?;
        let queue = match &execution.queue {
            queue @ (Queue::Node | Queue::Labelled { .. })
                if execution.crashes >= CRASHES_BEFORE_ALONE =>
            {
                alone_queue(queue)
            }
            queue => queue.name(),
        };
        Some(ready::Model {
            execution_id: id.0,
            tenant_id: execution.intent.tenant_id.to_string(),
            queue: queue.into_owned(),
            priority: place_of(execution),
            ready_at: age_of(execution, self.now) + execution.priority * LEVEL_MICROS,
        })
    }

    /// Sets a timer.
    pub(super) fn set_timer(&mut self, id: ExecutionId, kind: TimerKind, at: Micros) {
        let queue = self.executions.see(&id).map(|row| row.queue.name());
        self.add_timer(id, kind, at, queue.as_deref().unwrap_or_default());
    }

    /// Lets an execution wait for its children outside of any node, at most until `at`.
    pub(super) fn park(&mut self, id: ExecutionId, at: Micros) {
        self.add_timer(id, TimerKind::Retry, at, PARKED_QUEUE);
    }

    /// The name tells a parked execution from one that backs off; where it leads is told by the
    /// execution.
    fn add_timer(&mut self, id: ExecutionId, kind: TimerKind, at: Micros, queue: &str) {
        let Some(execution) = self.executions.see(&id) else {
            return;
        };
        let timer = timer::Model {
            execution_id: id.0,
            kind: kind.code(),
            tenant_id: execution.intent.tenant_id.to_string(),
            queue: queue.to_owned(),
            fire_at: at,
        };
        self.changes.timers_in.insert((id, kind.code()), timer);
        self.changes.notices.push(Notice::Timer(at));
        if kind == TimerKind::Retry {
            // What does not run leaves its places to others meanwhile.
            self.leave_limits(id, false);
        }
    }

    /// Ends the present attempt's right to write and drops its lease.
    pub(super) fn release(&mut self, id: ExecutionId) {
        if let Some(execution) = self.executions.change(&id) {
            execution.epoch += 1;
        }
        self.changes.drop_lease(id);
    }

    /// Ends the present attempt without an outcome. It does not count, and it did not end its process.
    pub(super) fn give_up(&mut self, id: ExecutionId) {
        if let Some(execution) = self.executions.change(&id) {
            execution.lost_attempts += 1;
            execution.crashes = 0;
        }
        self.release(id);
    }

    /// Ends an execution for ever.
    pub(super) fn finish(&mut self, id: ExecutionId, ending: Ending) {
        let now = self.now;
        let Some(execution) = self.executions.change(&id) else {
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
        self.leave_limits(id, true);
        self.count(id);
        if let Some(parent) = parent {
            self.changes.notices.push(Notice::ChildEnded(parent));
        }
    }
}

/// The place of an execution in its queue: children come first, for a parent waits for them. Its own priority counts as
/// age.
fn place_of(execution: &Execution) -> i64 {
    match execution.parent_id {
        Some(_) => CHILD,
        None => ROOT,
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

/// The end of an execution.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Completed(Payload),
    Failed(ExecutionError),
    Cancelled,
}

/// The error of an execution that ran out of time.
pub(super) fn deadline_error(execution: &Execution) -> ExecutionError {
    ExecutionError {
        code: "EXECUTION_TIMEOUT".into(),
        message: "the execution did not end in the time that its handler allows".into(),
        retryable: false,
        attempt: execution.attempt,
        earlier: Vec::new(),
    }
}

/// The delay after the second interruption in a row; it doubles with each further one.
const FIRST_DELAY_MICROS: i64 = 500_000;

/// The longest delay after an interruption.
const LONGEST_DELAY_MICROS: i64 = 60_000_000;

/// Returns the time that an execution waits after so many interruptions in a row. The first one is
/// most often a restart; what goes on is an outage.
pub(super) fn lost_delay_micros(interruptions: i64) -> i64 {
    match u32::try_from(interruptions) {
        Ok(0 | 1) => 0,
        Ok(many @ 2..=10) => (FIRST_DELAY_MICROS << (many - 2)).min(LONGEST_DELAY_MICROS),
        _ => LONGEST_DELAY_MICROS,
    }
}
