//! Events of executions: an interface and one type for each kind, the same in queries and in
//! subscriptions. Records that an event names are loaded as they stand now, so that replaying the
//! past does not set a client's cache back.

use std::sync::Arc;

use async_graphql::{Context, ID, Interface, Object, SimpleObject};

use super::{
    artifact::{Artifact, ArtifactLifecycleState},
    counted::Listed,
    execution::{Execution, ExecutionError},
    scalars::{BigInt, DateTime, Json, int},
    session::StateWriteMode,
};
use crate::{
    graphql::error::Nullable,
    model::{self, ArtifactId, EventBody, ExecutionId, Payload},
};

/// The fields that every event has.
pub(crate) struct EventFields {
    id: ID,
    execution: ExecutionId,
    execution_id: ID,
    sequence: i64,
    name: String,
    actor: Option<Arc<str>>,
    occurred_at: i64,
    cursor: String,
}

/// The types of events. Each gets the fields of the interface and its own.
macro_rules! event_types {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $type:ty),* } { $($own:tt)* }
    )*) => {$(
        $(#[$doc])*
        pub(crate) struct $name { common: EventFields, $($field: $type),* }

        $(#[$doc])*
        #[Object]
        impl $name {
            /// Opaque id of the form `evt_…`; the same at every reading.
            async fn id(&self) -> &ID {
                &self.common.id
            }

            /// The execution it happened in.
            async fn execution_id(&self) -> &ID {
                &self.common.execution_id
            }

            /// That execution as it stands now, not as it stood then. Null where it is not the caller's to see.
            async fn execution(&self, ctx: &Context<'_>) -> Nullable<Execution> {
                Execution::find(ctx, self.common.execution).await
            }

            /// Its place among the execution's events: 1, 2, 3, without gaps.
            async fn sequence(&self) -> BigInt {
                BigInt(self.common.sequence)
            }

            /// The stable machine name, e.g. `execution.completed`.
            #[graphql(name = "type")]
            async fn event_type(&self) -> &str {
                &self.common.name
            }

            /// Who caused it: the name of the caller, and for what a handler does that of whoever
            /// submitted its execution. Null where the runtime did it by itself, or an earlier version of
            /// the server wrote the entry.
            async fn actor(&self) -> Option<&str> {
                self.common.actor.as_deref()
            }

            /// When it happened.
            async fn occurred_at(&self) -> DateTime {
                DateTime(self.common.occurred_at)
            }

            /// Pass it as `after` to go on behind this event.
            async fn cursor(&self) -> &str {
                &self.common.cursor
            }

            $($own)*
        }
    )*};
}

event_types! {
    /// An intent was accepted: `execution.created`.
    ExecutionCreated {} {}

    /// An attempt began: `execution.started`.
    ExecutionStarted { attempt: i64, node_id: model::NodeId } {
        /// Which attempt, from 1.
        async fn attempt(&self) -> i32 {
            int(self.attempt)
        }

        /// The node that runs it.
        async fn node_id(&self) -> ID {
            self.node_id.into()
        }
    }

    /// An attempt ended without success and another follows: `execution.retrying`.
    ExecutionRetrying { attempt: i64, error: model::ExecutionError, next_attempt_at: i64 } {
        /// The attempt that ended, from 1.
        async fn attempt(&self) -> i32 {
            int(self.attempt)
        }

        /// Why it ended.
        async fn error(&self) -> ExecutionError {
            (&self.error).into()
        }

        /// When the next one is due.
        async fn next_attempt_at(&self) -> DateTime {
            DateTime(self.next_attempt_at)
        }
    }

    /// A step has been running for a second: `step.started`. Quicker ones are told of by `step.completed` alone.
    StepStarted { name: String, attempt: i64, started_at: i64 } {
        /// The step.
        async fn name(&self) -> &str {
            &self.name
        }

        /// The attempt that runs it, from 1.
        async fn attempt(&self) -> i32 {
            int(self.attempt)
        }

        /// When it began.
        async fn started_at(&self) -> DateTime {
            DateTime(self.started_at)
        }
    }

    /// A step's result became durable: `step.completed`.
    StepCompleted { name: String, attempt: i64 } {
        /// The step.
        async fn name(&self) -> &str {
            &self.name
        }

        /// The attempt that ran it, from 1.
        async fn attempt(&self) -> i32 {
            int(self.attempt)
        }
    }

    /// The handler says how far it is: `progress.reported`.
    ProgressReported { fraction: f64, message: Option<String> } {
        /// 0 to 1.
        async fn fraction(&self) -> f64 {
            self.fraction
        }

        /// The same in words.
        async fn message(&self) -> Option<&str> {
            self.message.as_deref()
        }
    }

    /// An artifact was registered: `artifact.registered`.
    ArtifactRegistered { artifact_id: ArtifactId } {
        /// The artifact as it stands now.
        async fn artifact(&self, ctx: &Context<'_>) -> Nullable<Artifact> {
            Artifact::find(ctx, self.artifact_id).await
        }
    }

    /// An artifact changed its state: `artifact.transitioned`.
    ArtifactTransitioned {
        artifact_id: ArtifactId, from: model::ArtifactState, to: model::ArtifactState
    } {
        /// The artifact as it stands now.
        async fn artifact(&self, ctx: &Context<'_>) -> Nullable<Artifact> {
            Artifact::find(ctx, self.artifact_id).await
        }

        /// The state before.
        async fn from(&self) -> ArtifactLifecycleState {
            self.from.into()
        }

        /// The state after.
        async fn to(&self) -> ArtifactLifecycleState {
            self.to.into()
        }
    }

    /// The execution submitted a child: `child.submitted`.
    ChildSubmitted { child_id: ExecutionId } {
        /// The child as it stands now.
        async fn child(&self, ctx: &Context<'_>) -> Nullable<Execution> {
            Execution::find(ctx, self.child_id).await
        }
    }

    /// An event of the handler's own: `domain.<name>`.
    DomainEvent { name: String, payload: Option<Payload> } {
        /// The name after `domain.`.
        async fn name(&self) -> &str {
            &self.name
        }

        /// Its body.
        async fn payload(&self, ctx: &Context<'_>) -> Nullable<Json> {
            Some(Json::load(ctx, self.payload.as_ref()?).await)
        }
    }

    /// The execution's own state was written: `execution.state_changed`.
    ExecutionStateChanged { mode: model::StateWriteMode, version: i64 } {
        /// The mode of the write.
        async fn mode(&self) -> StateWriteMode {
            self.mode.into()
        }

        /// The version after.
        async fn version(&self) -> BigInt {
            BigInt(self.version)
        }
    }

    /// A cancellation was accepted and is on its way: `execution.cancel_requested`.
    CancelRequested { reason: Option<String> } {
        /// Why, if a reason was given.
        async fn reason(&self) -> Option<&str> {
            self.reason.as_deref()
        }
    }

    /// The end, with a result: `execution.completed`.
    ExecutionCompleted { result: Option<Payload> } {
        /// The result that the handler returned.
        async fn result(&self, ctx: &Context<'_>) -> Nullable<Json> {
            Some(Json::load(ctx, self.result.as_ref()?).await)
        }
    }

    /// The end, with an error: `execution.failed`.
    ExecutionFailed { error: model::ExecutionError } {
        /// The error of the last attempt.
        async fn error(&self) -> ExecutionError {
            (&self.error).into()
        }
    }

    /// The end, by a cancellation: `execution.cancelled`.
    ExecutionCancelled { reason: Option<String> } {
        /// Why, if a reason was given.
        async fn reason(&self) -> Option<&str> {
            self.reason.as_deref()
        }
    }
}

/// Something that happened in an execution.
#[expect(
    clippy::duplicated_attributes,
    reason = "fields may have the same type"
)]
#[derive(Interface)]
#[graphql(
    field(
        name = "id",
        ty = "&ID",
        desc = "Opaque id of the form `evt_…`; the same at every reading."
    ),
    field(
        name = "execution_id",
        ty = "&ID",
        desc = "The execution it happened in."
    ),
    field(
        name = "execution",
        ty = "Nullable<Execution>",
        desc = "That execution as it stands now, not as it stood then. Null where it is not the caller's to see."
    ),
    field(
        name = "sequence",
        ty = "BigInt",
        desc = "Its place among the execution's events: 1, 2, 3, without gaps."
    ),
    field(
        name = "type",
        method = "event_type",
        ty = "&str",
        desc = "The stable machine name, e.g. `execution.completed`."
    ),
    field(
        name = "actor",
        ty = "Option<&str>",
        desc = "Who caused it: the name of the caller, and for what a handler does that of whoever \
                submitted its execution. Null where the runtime did it by itself, or an earlier version of \
                the server wrote the entry."
    ),
    field(name = "occurred_at", ty = "DateTime", desc = "When it happened."),
    field(
        name = "cursor",
        ty = "&str",
        desc = "Pass it as `after` to go on behind this event."
    )
)]
pub(crate) enum ExecutionEvent {
    ExecutionCreated(ExecutionCreated),
    ExecutionStarted(ExecutionStarted),
    ExecutionRetrying(ExecutionRetrying),
    StepStarted(StepStarted),
    StepCompleted(StepCompleted),
    ProgressReported(ProgressReported),
    ArtifactRegistered(ArtifactRegistered),
    ArtifactTransitioned(ArtifactTransitioned),
    ChildSubmitted(ChildSubmitted),
    DomainEvent(DomainEvent),
    ExecutionStateChanged(ExecutionStateChanged),
    CancelRequested(CancelRequested),
    ExecutionCompleted(ExecutionCompleted),
    ExecutionFailed(ExecutionFailed),
    ExecutionCancelled(ExecutionCancelled),
}

