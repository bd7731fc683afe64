//! After a node died: its executions go back to `ready` under a new epoch. And what the sweep does
//! with live executions that stand nowhere; it should never find one.

use super::{
    super::Error,
    operation::{Needs, Operation},
    submit::Queue,
    working::{Ending, Working},
};
use crate::model::{EventBody, Execution, ExecutionError, ExecutionId, SessionStatus};

/// So many attempts may be lost with their nodes before the execution itself is blamed.
const MAX_LOST_ATTEMPTS: i64 = 100;

/// Takes back up to `limit` executions that dead incarnations hold.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct Recover {
    pub(in crate::storage) limit: usize,
}

impl Operation for Recover {
    /// How many were taken back.
    type Output = usize;

    fn needs(&self, needs: &mut Needs) {
        needs.lost = Some(self.limit);
    }

    fn decide(&self, working: &mut Working) -> Result<usize, Error> {
        let lost = std::mem::take(&mut working.lost);
        for id in &lost {
            take_back(working, *id);
        }
        Ok(lost.len())
    }
}

fn take_back(working: &mut Working, id: ExecutionId) {
    let now = working.now;
    working.changes.drop_lease(id);
    let Some(execution) = working.execution_mut(id) else {
        return;
    };
    if execution.status.is_terminal() {
        return;
    }
    if execution.cancel_requested_at.is_some() {
        working.finish(id, Ending::Cancelled);
        return;
    }
    execution.lost_attempts += 1;
    let error = lost_error(execution);
    if execution.lost_attempts >= MAX_LOST_ATTEMPTS {
        working.finish(id, Ending::Failed(error));
        return;
    }
    let attempt = execution.attempt;
    working.release(id);
    working.enqueue(id, &Queue::Node.name());
    let body = EventBody::ExecutionRetrying {
        attempt,
        error,
        next_attempt_at: now,
        lost: true,
    };
    working.append(id, body, None);
}

fn lost_error(execution: &Execution) -> ExecutionError {
    ExecutionError {
        code: "ATTEMPT_LOST".into(),
        message: "the node that ran the attempt went away".into(),
        retryable: true,
        attempt: execution.attempt,
        earlier: Vec::new(),
    }
}

/// Repairs those of some executions that live, are in no queue, and have no timer and no lease.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Sweep {
    pub(in crate::storage) suspects: Vec<ExecutionId>,
}

impl Operation for Sweep {
    /// The executions that were put back.
    type Output = Vec<ExecutionId>;

    fn needs(&self, needs: &mut Needs) {
        needs.stranded.extend(&self.suspects);
    }

    fn decide(&self, working: &mut Working) -> Result<Vec<ExecutionId>, Error> {
        let stranded = std::mem::take(&mut working.stranded);
        let mut repaired = Vec::new();
        for id in stranded {
            let Some(tracked) = working.executions.get(&id) else {
                continue;
            };
            if tracked.row.status.is_terminal() {
                continue;
            }
            working.release(id);
            working.enqueue(id, &Queue::Node.name());
            repaired.push(id);
        }
        Ok(repaired)
    }
}

/// Marks up to `limit` sessions as expired whose time has passed.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct ExpireSessions {
    pub(in crate::storage) limit: usize,
}

impl Operation for ExpireSessions {
    /// How many.
    type Output = usize;

    fn needs(&self, needs: &mut Needs) {
        needs.overdue_sessions = Some(self.limit);
    }

    fn decide(&self, working: &mut Working) -> Result<usize, Error> {
        let overdue = std::mem::take(&mut working.overdue_sessions);
        for id in &overdue {
            let now = working.now;
            let Some(tracked) = working.sessions.get_mut(id) else {
                continue;
            };
            let session = &mut tracked.row.session;
            if !session.status.can_become(SessionStatus::Expired) || session.expires_at > now {
                continue;
            }
            session.status = SessionStatus::Expired;
            session.updated_at = now;
            let body = EventBody::SessionClosed {
                status: SessionStatus::Expired,
                reason: None,
            };
            working.append_to_session(*id, body, None);
        }
        Ok(overdue.len())
    }
}
