//! Firing of timers: delayed starts and retries go to `ready`, overdue executions fail.

use super::{
    super::places::TimerKind,
    lifecycle::{Ending, deadline_error},
    working::Working,
};
use crate::model::ExecutionId;

/// Carries out the timers that were taken, and returns how many there were.
pub(super) fn fire_all(working: &mut Working) -> usize {
    let fired = std::mem::take(&mut working.fired);
    let count = fired.len();
    for (id, kind) in fired {
        let live = working
            .executions
            .see(&id)
            .is_some_and(|row| !row.status.is_terminal());
        if !live {
            continue;
        }
        if kind == TimerKind::Deadline.code() {
            expire(working, id);
        } else {
            working.enqueue(id);
        }
    }
    count
}

/// Fails an overdue execution unless a node runs it: that node keeps the deadline itself.
fn expire(working: &mut Working, id: ExecutionId) {
    if working.is_held(id) || working.heed_mark(id) {
        return;
    }
    if let Some(execution) = working.executions.see(&id) {
        let error = deadline_error(execution);
        working.changes.unqueue(id);
        working.finish(id, Ending::Failed(error));
    }
}
