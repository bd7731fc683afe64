//! Taking what can run: rows leave `ready`, a new epoch begins, a lease is written.

use std::borrow::Cow;

use super::{
    super::{Error, places::ALONE_QUEUE},
    lifecycle::Ending,
    operation::{Needs, Operation},
    shares::Shares,
    working::{Fence, Working},
};
use crate::model::{Execution, ExecutionError, ExecutionId, Micros, NodeId, Queue, TenantId};

/// Takes up to `slots` executions for a node.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The incarnation that will run them.
    pub node_id: NodeId,
    /// Whether what must run alone is taken, instead of all else.
    pub alone: bool,
    /// How many it can run.
    pub slots: usize,
    /// How many of them may be without a parent.
    pub roots: usize,
    /// The tenant after which turns go on.
    pub after: Option<TenantId>,
    /// Who holds how many slots.
    pub shares: Shares,
}

/// What a claim took.
#[derive(Debug, Default)]
pub struct ClaimedBatch {
    /// To be run by the node.
    pub executions: Vec<Execution>,
    /// The database's clock when they were taken.
    pub at: Micros,
    /// The tenant after which the next turn begins.
    pub last: Option<TenantId>,
    /// Whether something may still wait.
    pub more_wait: bool,
    /// Whether another claim may find something for the slots that are left.
    pub go_on: bool,
}

/// What a claim wants of a queue.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) queue: Cow<'static, str>,
    pub(super) slots: usize,
    pub(super) roots: usize,
    pub(super) after: Option<TenantId>,
    pub(super) shares: Shares,
}

/// What left a queue.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) picked: Vec<ExecutionId>,
    pub(super) last: Option<TenantId>,
    pub(super) more_wait: bool,
    pub(super) go_on: bool,
}

impl Claim {
    fn queue(&self) -> Cow<'static, str> {
        if self.alone {
            ALONE_QUEUE.into()
        } else {
            Queue::Node.name()
        }
    }
}

impl Operation for Claim {
    type Output = ClaimedBatch;

    fn needs(&self, needs: &mut Needs) {
        needs.claims.push(Wanted {
            queue: self.queue(),
            slots: self.slots,
            roots: self.roots,
            after: self.after.clone(),
            shares: self.shares.clone(),
        });
    }

    fn decide(&self, working: &mut Working) -> Result<ClaimedBatch, Error> {
        let claimed = working.claimed.remove(&self.queue()).unwrap_or_default();
        let started = claimed.picked.into_iter();
        Ok(ClaimedBatch {
            executions: started
                .filter_map(|id| start_or_end(working, id, self.node_id, self.alone))
                .collect(),
            at: working.now,
            last: claimed.last,
            more_wait: claimed.more_wait,
            go_on: claimed.go_on,
        })
    }

    /// One that is cancelled in the same transaction is handed out as cancelled.
    fn settle(&self, claimed: &mut ClaimedBatch, working: &Working) {
        for execution in &mut claimed.executions {
            working.refresh(execution);
        }
    }
}

/// Starts an execution that still wants to run; ends one whose time has passed.
fn start_or_end(
    working: &mut Working,
    id: ExecutionId,
    node: NodeId,
    alone: bool,
) -> Option<Execution> {
    if working.heed_mark(id) {
        return None;
    }
    let execution = working.executions.see(&id)?;
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
    working.start(id, node, alone)
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

/// Notes that an execution which was started alone has company from now on.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct EndSolitude {
    pub(in crate::storage) fence: Fence,
}

impl Operation for EndSolitude {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.executions.push(self.fence.execution_id);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        working.fenced(self.fence)?;
        working.changes.accompanied.insert(self.fence.execution_id);
        Ok(())
    }
}
