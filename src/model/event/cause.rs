//! Who causes entries of the log.

use super::EventBody;

/// Who causes an entry of the log.
pub(crate) enum Cause<'a> {
    /// The one whom the entry names.
    Named(&'a str),
    /// Whoever submitted the execution: a handler acts for its submitter.
    Submitter,
    /// Whoever calls. A session that runs out of time has none.
    Caller,
    /// The runtime by itself.
    Runtime,
}

impl EventBody {
    /// Who causes such an entry.
    pub(crate) fn cause(&self) -> Cause<'_> {
        match self {
            Self::CancelRequested { actor, .. }
            | Self::ArtifactRegistered { actor, .. }
            | Self::ArtifactTransitioned { actor, .. } => Cause::Named(actor),
            Self::ExecutionCreated { .. }
            | Self::StepStarted { .. }
            | Self::StepCompleted { .. }
            | Self::ProgressReported { .. }
            | Self::ChildSubmitted { .. }
            | Self::Domain { .. }
            | Self::ExecutionStateChanged { .. } => Cause::Submitter,
            Self::SessionCreated { .. }
            | Self::SessionUpgraded { .. }
            | Self::SessionStateChanged { .. }
            | Self::SessionClosed { .. }
            | Self::PolicyDenied { .. }
            | Self::PolicyAllowed { .. }
            | Self::KeyCreated { .. }
            | Self::KeyRevoked { .. }
            | Self::ScheduleCreated { .. }
            | Self::SchedulePaused { .. }
            | Self::ScheduleResumed {}
            | Self::ScheduleTriggered { .. }
            | Self::ScheduleBackfilled { .. }
            | Self::ScheduleDeleted { .. }
            | Self::OperationStarted { .. }
            | Self::OperationEnded { .. }
            | Self::WebhookCreated { .. }
            | Self::WebhookChanged { .. }
            | Self::WebhookDeleted { .. } => Cause::Caller,
            Self::OperationProgressed { .. }
            | Self::WebhookDisabled { .. }
            | Self::ExecutionStarted { .. }
            | Self::ExecutionRetrying { .. }
            | Self::ExecutionCompleted { .. }
            | Self::ExecutionFailed { .. }
            | Self::ExecutionCancelled { .. } => Cause::Runtime,
        }
    }
}