impl EventFields {
    /// The fields of an event of an execution's stream; none for other entries.
    fn of(event: &model::Event) -> Option<Self> {
        Some(Self {
            id: event.id().into(),
            execution: event.execution_id()?,
            execution_id: event.execution_id()?.into(),
            sequence: event.cursor.seq,
            name: event.body.type_name(),
            actor: event.actor.clone(),
            occurred_at: event.occurred_at,
            cursor: event.cursor.to_string(),
        })
    }
}

impl ExecutionEvent {
    /// The event of an execution's stream; none for entries of sessions.
    #[expect(clippy::too_many_lines, reason = "one arm a type of event")]
    pub(crate) fn of(event: &model::Event) -> Option<Self> {
        let common = EventFields::of(event)?;
        let payload = event.payload.clone();
        Some(match event.body.clone() {
            EventBody::ExecutionCreated { .. } => ExecutionCreated { common }.into(),
            EventBody::ExecutionStarted {
                attempt, node_id, ..
            } => ExecutionStarted {
                common,
                attempt,
                node_id,
            }
            .into(),
            EventBody::ExecutionRetrying {
                attempt,
                error,
                next_attempt_at,
                ..
            } => ExecutionRetrying {
                common,
                attempt,
                error,
                next_attempt_at,
            }
            .into(),
            EventBody::StepStarted {
                name,
                attempt,
                ran_micros,
            } => StepStarted {
                common,
                name,
                attempt,
                started_at: event.occurred_at.saturating_sub(ran_micros),
            }
            .into(),
            EventBody::StepCompleted { name, attempt, .. } => StepCompleted {
                common,
                name,
                attempt,
            }
            .into(),
            EventBody::ProgressReported { fraction, message } => ProgressReported {
                common,
                fraction,
                message,
            }
            .into(),
            EventBody::ArtifactRegistered { artifact, .. } => ArtifactRegistered {
                common,
                artifact_id: artifact.id,
            }
            .into(),
            EventBody::ArtifactTransitioned {
                artifact_id,
                from,
                to,
                ..
            } => ArtifactTransitioned {
                common,
                artifact_id,
                from,
                to,
            }
            .into(),
            EventBody::ChildSubmitted { child_id, .. } => {
                ChildSubmitted { common, child_id }.into()
            }
            EventBody::Domain { name } => DomainEvent {
                common,
                name,
                payload,
            }
            .into(),
            EventBody::ExecutionStateChanged { mode, version } => ExecutionStateChanged {
                common,
                mode,
                version,
            }
            .into(),
            EventBody::CancelRequested { reason, .. } => CancelRequested { common, reason }.into(),
            EventBody::ExecutionCompleted {} => ExecutionCompleted {
                common,
                result: payload,
            }
            .into(),
            EventBody::ExecutionFailed { error } => ExecutionFailed { common, error }.into(),
            EventBody::ExecutionCancelled { reason } => {
                ExecutionCancelled { common, reason }.into()
            }
            EventBody::SessionCreated { .. }
            | EventBody::SessionUpgraded { .. }
            | EventBody::SessionClosed { .. }
            | EventBody::SessionStateChanged { .. }
            | EventBody::PolicyDenied { .. }
            | EventBody::PolicyAllowed { .. }
            | EventBody::KeyCreated { .. }
            | EventBody::KeyRevoked { .. }
            | EventBody::ScheduleCreated { .. }
            | EventBody::SchedulePaused { .. }
            | EventBody::ScheduleResumed {}
            | EventBody::ScheduleTriggered { .. }
            | EventBody::ScheduleBackfilled { .. }
            | EventBody::ScheduleDeleted { .. }
            | EventBody::OperationStarted { .. }
            | EventBody::OperationProgressed { .. }
            | EventBody::OperationEnded { .. }
            | EventBody::WebhookCreated { .. }
            | EventBody::WebhookChanged { .. }
            | EventBody::WebhookDisabled { .. }
            | EventBody::WebhookDeleted { .. } => return None,
        })
    }
}

/// Events that arrive together.
#[derive(SimpleObject)]
pub(crate) struct ExecutionEventBatch {
    /// 1 to 100 events, in order.
    pub(crate) events: Listed<ExecutionEvent>,
    /// Pass it as `after` to go on from here, on any node, after any time.
    pub(crate) cursor: String,
    /// True if more past events follow at once; false once the stream is live.
    pub(crate) has_more_past_events: bool,
}
