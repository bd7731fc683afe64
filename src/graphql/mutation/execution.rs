//! Cancelling executions and running them again.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationFailure, MutationResult, parts, payload};
use crate::{
    api::ApiError,
    graphql::{
        loading::Caller,
        types::{execution::Execution, ids, user_error::UserError},
    },
    model::{self, ExecutionId},
    runtime::Submitted,
};

/// An execution to cancel.
#[derive(InputObject)]
struct CancelExecutionInput {
    /// The execution; its children are cancelled with it.
    execution_id: ID,
    /// Why.
    reason: Option<String>,
}

/// An execution to run again.
#[derive(InputObject)]
struct RerunExecutionInput {
    /// The execution; it must have ended.
    execution_id: ID,
    /// At most 255 characters. A repetition with the same key answers with the first one's
    /// execution.
    idempotency_key: Option<String>,
}

/// The result of `cancelExecution`.
#[derive(SimpleObject)]
struct CancelExecutionPayload {
    /// The execution; it may still run until its handler has stopped. Null when there are errors.
    execution: Option<Execution>,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<model::Execution>> for CancelExecutionPayload {
    fn from(outcome: MutationResult<model::Execution>) -> Self {
        let (execution, errors) = parts(outcome);
        let execution = execution.map(|it| Execution(Arc::new(it)));
        Self { execution, errors }
    }
}

/// The result of `rerunExecution`.
#[derive(SimpleObject)]
struct RerunExecutionPayload {
    /// The new execution of the same intent; null when there are errors.
    execution: Option<Execution>,
    /// True if the same request was accepted before and this is its execution.
    replayed: bool,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<Submitted>> for RerunExecutionPayload {
    fn from(outcome: MutationResult<Submitted>) -> Self {
        let (submitted, errors) = parts(outcome);
        let replayed = submitted.as_ref().is_some_and(|it| it.replayed);
        let execution = submitted.map(|it| Execution(Arc::new(it.execution)));
        Self {
            execution,
            replayed,
            errors,
        }
    }
}

#[derive(Default)]
pub(super) struct ExecutionMutation;

#[Object]
impl ExecutionMutation {
    /// Cancels an execution in any live state, with its children.
    async fn cancel_execution(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The execution to cancel.")] input: CancelExecutionInput,
    ) -> Result<CancelExecutionPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let id = execution_id(&input.execution_id)?;
            let runtime = &caller.services.runtime;
            Ok(runtime.cancel(&caller.principal, id, input.reason).await?)
        };
        payload(caller, change.await)
    }

    /// Makes a new execution of a finished execution's intent; the old one stays as it is.
    async fn rerun_execution(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The execution to run again.")] input: RerunExecutionInput,
    ) -> Result<RerunExecutionPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let id = execution_id(&input.execution_id)?;
            let runtime = &caller.services.runtime;
            let key = caller.idempotency_key(input.idempotency_key)?;
            Ok(runtime.rerun(&caller.principal, id, key).await?)
        };
        payload(caller, change.await)
    }
}

fn execution_id(id: &ID) -> Result<ExecutionId, MutationFailure> {
    Ok(ids::input(id, &["input", "executionId"])?)
}
