//! Operations, and the rows they need.

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{super::Error, keys::KeyClaim, queue::Wanted, working::Working};
use crate::model::{
    ArtifactId, ExecutionId, KeyId, Limit, OperationId, ScheduleId, SessionKey, TenantId,
    TenantScope, WebhookId,
};

/// The limits of an execution that is to be made.
#[derive(Debug, Clone)]
pub(super) struct NewLimits {
    pub(super) tenant: TenantId,
    pub(super) intent_type: String,
    pub(super) limits: Vec<Limit>,
}

/// Rows that an operation wants locked and loaded before it decides.
#[derive(Debug, Default)]
pub(in crate::storage) struct Needs {
    /// Keys to take, unless another execution holds them.
    pub(super) keys: Vec<KeyClaim>,
    /// Ids of executions that callers chose, of which it must be known whether they are free.
    pub(super) chosen_ids: Vec<ExecutionId>,
    /// Rows of `ready` to take; one a queue.
    pub(super) claims: Vec<Wanted>,
    /// The number of due rows of `timer` to take.
    pub(super) timers: Option<usize>,
    /// Executions to take that are parked.
    pub(super) parked: Vec<ExecutionId>,
    /// The number of executions of dead nodes to take.
    pub(super) lost: Option<usize>,
    /// Executions that may be live and without a place.
    pub(super) stranded: Vec<ExecutionId>,
    /// The number of overdue sessions to close.
    pub(super) overdue_sessions: Option<usize>,
    /// Executions whose cancellation begins here; the first live ones below them come with them.
    pub(super) cancel: Vec<(ExecutionId, TenantScope)>,
    /// Executions to cancel because one above them was; with their leases, and only if they can be read.
    pub(super) cancel_below: Vec<ExecutionId>,
    /// Executions to lock.
    pub(super) executions: Vec<ExecutionId>,
    /// Those among them that may end or come to wait: with their places under limits.
    pub(super) ending: Vec<ExecutionId>,
    /// Limits that new executions will be under.
    pub(super) limits: Vec<NewLimits>,
    /// Steps whose presence matters.
    pub(super) steps: Vec<(ExecutionId, String)>,
    /// Sessions to read.
    pub(super) sessions: Vec<SessionKey>,
    /// Sessions to lock and change.
    pub(super) sessions_locked: Vec<SessionKey>,
    /// States of executions to lock and change.
    pub(super) execution_states: Vec<ExecutionId>,
    /// Tenants of which it must be known how much they have announced and not sent.
    pub(super) announced: Vec<TenantId>,
    /// Keys of the API to lock and change.
    pub(super) api_keys: Vec<KeyId>,
    /// Tenants of which it must be known how many keys they have.
    pub(super) api_key_counts: Vec<TenantId>,
    /// Schedules to lock and change.
    pub(super) schedules: Vec<ScheduleId>,
    /// Tenants of which it must be known how many schedules they have.
    pub(super) schedule_counts: Vec<TenantId>,
    /// Bulk operations to lock and change.
    pub(super) operations: Vec<OperationId>,
    /// Tenants of which it must be known how many bulk operations go on.
    pub(super) operation_counts: Vec<TenantId>,
    /// Webhooks to lock and change.
    pub(super) webhooks: Vec<WebhookId>,
    /// Tenants of which it must be known how many webhooks they have.
    pub(super) webhook_counts: Vec<TenantId>,
    /// True to lock the keys that seal sensitive parameters, all of them.
    pub(super) data_keys: bool,
    /// Artifacts to read.
    pub(super) artifacts: Vec<ArtifactId>,
    /// Artifacts to lock and change.
    pub(super) artifacts_locked: Vec<ArtifactId>,
    /// Tenants whose log is to be trimmed; one transaction at a time has a tenant's.
    pub(super) trimmed: Vec<TenantId>,
    /// Executions to remove if they are there and have ended.
    pub(super) removable: Vec<Uuid>,
    /// The number of counts to take whose time has come to be part of others.
    pub(super) counts_due: Option<usize>,
    /// Checkpoints of which it must be known what is kept under them.
    pub(super) checkpoints: Vec<(TenantId, i64)>,
}

impl Needs {
    /// Returns whether rows are only wanted by their names: nothing is taken from a queue, no key or
    /// chosen id is taken, and no cancellation begins.
    pub(super) fn are_named(&self) -> bool {
        let Self {
            keys,
            chosen_ids,
            claims,
            timers,
            parked,
            lost,
            stranded,
            overdue_sessions,
            cancel,
            cancel_below,
            executions: _,
            ending: _,
            limits: _,
            steps: _,
            sessions: _,
            sessions_locked: _,
            execution_states: _,
            announced: _,
            api_keys: _,
            api_key_counts: _,
            schedules: _,
            schedule_counts: _,
            operations: _,
            operation_counts: _,
            webhooks: _,
            webhook_counts: _,
            data_keys: _,
            artifacts: _,
            artifacts_locked: _,
            trimmed: _,
            removable: _,
            checkpoints: _,
            counts_due,
        } = self;
        let limits = [timers, lost, overdue_sessions, counts_due];
        keys.is_empty()
            && chosen_ids.is_empty()
            && stranded.is_empty()
            && cancel.is_empty()
            && cancel_below.is_empty()
            && claims.is_empty()
            && parked.is_empty()
            && limits.iter().all(|limit| limit.is_none())
    }
}

/// One change of durable state.
pub(in crate::storage) trait Operation: Send + 'static {
    /// The result for the caller.
    type Output: Send + 'static;

    /// Names the rows it will look at or change.
    fn needs(&self, needs: &mut Needs);

    /// Checks, then changes the working set. It must not change anything and then refuse.
    fn decide(&self, working: &mut Working) -> Result<Self::Output, Error>;

    /// Brings the output up to date with what later operations of the batch decided.
    fn settle(&self, _output: &mut Self::Output, _working: &Working) {}
}

/// An operation on its way, with the caller that waits for it.
pub(super) trait Pending: Send {
    fn needs(&self, needs: &mut Needs);
    /// Decides anew, forgetting an earlier decision.
    fn decide(&mut self, working: &mut Working);
    /// Brings the last decision up to date once all operations of the batch are decided.
    fn settle(&mut self, working: &Working);
    /// Tells the caller what was decided; the transaction is committed.
    fn answer(self: Box<Self>);
    /// Tells the caller that nothing was done.
    fn fail(self: Box<Self>, error: Error);
}

pub(super) struct Request<O: Operation> {
    pub(super) operation: O,
    pub(super) decision: Option<Result<O::Output, Error>>,
    pub(super) caller: oneshot::Sender<Result<O::Output, Error>>,
}

impl<O: Operation> Pending for Request<O> {
    fn needs(&self, needs: &mut Needs) {
        self.operation.needs(needs);
    }

    fn decide(&mut self, working: &mut Working) {
        self.decision = Some(self.operation.decide(working));
    }

    fn settle(&mut self, working: &Working) {
        if let Some(Ok(output)) = &mut self.decision {
            self.operation.settle(output, working);
        }
    }

    fn answer(self: Box<Self>) {
        // A caller that has gone away does not undo what is durable.
        let _ = self
            .caller
            .send(self.decision.unwrap_or(Err(Error::Closed)));
    }

    fn fail(self: Box<Self>, error: Error) {
        let _ = self.caller.send(Err(error));
    }
}
