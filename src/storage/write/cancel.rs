//! Cancelling an execution and everything below it: itself and the first ones below it at once, the
//! others a part at a time.
//!
//! While that goes on the cancellation has a row, the mark. What is below a mark ends as cancelled by
//! whatever touches it: nothing starts there, has children or completes.

use entity::cancellation;

use super::{
    super::Error,
    lifecycle::Ending,
    notice::Notice,
    operation::{Needs, Operation},
    rows::Mark,
    working::Working,
};
use crate::model::{EventBody, Execution, ExecutionId, Refusal, TenantScope};

/// Cancels an execution in whatever live state it is, and what is below it.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Cancel {
    pub(in crate::storage) scope: TenantScope,
    pub(in crate::storage) id: ExecutionId,
    pub(in crate::storage) reason: Option<String>,
    pub(in crate::storage) actor: String,
}

impl Operation for Cancel {
    type Output = Execution;

    fn needs(&self, needs: &mut Needs) {
        needs.cancel.push((self.id, self.scope.clone()));
    }

    fn decide(&self, working: &mut Working) -> Result<Execution, Error> {
        let found = working.executions.see(&self.id);
        let execution = found
            .filter(|execution| execution.intent.tenant_id == *self.scope.tenant())
            .ok_or_else(|| Refusal::not_found("execution", "executionId"))?;
        if execution.status.is_terminal() {
            return Err(Refusal::AlreadyTerminal {
                status: execution.status,
            }
            .into());
        }
        let is_news = execution.cancel_requested_at.is_none();
        let place = (execution.root_id.unwrap_or(self.id), execution.depth);
        let mark = Mark {
            reason: self.reason.clone(),
            actor: self.actor.clone(),
        };
        for id in working.family(self.id) {
            working.request_cancel(id, &mark);
        }
        if is_news && working.parents.contains(&self.id) {
            working.mark(self.id, place, mark);
        }
        let found = working.executions.see(&self.id).cloned();
        found.ok_or(Error::Corrupt {
            what: "execution",
            source: None,
        })
    }
}

/// Cancels executions below one that was cancelled.
#[derive(Debug, Clone)]
pub(in crate::storage) struct CancelBelow {
    /// The one above them.
    pub(in crate::storage) above: ExecutionId,
    pub(in crate::storage) ids: Vec<ExecutionId>,
    pub(in crate::storage) reason: Option<String>,
    pub(in crate::storage) actor: String,
}

impl Operation for CancelBelow {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.cancel_below.extend(&self.ids);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        let mark = Mark {
            reason: self.reason.clone(),
            actor: self.actor.clone(),
        };
        for below in &self.ids {
            for id in working.family(*below) {
                working.request_cancel(id, &mark);
            }
        }
        working.changes.marks_touched.insert(self.above);
        Ok(())
    }
}

/// Removes the mark of a cancellation that has reached all that is below it.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct EndCancellation {
    pub(in crate::storage) id: ExecutionId,
}

impl Operation for EndCancellation {
    type Output = ();

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        working.changes.marks_out.insert(self.id);
        Ok(())
    }
}

impl Working {
    /// Ends what no node runs; asks the node that runs it otherwise.
    fn request_cancel(&mut self, id: ExecutionId, mark: &Mark) {
        let (now, held) = (self.now, self.is_held(id));
        let found = self.executions.see(&id);
        if found.is_none_or(|row| row.status.is_terminal() || row.cancel_requested_at.is_some()) {
            return;
        }
        let Some(execution) = self.executions.change(&id) else {
            return;
        };
        execution.cancel_requested_at = Some(now);
        execution.cancel_reason.clone_from(&mark.reason);
        let body = EventBody::CancelRequested {
            reason: mark.reason.clone(),
            actor: mark.actor.clone(),
        };
        self.append(id, body, None);
        if held {
            self.changes.notices.push(Notice::Cancel(id));
        } else {
            self.changes.unqueue(id);
            self.finish(id, Ending::Cancelled);
        }
    }

    /// Leaves a mark above what the cancellation has not reached.
    fn mark(&mut self, id: ExecutionId, (root, depth): (ExecutionId, i64), mark: Mark) {
        let row = cancellation::Model {
            execution_id: id.0,
            root_id: root.0,
            depth,
            reason: mark.reason,
            actor: mark.actor,
            touched_at: self.now,
        };
        self.changes.marks_in.insert(id, row);
        self.changes.notices.push(Notice::CancelBelow(id));
    }

    /// Cancels an execution that is below a mark; whether that has ended it.
    pub(super) fn heed_mark(&mut self, id: ExecutionId) -> bool {
        let Some(mark) = self.marks.get(&id).cloned() else {
            return false;
        };
        self.request_cancel(id, &mark);
        let found = self.executions.see(&id);
        found.is_some_and(|row| row.status.is_terminal())
    }
}
