//! Filters and orders of lists, and how they become those of the services.

use async_graphql::{Enum, ID, InputObject};
use uuid::Uuid;

use super::{
    artifact::ArtifactLifecycleState,
    execution::{ExecutionStatus, WaitReason},
    ids,
    scalars::{DateTime, Json},
    session::SessionStatus,
    user_error::UserError,
};
use crate::{
    api::ApiError,
    artifact_registry,
    events::{self, StreamName},
    executions,
    model::{self, ArtifactId, ExecutionId, OperationId, ScheduleId, WebhookId},
    services::MetadataMember,
    state_surface,
};

/// The order of a list of executions.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::enum_variant_names,
    reason = "what comes first is what an order says"
)]
pub(crate) enum ExecutionOrder {
    /// The latest first.
    #[default]
    NewestFirst,
    /// The earliest first.
    OldestFirst,
    /// Those that have ended, the one that ended last first.
    LastFinishedFirst,
    /// Those that have ended, the one that ended first first.
    FirstFinishedFirst,
}

/// The order of a list of artifacts.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ArtifactOrder {
    /// The latest registered first.
    #[default]
    NewestFirst,
    /// The earliest registered first.
    OldestFirst,
}

/// A member of an object of metadata.
#[derive(InputObject, Debug)]
pub(crate) struct MetadataFilter {
    /// Its name.
    key: String,
    /// Its value: a text, a number or a boolean. Numbers are compared by value.
    value: Json,
}

fn members(filter: Option<Vec<MetadataFilter>>) -> Result<Vec<MetadataMember>, ApiError> {
    let filter = filter.unwrap_or_default().into_iter();
    let members = filter.map(|member| (member.key, member.value.0.to_value()));
    MetadataMember::all(members).map_err(ApiError::bad_input)
}

/// Which executions to list; all conditions hold together. Conditions that no index answers together are looked for among 16 rows for each item of the page, 800 at
/// least: it may have fewer items than asked for, or none, and another page after it.
#[derive(InputObject, Debug, Default)]
pub(crate) struct ExecutionFilter {
    /// Only in one of these states.
    status: Option<Vec<ExecutionStatus>>,
    /// Only of intents of these types.
    intent_type: Option<Vec<String>>,
    /// Only of this session.
    session_id: Option<ID>,
    /// Only accepted after this time.
    created_after: Option<DateTime>,
    /// Only accepted before this time.
    created_before: Option<DateTime>,
    /// Only those that no other execution submitted, if true.
    roots_only: Option<bool>,
    /// Only the one that a submit or a re-run with this key finds, in whatever session of the tenant.
    idempotency_key: Option<String>,
    /// Only of intents with all of these in their metadata; at most 5.
    metadata: Option<Vec<MetadataFilter>>,
    /// Only of these handlers.
    handler_name: Option<Vec<String>>,
    /// Only those that repeat this execution, by their ids in whatever order.
    rerun_of: Option<ID>,
    /// Only those that are not running for one of these reasons. What no node may take is found by `QUEUE`, not by `NODE`,
    /// which is refused. A page then looks at a third of the rows, and at a
    /// fourteenth for `CHILDREN`; a parent that waits on its node is found by the newest 10 of its children.
    waiting_for: Option<Vec<WaitReason>>,
    /// Only those that failed with one of these codes.
    error_code: Option<Vec<String>>,
    /// Only those that ended after this time. Found by their order where the list is by the end.
    finished_after: Option<DateTime>,
    /// Only those that ended before this time.
    finished_before: Option<DateTime>,
}

fn reasons(asked: Option<Vec<WaitReason>>) -> Result<Vec<model::WaitReason>, ApiError> {
    let reasons = all(asked);
    if reasons.contains(&model::WaitReason::Node) {
        return Err(ApiError::bad_input(
            "waitingFor: what waits for a node is found by QUEUE, not by NODE",
        ));
    }
    Ok(reasons)
}

impl ExecutionFilter {
    /// The filter of the service.
    pub(crate) fn read(
        self,
        order: ExecutionOrder,
    ) -> Result<executions::ExecutionFilter, ApiError> {
        Ok(executions::ExecutionFilter {
            user_id: None,
            statuses: all(self.status),
            intent_types: self.intent_type.unwrap_or_default(),
            session_id: ids::optional(self.session_id.as_ref(), "sessionId")?,
            parent_id: None,
            created_after: self.created_after.map(|time| time.0),
            created_before: self.created_before.map(|time| time.0),
            roots_only: self.roots_only.unwrap_or_default(),
            idempotency_key: self.idempotency_key,
            metadata: members(self.metadata)?,
            handler_names: self.handler_name.unwrap_or_default(),
            rerun_of: ids::optional(self.rerun_of.as_ref(), "rerunOf")?,
            waiting_for: reasons(self.waiting_for)?,
            error_codes: self.error_code.unwrap_or_default(),
            finished_after: self.finished_after.map(|time| time.0),
            finished_before: self.finished_before.map(|time| time.0),
            by_finish: matches!(
                order,
                ExecutionOrder::LastFinishedFirst | ExecutionOrder::FirstFinishedFirst
            ),
            oldest_first: matches!(
                order,
                ExecutionOrder::OldestFirst | ExecutionOrder::FirstFinishedFirst
            ),
        })
    }
}

