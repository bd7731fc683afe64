//! Executions: status, cancellation, re-run.

#![expect(unused_qualifications, reason = "the macro for parameters writes them")]

use axum::{Json, extract::State, http::HeaderMap};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    Served,
    answers::{ToAny, ToBody, ToExecution, ToId},
    artifact::ArtifactBody,
    body::{Body, Caller, Id, Parameters},
    error::{ErrorBody, RequestFailure},
    event::EventShown,
    intent::{SubmittedBody, key},
    shown,
};
use crate::model::{Execution, ExecutionId, Principal, RawJson, error_shown};

/// The most artifacts and events in a status; the rest is read by `artifact/list` and the stream.
const MOST: u32 = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Including {
    /// True to show the artifacts that it registered, the first 1,000.
    include_artifacts: Option<bool>,
    /// True to show its events, the first 1,000.
    include_events: Option<bool>,
}

/// The status of an execution.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusBody {
    execution_id: String,
    /// `created`, `running`, `completed`, `failed` or `cancelled`.
    status: String,
    intent_id: String,
    intent_type: String,
    session_id: String,
    /// Who submitted it; none where an earlier version of the server did.
    submitted_by: Option<String>,
    attempt: i64,
    /// The handler's result.
    #[schema(value_type = Option<Value>)]
    result: Option<RawJson>,
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
    /// When they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifacts: Option<Vec<ArtifactBody>>,
    /// When they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<EventShown>>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
}

/// The status of an execution.
#[utoipa::path(get, path = "/api/execution/{execution_id}/status", tag = "execution",
    params(("execution_id" = String, Path, description = "The execution", pattern = "^exe_[0-9a-z]{26}$"), Including), responses(
    (status = 200, description = "Its status", body = StatusBody),
    ToId, ToExecution, ToAny,
))]
pub(super) async fn status(
    State(served): State<Served>,
    Caller(principal): Caller,
    Id(id): Id<ExecutionId>,
    Parameters(including): Parameters<Including>,
) -> Result<Json<StatusBody>, RequestFailure> {
    let executions = &served.services.executions;
    let execution = executions.find(&principal.scope(), id).await?;
    let execution = execution.ok_or_else(|| RequestFailure::not_found("execution"))?;
    let artifacts = if including.include_artifacts == Some(true) {
        Some(artifacts(&served, &principal, id).await?)
    } else {
        None
    };
    let events = if including.include_events == Some(true) {
        Some(events(&served, &principal, id).await?)
    } else {
        None
    };
    let result = match &execution.result {
        Some(payload) => {
            let runtime = &served.services.runtime;
            Some(runtime.payload(&principal.scope(), payload).await?)
        }
        None => None,
    };
    Ok(Json(body(&execution, result, artifacts, events)))
}

fn body(
    execution: &Execution,
    result: Option<RawJson>,
    artifacts: Option<Vec<ArtifactBody>>,
    events: Option<Vec<EventShown>>,
) -> StatusBody {
    StatusBody {
        execution_id: execution.id.to_string(),
        status: execution.status.name().to_owned(),
        intent_id: execution.intent.id.to_string(),
        intent_type: execution.intent.intent_type.clone(),
        session_id: execution.intent.session_id.to_string(),
        submitted_by: execution.submitted_by.as_deref().map(str::to_owned),
        attempt: execution.attempt,
        result,
        error: execution.error.as_ref().map(error_shown),
        artifacts,
        events,
        created_at: shown(execution.created_at),
        started_at: execution.started_at.map(shown),
        finished_at: execution.finished_at.map(shown),
    }
}

async fn artifacts(
    served: &Served,
    principal: &Principal,
    id: ExecutionId,
) -> Result<Vec<ArtifactBody>, RequestFailure> {
    let (registry, scope) = (&served.services.artifacts, principal.scope());
    let mut found = registry
        .list_first_of_executions(&scope, &[id], MOST)
        .await?;
    let records = found.remove(&id).unwrap_or_default();
    let records = records.into_iter().map(|(_, artifact)| artifact).collect();
    ArtifactBody::of_all(&served.services, principal, records).await
}

async fn events(
    served: &Served,
    principal: &Principal,
    id: ExecutionId,
) -> Result<Vec<EventShown>, RequestFailure> {
    let log = &served.services.events;
    let mut shown = Vec::new();
    let events = log.list(&principal.scope(), id, None, MOST).await?;
    for event in events.iter() {
        shown.extend(EventShown::of(&served.services, principal, event).await?);
    }
    Ok(shown)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "not needed"}))]
pub(super) struct Cancel {
    /// Why.
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cancelled {
    execution_id: String,
    /// `running` while the handler has not noticed yet, then `cancelled`.
    status: String,
}

/// Cancels an execution and everything below it.
#[utoipa::path(post, path = "/api/execution/{execution_id}/cancel", tag = "execution",
    params(("execution_id" = String, Path, description = "The execution", pattern = "^exe_[0-9a-z]{26}$")), request_body = Cancel, responses(
    (status = 200, description = "It is cancelled, or about to be", body = Cancelled),
    (status = 409, description = "It has ended", body = ErrorBody),
    ToBody, ToExecution, ToAny,
))]
pub(super) async fn cancel(
    State(served): State<Served>,
    Caller(principal): Caller,
    Id(id): Id<ExecutionId>,
    Body(input): Body<Cancel>,
) -> Result<Json<Cancelled>, RequestFailure> {
    let runtime = &served.services.runtime;
    let execution = runtime.cancel(&principal, id, input.reason).await?;
    Ok(Json(Cancelled {
        execution_id: execution.id.to_string(),
        status: execution.status.name().to_owned(),
    }))
}

/// Runs a finished execution's intent again, as a new execution.
#[utoipa::path(post, path = "/api/execution/{execution_id}/rerun", tag = "execution",
    params(
        ("execution_id" = String, Path, description = "The execution; it must have ended", pattern = "^exe_[0-9a-z]{26}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key finds the same new execution", max_length = 255),
    ), responses(
    (status = 200, description = "The new execution", body = SubmittedBody),
    (status = 400, description = "Faulty input, or it has not ended", body = ErrorBody),
    (status = 409, description = "The key was used for another request, or the session has ended", body = ErrorBody),
    ToExecution, ToAny,
))]
pub(super) async fn rerun(
    State(served): State<Served>,
    Caller(principal): Caller,
    Id(id): Id<ExecutionId>,
    headers: HeaderMap,
) -> Result<Json<SubmittedBody>, RequestFailure> {
    let runtime = &served.services.runtime;
    let submitted = runtime.rerun(&principal, id, key(&headers)?).await?;
    Ok(Json(submitted.into()))
}
