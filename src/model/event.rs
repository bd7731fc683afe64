//! Entries of the write-ahead log. What an entry says is enough to rebuild the row it changed.

mod bodies;
mod cause;
mod entry;
mod shown;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Artifact, ArtifactId, ArtifactState, DisabledReason, EventFilter, ExecutionError, ExecutionId,
    Grants, IntentId, KeyId, KeyRights, Materialization, Micros, NodeId, OperationCounts,
    OperationKind, OperationStatus, Overlap, RawJson, ScheduleTimes, SessionId, SessionStatus,
    TenantId, WebhookChangeKind,
};
use bodies::bodies;
pub(crate) use cause::Cause;
pub use entry::{Event, StreamKind};
pub use shown::{EventData, EventShown, error_shown};

/// The way in which a write treats the state that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StateWriteMode {
    /// The new state takes the place of the old one.
    Replace,
    /// JSON Merge Patch, RFC 7396.
    Merge,
}

bodies! {
    /// An intent was accepted. Payload: its parameters.
    ExecutionCreated = "execution.created" {
        /// The intent; its UUID is the first execution's.
        intent_id: IntentId,
        /// Its type.
        intent_type: String,
        /// Its session.
        session_id: SessionId,
        /// Its solution.
        solution_id: String,
        /// The client's notes.
        metadata: RawJson,
        /// The caller's key.
        idempotency_key: Option<String>,
        /// When the intent was accepted; differs from the event's time for a re-run.
        intent_created_at: Micros,
        /// The handler.
        handler_name: String,
        /// 0 to 9.
        priority: i64,
        /// Not before.
        run_at: Option<Micros>,
        /// Fails when this time comes first.
        deadline_at: Option<Micros>,
        /// The parent.
        parent_id: Option<ExecutionId>,
        /// Its name among the parent's children.
        child_key: Option<String>,
        /// The execution it repeats.
        rerun_of: Option<ExecutionId>,
        /// The name of its queue; none in entries that were written before this was told: `node`.
        queue: Option<String>,
        /// The user of its session.
        user_id: Option<Arc<str>>,
        /// What its attempts may do; none for everything.
        grants: Option<Grants>,
    }
    /// An attempt began.
    ExecutionStarted = "execution.started" {
        /// From 1.
        attempt: i64,
        /// The fence of this attempt's writes.
        epoch: i64,
        /// The node incarnation that runs it.
        node_id: NodeId,
    }
    /// An attempt ended without success and another follows.
    ExecutionRetrying = "execution.retrying" {
        /// The attempt that ended.
        attempt: i64,
        /// The reason.
        error: ExecutionError,
        /// When the next one is due.
        next_attempt_at: Micros,
        /// True if the attempt was lost with its node rather than failed.
        lost: bool,
        /// The number of times in a row that the process has ended with the execution, this time
        /// included; none in entries that were written before this was told.
        crashes: Option<i64>,
    }
    /// A cancellation was accepted and is on its way to the handler.
    CancelRequested = "execution.cancel_requested" {
        /// The reason.
        reason: Option<String>,
        /// The actor.
        actor: String,
    }
    /// The end: a result. Payload: the result.
    ExecutionCompleted = "execution.completed" {}
    /// The end: an error.
    ExecutionFailed = "execution.failed" {
        /// The error of the last attempt.
        error: ExecutionError,
    }
    /// The end: cancelled.
    ExecutionCancelled = "execution.cancelled" {
        /// The reason.
        reason: Option<String>,
    }
    /// A step has been running for a while. One that is quick is told of when it has completed alone.
    StepStarted = "step.started" {
        /// The step.
        name: String,
        /// The attempt that runs it.
        attempt: i64,
        /// For so long it has been running.
        ran_micros: i64,
    }
    /// A step's result became durable. Payload: the result.
    StepCompleted = "step.completed" {
        /// The step.
        name: String,
        /// The attempt that ran it.
        attempt: i64,
        /// When it began.
        started_at: Micros,
    }
    /// The handler says how far it is.
    ProgressReported = "progress.reported" {
        /// 0 to 1.
        fraction: f64,
        /// In words.
        message: Option<String>,
    }
    /// An artifact was registered.
    ArtifactRegistered = "artifact.registered" {
        /// The whole record.
        artifact: Artifact,
        /// Its parents.
        parents: Vec<ArtifactId>,
        /// Its stored forms.
        materializations: Vec<Materialization>,
        /// Who registered it.
        actor: String,
    }
    /// An artifact changed its state.
    ArtifactTransitioned = "artifact.transitioned" {
        /// The artifact.
        artifact_id: ArtifactId,
        /// Before.
        from: ArtifactState,
        /// After.
        to: ArtifactState,
        /// The artifact's version after.
        version: i64,
        /// The actor.
        actor: String,
        /// The reason.
        reason: Option<String>,
    }
    /// A child was submitted.
    ChildSubmitted = "child.submitted" {
        /// The child.
        child_id: ExecutionId,
        /// Its name among the children.
        child_key: String,
        /// Its intent's type.
        intent_type: String,
    }
    /// An event of the handler's own. Payload: its body.
    Domain = "domain" {
        /// The name after `domain.`.
        name: String,
    }
    /// A session began. Payload: its first state.
    SessionCreated = "session.created" {
        /// The user, if there is one.
        user_id: Option<String>,
        /// The solution, if there is one.
        solution_id: Option<String>,
        /// The client's notes.
        metadata: RawJson,
        /// When it ends by itself.
        expires_at: Micros,
    }
    /// An anonymous session got its user.
    SessionUpgraded = "session.upgraded" {
        /// The user.
        user_id: String,
        /// The notes after the upgrade.
        metadata: RawJson,
        /// The tenant in which it was anonymous, where that is another one.
        from_tenant: Option<TenantId>,
        /// When it ends by itself from now on; none where that has not changed.
        expires_at: Option<Micros>,
    }
    /// A session was closed or ran out of time.
    SessionClosed = "session.closed" {
        /// CLOSED or EXPIRED.
        status: SessionStatus,
        /// The reason.
        reason: Option<String>,
    }
    /// A session's state was written. Payload: what was written.
    SessionStateChanged = "session.state_changed" {
        /// Replaced or merged.
        mode: StateWriteMode,
        /// The version after.
        version: i64,
    }
    /// An execution's own state was written. Payload: what was written.
    ExecutionStateChanged = "execution.state_changed" {
        /// Replaced or merged.
        mode: StateWriteMode,
        /// The version after.
        version: i64,
    }
    /// A policy denied something, or none permitted it, or it could not be decided.
    PolicyDenied = "policy.denied" {
        /// What was asked: `submit`, `materialize`, `transition`, `read_content`.
        action: String,
        /// What it was about, as a policy names it.
        resource: String,
        /// The policies that decided, or those that could not be evaluated.
        policies: Vec<String>,
        /// Why it could not be decided.
        errors: Vec<String>,
        /// The execution for which it was asked; of a child, its parent.
        execution_id: Option<ExecutionId>,
    }
    /// A policy permitted something.
    PolicyAllowed = "policy.allowed" {
        /// What was asked.
        action: String,
        /// What it was about, as a policy names it.
        resource: String,
        /// The policies that decided.
        policies: Vec<String>,
        /// The execution for which it was asked; of a child, its parent.
        execution_id: Option<ExecutionId>,
    }
    /// A key of the API was made.
    KeyCreated = "key.created" {
        /// The key.
        key_id: KeyId,
        /// The part of its text that is no secret.
        prefix: String,
        /// Its roles and scopes.
        rights: KeyRights,
        /// Its purpose.
        label: Option<String>,
        /// When it ends by itself.
        expires_at: Option<Micros>,
    }
    /// A key of the API was revoked.
    KeyRevoked = "key.revoked" {
        /// The key.
        key_id: KeyId,
        /// The reason.
        reason: Option<String>,
    }
    /// A schedule was made. Payload: the parameters of its intents.
    ScheduleCreated = "schedule.created" {
        /// Its name.
        name: Option<String>,
        /// The type of its intents.
        intent_type: String,
        /// The handler that was named.
        handler_name: Option<String>,
        /// The session of its executions.
        session_id: SessionId,
        /// The solution that was named.
        solution_id: Option<String>,
        /// The client's notes.
        metadata: RawJson,
        /// 0 to 9.
        priority: Option<i64>,
        /// When it is due.
        times: ScheduleTimes,
        /// What is done while an execution that it made has not ended.
        overlap: Overlap,
        /// For so long a time that was missed is made up for.
        catch_up_micros: i64,
        /// Each execution is submitted up to so long after its time.
        jitter_micros: i64,
        /// What its executions may do.
        grants: Grants,
    }
    /// A schedule was paused: by somebody, or by the runtime because its session has ended.
    SchedulePaused = "schedule.paused" {
        /// The reason.
        reason: Option<String>,
    }
    /// A schedule was resumed.
    ScheduleResumed = "schedule.resumed" {}
    /// A schedule was made to submit its intent at once.
    ScheduleTriggered = "schedule.triggered" {
        /// The execution.
        execution_id: ExecutionId,
    }
    /// Earlier times of a schedule were put into its queue.
    ScheduleBackfilled = "schedule.backfilled" {
        /// The first time that was wanted.
        from: Micros,
        /// The time before which they are.
        until: Micros,
        /// Their number.
        times: i64,
    }
    /// A schedule was deleted. Its stream ends here.
    ScheduleDeleted = "schedule.deleted" {
        /// The reason.
        reason: Option<String>,
    }
    /// A bulk operation began. Payload: its filter.
    OperationStarted = "operation.started" {
        /// The change that it makes.
        kind: OperationKind,
        /// The reason.
        reason: Option<String>,
        /// What it may do.
        grants: Grants,
    }
    /// A bulk operation went on.
    OperationProgressed = "operation.progressed" {
        /// What has become of the things that it has come to.
        counts: OperationCounts,
    }
    /// A bulk operation ended: it is through, it was stopped by somebody, or it could not go on.
    OperationEnded = "operation.ended" {
        /// How it ended.
        status: OperationStatus,
        /// What has become of the things that it has come to.
        counts: OperationCounts,
        /// Why it was stopped, or could not go on.
        reason: Option<String>,
    }
    /// A webhook was made.
    WebhookCreated = "webhook.created" {
        /// Its name.
        name: Option<String>,
        /// Where events are delivered.
        url: String,
        /// Which events.
        filter: EventFilter,
        /// What it may do.
        grants: Grants,
    }
    /// A webhook was changed.
    WebhookChanged = "webhook.changed" {
        /// What was done.
        change: WebhookChangeKind,
        /// Its name after.
        name: Option<String>,
        /// Its address after.
        url: String,
        /// Its filter after.
        filter: EventFilter,
        /// The reason.
        reason: Option<String>,
    }
    /// The runtime delivers nothing more to a webhook.
    WebhookDisabled = "webhook.disabled" {
        /// The reason.
        reason: DisabledReason,
        /// What happened last.
        failure: Option<String>,
    }
    /// A webhook was deleted. Its stream ends here.
    WebhookDeleted = "webhook.deleted" {
        /// The reason.
        reason: Option<String>,
    }
}

