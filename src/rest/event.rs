//! Events as clients of the REST contract see them: the fields of the GraphQL types in `snake_case`.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{error::RequestFailure, shown};
use crate::{
    model::{Event, EventBody, ExecutionError, Micros, Principal, RawJson},
    services::Services,
};

/// Something that happened in an execution.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventShown {
    id: String,
    execution_id: String,
    /// Its place: 1, 2, 3.
    sequence: i64,
    /// The stable machine name, such as `execution.completed`.
    #[serde(rename = "type")]
    pub(super) event_type: String,
    /// Who caused it; none where the runtime did it by itself.
    actor: Option<String>,
    occurred_at: String,
    /// Passed as `Last-Event-ID`, it is where the stream goes on.
    pub(super) cursor: String,
    /// The fields of its type.
    #[schema(value_type = Object)]
    data: Data,
}

/// The fields of an event's type, and its payload to the letter: the order of its names is kept.
#[derive(Debug)]
struct Data {
    fields: Value,
    payload: Option<(&'static str, RawJson)>,
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.fields.as_object().into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        if let Some((name, payload)) = &self.payload {
            map.serialize_entry(name, payload)?;
        }
        map.end()
    }
}

impl EventShown {
    /// None for what is not shown, as state changes.
    pub(super) async fn of(
        services: &Services,
        principal: &Principal,
        event: &Event,
    ) -> Result<Option<Self>, RequestFailure> {
        let (Some(execution_id), Some(fields)) = (
            event.execution_id(),
            data_of(&event.body, event.occurred_at),
        ) else {
            return Ok(None);
        };
        let name = match &event.body {
            EventBody::ExecutionCompleted {} => Some("result"),
            EventBody::Domain { .. } => Some("payload"),
            _ => None,
        };
        let payload = match (name, &event.payload) {
            (Some(name), Some(payload)) => {
                let scope = principal.scope();
                Some((name, services.runtime.payload(&scope, payload).await?))
            }
            (Some(name), None) => Some((name, RawJson::null())),
            (None, _) => None,
        };
        Ok(Some(Self {
            id: event.id().to_string(),
            execution_id: execution_id.to_string(),
            sequence: event.cursor.seq,
            event_type: event.body.type_name(),
            actor: event.actor.as_deref().map(str::to_owned),
            occurred_at: shown(event.occurred_at),
            cursor: event.cursor.to_string(),
            data: Data { fields, payload },
        }))
    }
}

/// An error of an execution.
pub(super) fn error_of(error: &ExecutionError) -> Value {
    let earlier = error
        .earlier
        .iter()
        .map(|link| json!({"attempt": link.attempt, "code": link.code, "message": link.message}));
    json!({
        "code": error.code, "message": error.message, "retryable": error.retryable,
        "attempt": error.attempt, "earlier": earlier.collect::<Vec<_>>(),
    })
}

fn data_of(body: &EventBody, occurred_at: Micros) -> Option<Value> {
    Some(match body {
        EventBody::ExecutionCreated {
            intent_id,
            intent_type,
            ..
        } => {
            json!({"intent_id": intent_id, "intent_type": intent_type})
        }
        EventBody::ExecutionStarted {
            attempt, node_id, ..
        } => {
            json!({"attempt": attempt, "node_id": node_id.0.to_string()})
        }
        EventBody::ExecutionRetrying {
            attempt,
            error,
            next_attempt_at,
            ..
        } => json!({
            "attempt": attempt, "error": error_of(error), "next_attempt_at": shown(*next_attempt_at),
        }),
        EventBody::CancelRequested { reason, .. } | EventBody::ExecutionCancelled { reason } => {
            json!({"reason": reason})
        }
        EventBody::ExecutionCompleted {} => json!({}),
        EventBody::ExecutionFailed { error } => json!({"error": error_of(error)}),
        EventBody::ProgressReported { fraction, message } => {
            json!({"fraction": fraction, "message": message})
        }
        EventBody::ArtifactRegistered { artifact, .. } => {
            json!({"artifact_id": artifact.id, "artifact_type": artifact.artifact_type})
        }
        EventBody::ArtifactTransitioned {
            artifact_id,
            from,
            to,
            ..
        } => json!({
            "artifact_id": artifact_id,
            "from": from.name().to_lowercase(), "to": to.name().to_lowercase(),
        }),
        EventBody::ChildSubmitted {
            child_id,
            intent_type,
            ..
        } => {
            json!({"child_id": child_id, "intent_type": intent_type})
        }
        EventBody::StepStarted {
            name,
            attempt,
            ran_micros,
        } => json!({
            "name": name, "attempt": attempt,
            "started_at": shown(occurred_at.saturating_sub(*ran_micros)),
        }),
        EventBody::StepCompleted { name, .. } | EventBody::Domain { name } => json!({"name": name}),
        EventBody::SessionCreated { .. }
        | EventBody::SessionUpgraded { .. }
        | EventBody::SessionClosed { .. }
        | EventBody::SessionStateChanged { .. }
        | EventBody::ExecutionStateChanged { .. }
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
        | EventBody::OperationEnded { .. } => return None,
    })
}
