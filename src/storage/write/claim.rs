//! Taking what can run: rows leave `ready`, a new epoch begins, a lease is written.

use super::{
    super::Error,
    operation::{Needs, Operation},
    submit::Queue,
    working::{Ending, Working},
};
use crate::model::{Execution, ExecutionError, ExecutionId, NodeId};

/// Takes up to `slots` executions for a node.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The incarnation that will run them.
    pub node_id: NodeId,
    /// How many it can run.
    pub slots: usize,
    /// Which of the waiting tenants comes first: one more at each claim of the node.
    pub turn: usize,
}

impl Operation for Claim {
    type Output = Vec<Execution>;

    fn needs(&self, needs: &mut Needs) {
        needs.claim = Some((Queue::Node.name(), self.slots, self.turn));
    }

    fn decide(&self, working: &mut Working) -> Result<Vec<Execution>, Error> {
        let claimed = std::mem::take(&mut working.claimed);
        Ok(claimed
            .into_iter()
            .filter_map(|id| start_or_end(working, id, self.node_id))
            .collect())
    }

    /// One that is cancelled in the same transaction is handed out as cancelled.
    fn settle(&self, claimed: &mut Vec<Execution>, working: &Working) {
        for execution in claimed {
            working.refresh(execution);
        }
    }
}

/// Starts an execution that still wants to run; ends one whose time has passed.
fn start_or_end(working: &mut Working, id: ExecutionId, node: NodeId) -> Option<Execution> {
    let execution = &working.executions.get(&id)?.row;
    if execution.status.is_terminal() {
        return None;
    }
    if execution.cancel_requested_at.is_some() {
        working.finish(id, Ending::Cancelled);
        return None;
    }
    if execution.deadline_at.is_some_and(|at| at <= working.now) {
        let error = deadline_error(execution);
        working.finish(id, Ending::Failed(error));
        return None;
    }
    working.start(id, node)
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
