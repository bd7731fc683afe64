//! Marks of cancellations.
//!
//! A cancellation that is under way has a row, the mark. An execution below a mark ends as cancelled
//! by whatever touches it: nothing starts there, has children or completes.

use entity::cancellation;

use super::{lifecycle::Ending, notice::Notice, rows::Mark, working::Working};
use crate::model::{EventBody, ExecutionId};

impl Working {
    /// Ends what no node runs; asks the node that runs it otherwise.
    pub(super) fn request_cancel(&mut self, id: ExecutionId, mark: &Mark) {
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
    pub(super) fn leave_mark(
        &mut self,
        id: ExecutionId,
        (root, depth): (ExecutionId, i64),
        mark: Mark,
    ) {
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
