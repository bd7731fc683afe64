//! What has become due: delayed starts and retries go to `ready`, overdue executions fail.

use super::{
    super::{Error, places::TimerKind},
    claim::deadline_error,
    lifecycle::Ending,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::ExecutionId;

/// Fires up to `limit` due timers.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct FireTimers {
    pub(in crate::storage) limit: usize,
}

impl Operation for FireTimers {
    /// How many fired.
    type Output = usize;

    fn needs(&self, needs: &mut Needs) {
        needs.timers = Some(self.limit);
    }

    fn decide(&self, working: &mut Working) -> Result<usize, Error> {
        Ok(fire_all(working))
    }
}

/// Puts parked executions back, of which a child has ended.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Wake {
    pub(in crate::storage) ids: Vec<ExecutionId>,
}

impl Operation for Wake {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.parked.extend(&self.ids);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        fire_all(working);
        Ok(())
    }
}

/// What was taken of the timers has its time come; how many.
fn fire_all(working: &mut Working) -> usize {
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
