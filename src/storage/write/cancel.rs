//! Cancelling an execution and everything below it.

use super::{
    super::Error,
    operation::{Needs, Operation},
    working::{Ending, Notice, Working},
};
use crate::model::{EventBody, Execution, ExecutionId, Refusal, TenantScope};

/// Cancels an execution in whatever live state it is, and its live descendants.
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
        let found = working.executions.get(&self.id).map(|tracked| &tracked.row);
        let execution = found
            .filter(|execution| execution.intent.tenant_id == *self.scope.tenant())
            .ok_or_else(|| Refusal::not_found("execution", "executionId"))?;
        if execution.status.is_terminal() {
            return Err(Refusal::AlreadyTerminal {
                status: execution.status,
            }
            .into());
        }
        for id in working.family(self.id) {
            self.cancel(working, id);
        }
        let found = working
            .executions
            .get(&self.id)
            .map(|tracked| tracked.row.clone());
        found.ok_or(Error::Corrupt {
            what: "execution",
            source: None,
        })
    }
}

impl Cancel {
    /// Ends what no node runs; asks the node that runs it otherwise.
    fn cancel(&self, working: &mut Working, id: ExecutionId) {
        let (now, held) = (working.now, working.is_held(id));
        let Some(tracked) = working.executions.get_mut(&id) else {
            return;
        };
        let execution = &mut tracked.row;
        if execution.status.is_terminal() || execution.cancel_requested_at.is_some() {
            return;
        }
        execution.cancel_requested_at = Some(now);
        execution.cancel_reason.clone_from(&self.reason);
        let body = EventBody::CancelRequested {
            reason: self.reason.clone(),
            actor: self.actor.clone(),
        };
        working.append(id, body, None);
        if held {
            working.changes.notices.push(Notice::Cancel(id));
        } else {
            working.changes.unqueue(id);
            working.finish(id, Ending::Cancelled);
        }
    }
}
