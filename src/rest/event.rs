//! Events as clients of the REST contract see them: the fields of the GraphQL types in `snake_case`.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{error::Failure, shown};
use crate::{
    model::{Event, EventBody, ExecutionError, Principal},
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
    occurred_at: String,
    /// Passed as `Last-Event-ID`, it is where the stream goes on.
    pub(super) cursor: String,
    /// What the type has besides.
    #[schema(value_type = Object)]
    data: Value,
}

impl EventShown {
    /// None for what is not shown, as state changes.
    pub(super) async fn of(
        services: &Services,
        principal: &Principal,
        event: &Event,
    ) -> Result<Option<Self>, Failure> {
        let (Some(execution_id), Some(mut data)) = (event.execution_id(), data_of(&event.body))
        else {
            return Ok(None);
        };
        let name = match &event.body {
            EventBody::ExecutionCompleted {} => Some("result"),
            EventBody::Domain { .. } => Some("payload"),
            _ => None,
        };
        if let Some(name) = name {
            data[name] = match &event.payload {
                Some(payload) => {
                    let payload = services
                        .runtime
                        .payload(&principal.scope(), payload)
                        .await?;
                    payload.to_value()
                }
                None => Value::Null,
            };
        }
        Ok(Some(Self {
            id: event.id().to_string(),
            execution_id: execution_id.to_string(),
            sequence: event.cursor.seq,
            event_type: event.body.type_name(),
            occurred_at: shown(event.occurred_at),
            cursor: event.cursor.to_string(),
            data,
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

fn data_of(body: &EventBody) -> Option<Value> {
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
        EventBody::StepCompleted { name, .. } | EventBody::Domain { name } => json!({"name": name}),
        EventBody::SessionCreated { .. }
        | EventBody::SessionUpgraded { .. }
        | EventBody::SessionClosed { .. }
        | EventBody::SessionStateChanged { .. }
        | EventBody::ExecutionStateChanged { .. } => return None,
    })
}
