//! An event of an execution as it is written out: by the REST contract and to webhooks. The fields are those of the
//! GraphQL types in `snake_case`.

use chrono::SecondsFormat;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use super::{Event, EventBody};
use crate::model::{ExecutionError, Micros, Payload, RawJson, time_of};

/// An event of an execution as it is written out.
#[derive(Debug, Serialize)]
pub struct EventShown {
    /// Its id.
    pub id: String,
    /// The execution it happened in.
    pub execution_id: String,
    /// Its place: 1, 2, 3.
    pub sequence: i64,
    /// The stable machine name, such as `execution.completed`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Who caused it; none where the runtime did it by itself.
    pub actor: Option<String>,
    /// When it happened.
    pub occurred_at: String,
    /// Where to go on behind it.
    pub cursor: String,
    /// The fields of its type.
    pub data: EventData,
}

/// The fields of an event's type, and its payload to the letter: the order of its names is kept.
#[derive(Debug)]
pub struct EventData {
    fields: Value,
    payload: Option<(&'static str, RawJson)>,
}

impl Serialize for EventData {
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
    /// None of an entry of another stream, and of what clients are not told.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let execution_id = event.execution_id()?;
        let fields = fields_of(&event.body, event.occurred_at)?;
        let payload = payload_name(&event.body).map(|name| (name, RawJson::null()));
        Some(Self {
            id: event.id().to_string(),
            execution_id: execution_id.to_string(),
            sequence: event.cursor.seq,
            event_type: event.body.type_name(),
            actor: event.actor.as_deref().map(str::to_owned),
            occurred_at: shown(event.occurred_at),
            cursor: event.cursor.to_string(),
            data: EventData { fields, payload },
        })
    }

    /// The payload of the event that is shown with it; none where there is none, or it is not shown.
    #[must_use]
    pub fn payload_of(event: &Event) -> Option<&Payload> {
        payload_name(&event.body)?;
        event.payload.as_ref()
    }

    /// The same with its payload.
    #[must_use]
    pub fn with_payload(mut self, json: RawJson) -> Self {
        if let Some((_, payload)) = &mut self.data.payload {
            *payload = json;
        }
        self
    }
}

fn shown(time: Micros) -> String {
    time_of(time).to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn payload_name(body: &EventBody) -> Option<&'static str> {
    match body {
        EventBody::ExecutionCompleted {} => Some("result"),
        EventBody::Domain { .. } => Some("payload"),
        _ => None,
    }
}

/// An error of an execution as it is written out.
#[must_use]
pub fn error_shown(error: &ExecutionError) -> Value {
    let earlier = error
        .earlier
        .iter()
        .map(|link| json!({"attempt": link.attempt, "code": link.code, "message": link.message}));
    json!({
        "code": error.code, "message": error.message, "retryable": error.retryable,
        "attempt": error.attempt, "earlier": earlier.collect::<Vec<_>>(),
    })
}

fn fields_of(body: &EventBody, occurred_at: Micros) -> Option<Value> {
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
            "attempt": attempt, "error": error_shown(error), "next_attempt_at": shown(*next_attempt_at),
        }),
        EventBody::CancelRequested { reason, .. } | EventBody::ExecutionCancelled { reason } => {
            json!({"reason": reason})
        }
        EventBody::ExecutionCompleted {} => json!({}),
        EventBody::ExecutionFailed { error } => json!({"error": error_shown(error)}),
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
        EventBody::ExecutionStateChanged { mode, version } => {
            json!({"mode": mode, "version": version})
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
