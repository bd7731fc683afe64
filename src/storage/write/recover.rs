//! After a node died: its executions go back to `ready` under a new epoch. And what the sweep does
//! with live executions that stand nowhere; it should never find one.

use super::{
    super::{Error, places::TimerKind},
    lifecycle::Ending,
    operation::{Needs, Operation},
    rows::Lost,
    working::Working,
};
use crate::model::{EventBody, Execution, ExecutionError, ExecutionId, SessionStatus};

/// An execution that was lost so many times in a row with its process, the last time alone, is to
/// blame.
const MAX_CRASHES: i64 = 3;
/// The delay after the second interruption in a row; it doubles with each further one.
const FIRST_DELAY_MICROS: i64 = 500_000;
/// The longest delay after an interruption.
const LONGEST_DELAY_MICROS: i64 = 60_000_000;

/// How long an execution waits after so many interruptions in a row. The first one is most often a
/// restart; what goes on is an outage.
pub(super) fn lost_delay_micros(interruptions: i64) -> i64 {
    match u32::try_from(interruptions) {
        Ok(0 | 1) => 0,
        Ok(many @ 2..=10) => (FIRST_DELAY_MICROS << (many - 2)).min(LONGEST_DELAY_MICROS),
        _ => LONGEST_DELAY_MICROS,
    }
}

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
        for one in &lost {
            take_back(working, one);
        }
        Ok(lost.len())
    }
}

fn take_back(working: &mut Working, lost: &Lost) {
    let id = lost.id;
    working.changes.drop_lease(id);
    if working.heed_mark(id) {
        return;
    }
    let Some(execution) = working.executions.change(&id) else {
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
    execution.crashes += i64::from(lost.process_gone);
    execution.interruptions += i64::from(!lost.process_gone);
    if lost.process_gone && lost.was_alone && execution.crashes >= MAX_CRASHES {
        let error = crash_error(execution);
        working.finish(id, Ending::Failed(error));
        return;
    }
    put_back(working, id, lost.process_gone);
}

/// To the queue, at once after a crash: whoever caused it is found by running again.
fn put_back(working: &mut Working, id: ExecutionId, process_gone: bool) {
    let now = working.now;
    let Some(execution) = working.executions.change(&id) else {
        return;
    };
    let delay_micros = if process_gone {
        0
    } else {
        lost_delay_micros(execution.interruptions)
    };
    let (attempt, error) = (execution.attempt, lost_error(execution));
    let crashes = Some(execution.crashes);
    working.release(id);
    if delay_micros == 0 {
        working.enqueue(id);
    } else {
        working.set_timer(id, TimerKind::Retry, now + delay_micros);
    }
    let body = EventBody::ExecutionRetrying {
        attempt,
        error,
        next_attempt_at: now + delay_micros,
        lost: true,
        crashes,
    };
    working.append(id, body, None);
}

/// The error of an execution that ends the processes that run it.
fn crash_error(execution: &Execution) -> ExecutionError {
    let message = format!(
        "the process that ran it ended {} times in a row without a word, the last time while it ran nothing else",
        execution.crashes
    );
    ExecutionError {
        code: "ATTEMPT_LOST".into(),
        message,
        retryable: false,
        attempt: execution.attempt,
        earlier: Vec::new(),
    }
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
            let found = working.executions.see(&id);
            if found.is_none_or(|row| row.status.is_terminal()) {
                continue;
            }
            working.give_up(id);
            working.enqueue(id);
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
        for key in &overdue {
            let now = working.now;
            let Some(session) = working.sessions.see(key).map(|row| &row.session) else {
                continue;
            };
            let status = session.status.when(session.expires_at <= now);
            if status == session.status {
                continue;
            }
            if let Some(row) = working.sessions.change(key) {
                row.session.status = status;
                row.session.updated_at = now;
            }
            let body = EventBody::SessionClosed {
                status: SessionStatus::Expired,
                reason: None,
            };
            working.append_to_session(key, None, body, None);
        }
        Ok(overdue.len())
    }
}
