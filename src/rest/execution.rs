//! Executions: status, cancellation, re-run, list.

#![expect(unused_qualifications, reason = "the macro for parameters writes them")]

use axum::{Json, extract::State, http::HeaderMap};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    DEFAULT_LIMIT, MAX_LIMIT, Served,
    answers::{ToAny, ToBody, ToExecution, ToId},
    artifact::ArtifactBody,
    body::{Body, Caller, Id, Parameters, id},
    error::{ErrorBody, RequestFailure},
    event::{EventShown, error_of},
    intent::{SubmittedBody, key},
    shown,
};
use crate::{
    api::ApiError,
    executions::ExecutionFilter,
    model::{Execution, ExecutionId, ExecutionStatus, Principal, RawJson},
    services::{MetadataMember, PageRequest},
};

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
        error: execution.error.as_ref().map(error_of),
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

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "failed", "limit": 20}))]
pub(super) struct ListExecutions {
    /// `created`, `running`, `completed`, `failed` or `cancelled`.
    #[schema(pattern = "^(created|running|completed|failed|cancelled)$")]
    status: Option<String>,
    /// Only of intents of this type.
    intent_type: Option<String>,
    /// Only of this session.
    #[schema(pattern = "^ses_[0-9a-z]{26}$")]
    session_id: Option<String>,
    /// Only those that no other execution submitted, if true.
    roots_only: Option<bool>,
    /// Only the one that a submit or a re-run with this key finds, in whatever session.
    idempotency_key: Option<String>,
    /// Only of intents whose metadata has each of these members, at most 5: texts, numbers or booleans.
    /// A page then looks at 16 executions for each one asked for, 800 at least, and may have none though another
    /// one follows.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// True to show `total`.
    count: Option<bool>,
    /// 1 to 200; 50 when left out.
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Only executions after this one, which an earlier page ended with.
    #[schema(pattern = "^exe_[0-9a-z]{26}$")]
    after: Option<String>,
}

/// An execution in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExecutionBody {
    execution_id: String,
    intent_id: String,
    intent_type: String,
    session_id: String,
    /// `created`, `running`, `completed`, `failed` or `cancelled`.
    status: String,
    attempt: i64,
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExecutionPage {
    executions: Vec<ExecutionBody>,
    /// Goes into `after` for the next page; none at the end.
    next: Option<String>,
    /// The number of items on all pages, if `count` was true: counted to 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u32>,
    /// True if there are no more than `total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_exact: Option<bool>,
}

/// The tenant's executions, newest first.
#[utoipa::path(post, path = "/api/execution/list", tag = "execution", request_body = ListExecutions, responses(
    (status = 200, description = "A page of them", body = ExecutionPage),
    ToBody, ToAny,
))]
pub(super) async fn list(
    State(served): State<Served>,
    Caller(principal): Caller,
    Body(input): Body<ListExecutions>,
) -> Result<Json<ExecutionPage>, RequestFailure> {
    let limit = input.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::bad_input(format!("limit is 1 to {MAX_LIMIT}")).into());
    }
    let status = input.status.as_deref().map(status_named).transpose()?;
    let filter = ExecutionFilter {
        statuses: status.into_iter().collect(),
        intent_types: input.intent_type.into_iter().collect(),
        session_id: input.session_id.as_deref().map(id).transpose()?,
        roots_only: input.roots_only == Some(true),
        idempotency_key: input.idempotency_key,
        metadata: MetadataMember::all(input.metadata.unwrap_or_default())
            .map_err(ApiError::bad_input)?,
        ..ExecutionFilter::default()
    };
    let page = PageRequest {
        after: input.after.as_deref().map(id).transpose()?,
        ..PageRequest::first(limit)
    };
    let (stored, scope) = (&served.services.executions, principal.scope());
    let page = stored.list(&scope, &filter, &page).await?;
    let total = if input.count == Some(true) {
        Some(stored.count(&scope, &filter).await?)
    } else {
        None
    };
    let next = page.end.filter(|_| page.has_next).map(|id| id.to_string());
    let executions = page.items.iter().map(|(_, execution)| brief(execution));
    Ok(Json(ExecutionPage {
        executions: executions.collect(),
        next,
        total: total.map(|total| total.count),
        total_exact: total.map(|total| total.exact),
    }))
}

fn status_named(name: &str) -> Result<ExecutionStatus, ApiError> {
    let mut all = ExecutionStatus::ALL.iter().copied();
    all.find(|status| status.name() == name).ok_or_else(|| {
        let names = ExecutionStatus::ALL.iter().map(|status| status.name());
        let names = names.collect::<Vec<_>>().join(", ");
        ApiError::bad_input(format!("status is one of {names}"))
    })
}

fn brief(execution: &Execution) -> ExecutionBody {
    ExecutionBody {
        execution_id: execution.id.to_string(),
        intent_id: execution.intent.id.to_string(),
        intent_type: execution.intent.intent_type.clone(),
        session_id: execution.intent.session_id.to_string(),
        status: execution.status.name().to_owned(),
        attempt: execution.attempt,
        error: execution.error.as_ref().map(error_of),
        created_at: shown(execution.created_at),
        started_at: execution.started_at.map(shown),
        finished_at: execution.finished_at.map(shown),
    }
}
