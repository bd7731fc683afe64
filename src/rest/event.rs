//! Events as clients of the REST contract see them: the fields of the GraphQL types in `snake_case`.

use serde::Serialize;
use utoipa::ToSchema;

use super::error::RequestFailure;
use crate::{
    model::{self, Event, EventBody, EventData, Principal},
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
    data: EventData,
}

impl EventShown {
    /// None for what is not shown, as state changes.
    pub(super) async fn of(
        services: &Services,
        principal: &Principal,
        event: &Event,
    ) -> Result<Option<Self>, RequestFailure> {
        if matches!(event.body, EventBody::ExecutionStateChanged { .. }) {
            return Ok(None);
        }
        let Some(mut shown) = model::EventShown::of(event) else {
            return Ok(None);
        };
        if let Some(payload) = model::EventShown::payload_of(event) {
            let scope = principal.scope();
            shown = shown.with_payload(services.runtime.payload(&scope, payload).await?);
        }
        Ok(Some(Self {
            id: shown.id,
            execution_id: shown.execution_id,
            sequence: shown.sequence,
            event_type: shown.event_type,
            actor: shown.actor,
            occurred_at: shown.occurred_at,
            cursor: shown.cursor,
            data: shown.data,
        }))
    }
}
