//! The parameters and results of an execution, each as JSON by itself.

#![expect(unused_qualifications, reason = "the macro for parameters writes them")]

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    Served,
    answers::{ToAny, ToId},
    body::{Caller, Id, Parameters},
    error::{ErrorBody, RequestFailure},
};
use crate::{
    api::ApiError,
    model::{ExecutionId, Payload},
};

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PayloadOf {
    /// The parameters that it was submitted with.
    Parameters,
    /// The result of its handler.
    Result,
    /// The recorded result of a step, which `step` names.
    Step,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// `parameters`, `result` or `step`; `result` when left out.
    of: Option<PayloadOf>,
    /// The name of the step.
    step: Option<String>,
}

/// The parameters, the result or the result of a step, as JSON.
#[utoipa::path(get, path = "/api/execution/{execution_id}/payload", tag = "execution",
    params(("execution_id" = String, Path, description = "The execution", pattern = "^exe_[0-9a-z]{26}$"), Which), responses(
    (status = 200, description = "The value", body = serde_json::Value),
    (status = 404, description = "No such execution, or it has no such value", body = ErrorBody),
    ToId, ToAny,
))]
pub(super) async fn payload(
    State(served): State<Served>,
    Caller(principal): Caller,
    Id(id): Id<ExecutionId>,
    Parameters(which): Parameters<Which>,
) -> Result<Response, RequestFailure> {
    let (executions, scope) = (&served.services.executions, principal.scope());
    let execution = executions.find(&scope, id).await?;
    let execution = execution.ok_or_else(|| RequestFailure::not_found("execution"))?;
    let found: Option<Payload> = match (which.of.unwrap_or(PayloadOf::Result), which.step) {
        (PayloadOf::Parameters, None) => Some(execution.intent.parameters.clone()),
        (PayloadOf::Result, None) => execution.result.clone(),
        (PayloadOf::Step, Some(name)) => {
            let mut steps = executions.find_steps(&scope, &[id]).await?;
            let steps = steps.remove(&id).unwrap_or_default();
            let step = steps.into_iter().find(|step| step.name == name);
            step.map(|step| step.result)
        }
        _ => {
            let fault = ApiError::bad_input("step is given with of=step, and with that alone");
            return Err(fault.into());
        }
    };
    let found = found.ok_or_else(|| RequestFailure::not_found("value"))?;
    let json = served.services.runtime.payload(&scope, &found).await?;
    let headers = [(CONTENT_TYPE, "application/json")];
    Ok((headers, json.as_str().to_owned()).into_response())
}