/// Which artifacts to list; all conditions hold together. Conditions that no index answers together are looked for among 16 rows for each item of the page, 800 at
/// least: it may have fewer items than asked for, or none, and another page after it.
#[derive(InputObject, Debug, Default)]
pub(crate) struct ArtifactFilter {
    /// Only of these types.
    artifact_type: Option<Vec<String>>,
    /// Only in one of these states.
    lifecycle_state: Option<Vec<ArtifactLifecycleState>>,
    /// Only those that intents of this type accept as input.
    pub(crate) eligible_for: Option<String>,
    /// Only produced by this execution.
    execution_id: Option<ID>,
    /// Only produced in this session.
    session_id: Option<ID>,
    /// Only registered after this time.
    created_after: Option<DateTime>,
    /// Only registered before this time.
    created_before: Option<DateTime>,
    /// Only with this text in their display name.
    name_contains: Option<String>,
}

impl ArtifactFilter {
    /// The filter of the service; `eligibleFor` is the registry's to resolve.
    pub(crate) fn read(
        self,
        order: ArtifactOrder,
    ) -> Result<artifact_registry::ArtifactFilter, ApiError> {
        Ok(artifact_registry::ArtifactFilter {
            user_id: None,
            artifact_types: self.artifact_type.unwrap_or_default(),
            states: all(self.lifecycle_state),
            execution_id: ids::optional(self.execution_id.as_ref(), "executionId")?,
            session_id: ids::optional(self.session_id.as_ref(), "sessionId")?,
            created_after: self.created_after.map(|time| time.0),
            created_before: self.created_before.map(|time| time.0),
            name_contains: self.name_contains,
            oldest_first: order == ArtifactOrder::OldestFirst,
        })
    }
}

/// Which sessions to list; all conditions hold together. Conditions that no index answers together are looked for among 16 rows for each item of the page, 800 at
/// least: it may have fewer items than asked for, or none, and another page after it.
#[derive(InputObject, Debug, Default)]
pub(crate) struct SessionFilter {
    /// Only in one of these states.
    status: Option<Vec<SessionStatus>>,
    /// Only of this user.
    user_id: Option<String>,
    /// Only with all of these in their metadata; at most 5.
    metadata: Option<Vec<MetadataFilter>>,
}

impl SessionFilter {
    /// The filter of the service.
    pub(crate) fn read(self) -> Result<state_surface::SessionFilter, ApiError> {
        Ok(state_surface::SessionFilter {
            statuses: all(self.status),
            user_id: self.user_id,
            metadata: members(self.metadata)?,
        })
    }
}

/// Which of the tenant's events to watch; all conditions hold together.
#[derive(InputObject, Debug, Default)]
pub(crate) struct EventFilter {
    /// Only events of these types, e.g. `execution.completed`.
    types: Option<Vec<String>>,
    /// Only of executions of intents of these types.
    intent_type: Option<Vec<String>>,
    /// Only of this session.
    session_id: Option<ID>,
}

impl EventFilter {
    /// The filter of the service.
    pub(crate) fn read(self) -> Result<model::EventFilter, ApiError> {
        Ok(model::EventFilter {
            types: self.types.unwrap_or_default(),
            intent_types: self.intent_type.unwrap_or_default(),
            session_id: ids::optional(self.session_id.as_ref(), "sessionId")?,
        })
    }

    /// The same, where it stands in the input of a mutation; `path` is the way to its session.
    pub(crate) fn read_input(self, path: &[&str]) -> Result<model::EventFilter, UserError> {
        let session_id = self.session_id.as_ref();
        Ok(model::EventFilter {
            session_id: session_id.map(|id| ids::input(id, path)).transpose()?,
            types: self.types.unwrap_or_default(),
            intent_types: self.intent_type.unwrap_or_default(),
        })
    }
}

/// Which entries of the log to read.
#[derive(InputObject, Debug, Default)]
pub(crate) struct WalFilter {
    /// Only entries of these types, e.g. `session.created`.
    types: Option<Vec<String>>,
    /// Only entries of this execution, session, artifact, schedule, bulk operation or webhook.
    stream_id: Option<ID>,
    /// Only entries of this session, its executions and their artifacts.
    session_id: Option<ID>,
    /// Only entries after this time.
    created_after: Option<DateTime>,
    /// Only entries before this time.
    created_before: Option<DateTime>,
}

impl WalFilter {
    /// The filter of the service.
    pub(crate) fn read(self) -> Result<events::WalFilter, ApiError> {
        Ok(events::WalFilter {
            types: self.types.unwrap_or_default(),
            stream: self.stream_id.as_ref().map(stream).transpose()?,
            session_id: ids::optional(self.session_id.as_ref(), "sessionId")?,
            created_after: self.created_after.map(|time| time.0),
            created_before: self.created_before.map(|time| time.0),
        })
    }
}

/// The stream that the id names, of whatever kind.
fn stream(id: &ID) -> Result<StreamName, ApiError> {
    let any = Uuid::try_parse(id).map(StreamName::Any);
    let execution = || id.parse().map(|ExecutionId(id)| StreamName::Id(id));
    let session = || id.parse().map(StreamName::Session);
    let artifact = || id.parse().map(|ArtifactId(id)| StreamName::Id(id));
    let schedule = || id.parse().map(|ScheduleId(id)| StreamName::Id(id));
    let operation = || id.parse().map(|OperationId(id)| StreamName::Id(id));
    let webhook = || id.parse().map(|WebhookId(id)| StreamName::Id(id));
    any.or_else(|_| execution())
        .or_else(|_| session())
        .or_else(|_| artifact())
        .or_else(|_| schedule())
        .or_else(|_| operation())
        .or_else(|_| webhook())
        .map_err(|_| {
            ApiError::bad_input(
                "streamId: expected the id of an execution, a session, an artifact, a schedule, a bulk operation or a webhook",
            )
        })
}

/// The wanted values of an enum; empty for any.
fn all<A, B: From<A>>(values: Option<Vec<A>>) -> Vec<B> {
    let values = values.unwrap_or_default();
    values.into_iter().map(B::from).collect()
}