/// An entry of the log that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("log entry of type {event_type} is malformed")]
pub struct EventCodecError {
    event_type: String,
    #[source]
    source: Option<serde_json::Error>,
}

impl EventBody {
    /// The type as clients see it: `domain.<name>` for a handler's own events.
    #[must_use]
    pub fn type_name(&self) -> String {
        match self {
            Self::Domain { name } => format!("domain.{name}"),
            other => other.event_type().name().to_owned(),
        }
    }

    /// Returns whether the stream ends here.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::ExecutionCompleted {}
                | Self::ExecutionFailed { .. }
                | Self::ExecutionCancelled { .. }
        )
    }

    /// The columns `type` and `data`.
    ///
    /// # Errors
    /// When a number in it is not finite.
    pub fn encode(&self) -> Result<(String, String), EventCodecError> {
        let event_type = self.type_name();
        match self.to_data() {
            Ok(data) => Ok((event_type, data)),
            Err(source) => Err(EventCodecError {
                event_type,
                source: Some(source),
            }),
        }
    }

    /// Reads the columns `type` and `data`.
    ///
    /// # Errors
    /// When the type is unknown or the data does not fit it.
    pub fn decode(event_type: &str, data: &str) -> Result<Self, EventCodecError> {
        let family = if event_type.starts_with("domain.") {
            "domain"
        } else {
            event_type
        };
        let kind = EventType::ALL.iter().find(|kind| kind.name() == family);
        let failed = |source| EventCodecError {
            event_type: event_type.to_owned(),
            source,
        };
        Self::from_data(*kind.ok_or_else(|| failed(None))?, data).map_err(|e| failed(Some(e)))
    }
}
