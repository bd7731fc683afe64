//! Submitting intents, and which there are.

use axum::{Json, extract::State, http::HeaderMap};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Served,
    answers::{ToAny, ToSession, ToTenant},
    body::{Body, Caller, id},
    check_tenant,
    error::{ErrorBody, RequestFailure},
    shown,
};
use crate::{
    api::ApiError,
    model::{RawJson, Refusal},
    runtime::{HandlerInfo, SubmitIntent, Submitted},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"intent_type": "echo", "session_id": "ses_01kaa000000000000000000000",
    "parameters": {"message": "hello"}}))]
pub(super) struct Submit {
    /// The type of work.
    intent_type: String,
    /// The session it belongs to.
    #[schema(pattern = "^ses_[0-9a-z]{26}$")]
    session_id: String,
    /// The caller's own tenant, if it is named at all.
    tenant_id: Option<String>,
    /// The execution's id, chosen by the caller: a version 7 UUID made at most 10 minutes ago, whose last 8 digits are
    /// those that a refusal tells.
    #[schema(pattern = "^exe_[0-9a-z]{26}$")]
    execution_id: Option<String>,
    /// The solution, where several serve the type.
    #[schema(min_length = 1, max_length = 100)]
    solution_id: Option<String>,
    /// As the handler's schema says.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
    /// Notes, an object.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SubmittedBody {
    execution_id: String,
    intent_id: String,
    /// `created`, `running`, `completed`, `failed` or `cancelled`.
    status: String,
    /// True if the same request was accepted before and this is its execution.
    replayed: bool,
    created_at: String,
}

/// Submits an intent. The answer comes when it is durable, before it runs.
#[utoipa::path(post, path = "/api/intent/submit", tag = "intent", request_body = Submit,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key finds the same execution", max_length = 255)),
    responses(
    (status = 200, description = "The execution", body = SubmittedBody),
    (status = 400, description = "Faulty input, or no such intent type", body = ErrorBody),
    (status = 409, description = "The key or the execution's id was used for another request, or the session has ended", body = ErrorBody),
    (status = 413, description = "Too large", body = ErrorBody),
    (status = 415, description = "Not JSON", body = ErrorBody),
    ToTenant, ToSession, ToAny,
))]
pub(super) async fn submit(
    State(served): State<Served>,
    Caller(principal): Caller,
    headers: HeaderMap,
    Body(input): Body<Submit>,
) -> Result<Json<SubmittedBody>, RequestFailure> {
    check_tenant(&principal, input.tenant_id.as_deref(), || {
        Refusal::not_found("session", "sessionId").into()
    })?;
    let object = |value: Option<&Value>| value.map_or_else(RawJson::empty_object, RawJson::from);
    let intent = SubmitIntent {
        solution_id: input.solution_id,
        metadata: object(input.metadata.as_ref()),
        idempotency_key: key(&headers)?,
        execution_id: input.execution_id.as_deref().map(id).transpose()?,
        ..SubmitIntent::new(
            &input.intent_type,
            id(&input.session_id)?,
            object(input.parameters.as_ref()),
        )
    };
    let submitted = served.services.runtime.submit(&principal, intent).await?;
    Ok(Json(submitted.into()))
}

impl From<Submitted> for SubmittedBody {
    fn from(submitted: Submitted) -> Self {
        let execution = submitted.execution;
        Self {
            execution_id: execution.id.to_string(),
            intent_id: execution.intent.id.to_string(),
            status: execution.status.name().to_owned(),
            replayed: submitted.replayed,
            created_at: shown(execution.created_at),
        }
    }
}

/// The header that makes a repetition find what it repeats.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let key = headers.get("idempotency-key").map(|key| key.to_str());
    let key = key.transpose();
    let key = key.map_err(|_| ApiError::bad_input("Idempotency-Key is not visible ASCII"))?;
    Ok(key.map(str::to_owned))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Intents {
    intents: Vec<IntentBody>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IntentBody {
    intent_type: String,
    handlers: Vec<HandlerBody>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HandlerBody {
    handler_name: String,
    description: String,
    solution_ids: Vec<String>,
    /// JSON Schema of the parameters.
    #[schema(value_type = Value)]
    parameters_schema: RawJson,
    /// Types of artifacts it takes as input.
    eligible_for: Vec<String>,
    read_only: bool,
    /// True if a remote worker serves it.
    remote: bool,
    max_attempts: u32,
    attempt_timeout_ms: Option<i64>,
    execution_timeout_ms: Option<i64>,
}

impl From<HandlerInfo> for HandlerBody {
    fn from(info: HandlerInfo) -> Self {
        Self {
            handler_name: info.handler_name,
            description: info.description,
            solution_ids: info.solution_ids,
            parameters_schema: info.parameters_schema,
            eligible_for: info.eligible_for,
            read_only: info.read_only,
            remote: info.remote,
            max_attempts: info.max_attempts,
            attempt_timeout_ms: info.attempt_timeout_ms,
            execution_timeout_ms: info.execution_timeout_ms,
        }
    }
}

/// The registered intent types with their handlers.
#[utoipa::path(get, path = "/api/intents", tag = "intent", responses(
    (status = 200, description = "All of them", body = Intents),
    (status = 400, description = "Not a tenant", body = ErrorBody),
    (status = 429, description = "The tenant asks for more than its share; see `Retry-After`", body = ErrorBody),
))]
pub(super) async fn list(State(served): State<Served>, _: Caller) -> Json<Intents> {
    let types = served.services.runtime.catalog().intent_types();
    let intents = types.into_iter().map(|one| IntentBody {
        intent_type: one.name,
        handlers: one.handlers.into_iter().map(HandlerBody::from).collect(),
    });
    Json(Intents {
        intents: intents.collect(),
    })
}
