//! Cancels an execution and everything below it: itself and the first ones below it at once, the
//! others a part at a time by [`CancelBelow`](super::CancelBelow), until
//! [`EndCancellation`](super::EndCancellation).

#[cfg(test)]
mod tests;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    rows::Mark,
    working::Working,
};
use crate::model::{Execution, ExecutionId, Refusal, TenantScope};

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
            working.leave_mark(self.id, place, mark);
        }
        let found = working.executions.see(&self.id).cloned();
        found.ok_or(Error::Corrupt {
            what: "execution",
            source: None,
        })
    }
}
