//! Submitting intents. The answer comes when they are durable, before they run.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationFailure, MutationResult, payload};
use crate::{
    api::ApiError,
    graphql::{
        loading::Caller,
        types::{
            counted::Listed,
            execution::Execution,
            ids,
            scalars::{DateTime, Json, json_or_empty},
            user_error::UserError,
        },
    },
    model::Refusal,
    runtime::{SubmitIntent, Submitted},
};

/// An intent to submit.
#[derive(InputObject)]
pub(super) struct SubmitIntentInput {
    /// The type of work, e.g. `ingest_file`.
    intent_type: String,
    /// The session it belongs to; it must be active.
    session_id: ID,
    /// The solution it is meant for; the session's, or `default`, when left out.
    solution_id: Option<String>,
    /// The handler, where several serve the type.
    handler_name: Option<String>,
    /// The handler's parameters; `{}` when left out.
    parameters: Option<Json>,
    /// Notes of the client; the runtime does not read them.
    metadata: Option<Json>,
    /// At most 255 characters. A repetition with the same key and the same request answers with the
    /// first one's execution.
    idempotency_key: Option<String>,
    /// The execution's id, chosen by the caller so that it is known at once: a version 7 UUID made at most 10 minutes
    /// ago, whose last 8 digits are replaced by `viewer { executionIdSuffix }`. A repetition with the same id and the same request answers with the same execution. With an
    /// idempotency key, or a handler that finds equal work again, the answer may be an execution with another id.
    execution_id: Option<ID>,
    /// It does not start before this time.
    run_at: Option<DateTime>,
    /// 0 (first) to 9; 5 when left out.
    priority: Option<i32>,
}

impl SubmitIntentInput {
    /// The intent; `at` is the way to this input.
    fn read(self, at: &[&str]) -> Result<SubmitIntent, UserError> {
        let path = [at, &["sessionId"]].concat();
        let chosen = [at, &["executionId"]].concat();
        let chosen = self.execution_id.map(|id| ids::input(&id, &chosen));
        Ok(SubmitIntent {
            session_id: ids::input(&self.session_id, &path)?,
            intent_type: self.intent_type,
            solution_id: self.solution_id,
            handler_name: self.handler_name,
            parameters: json_or_empty(self.parameters),
            metadata: json_or_empty(self.metadata),
            idempotency_key: self.idempotency_key,
            execution_id: chosen.transpose()?,
            run_at: self.run_at.map(|time| time.0),
            priority: self.priority.map(Into::into),
        })
    }
}

/// Intents to submit together.
#[derive(InputObject)]
struct SubmitIntentsInput {
    /// At most 1,000. Each is accepted or refused by itself.
    intents: Vec<SubmitIntentInput>,
}

/// The result of submitting an intent.
#[derive(SimpleObject)]
pub(super) struct SubmitIntentPayload {
    /// The execution; null when there are errors.
    execution: Option<Execution>,
    /// True if the same request was accepted before and this is its execution.
    replayed: bool,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<Submitted>> for SubmitIntentPayload {
    fn from(outcome: MutationResult<Submitted>) -> Self {
        match outcome {
            Ok(submitted) => Self {
                execution: Some(Execution(Arc::new(submitted.execution))),
                replayed: submitted.replayed,
                errors: Vec::new(),
            },
            Err(errors) => Self {
                execution: None,
                replayed: false,
                errors,
            },
        }
    }
}

/// The result of `submitIntents`.
#[derive(SimpleObject)]
struct SubmitIntentsPayload {
    /// One for each intent, in their order; empty when there are errors.
    results: Listed<SubmitIntentPayload>,
    /// Mistakes in the input as a whole; if there are any, nothing was submitted.
    errors: Vec<UserError>,
}

impl From<MutationResult<Vec<SubmitIntentPayload>>> for SubmitIntentsPayload {
    fn from(outcome: MutationResult<Vec<SubmitIntentPayload>>) -> Self {
        match outcome {
            Ok(results) => Self {
                results: Listed(results),
                errors: Vec::new(),
            },
            Err(errors) => Self {
                results: Listed(Vec::new()),
                errors,
            },
        }
    }
}

#[derive(Default)]
pub(super) struct IntentMutation;

#[Object]
impl IntentMutation {
    /// Submits an intent. The answer comes when it is durable, before it runs.
    async fn submit_intent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The intent to submit.")] input: SubmitIntentInput,
    ) -> Result<SubmitIntentPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let mut intent = input.read(&["input"])?;
            intent.idempotency_key = caller.idempotency_key(intent.idempotency_key.take())?;
            Ok(caller
                .services
                .runtime
                .submit(&caller.principal, intent)
                .await?)
        };
        payload(caller, change.await)
    }

    /// Submits up to 1,000 intents; a result or an error for each, in order.
    async fn submit_intents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The intents to submit.")] input: SubmitIntentsInput,
    ) -> Result<SubmitIntentsPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = submit_all(caller, input.intents);
        payload(caller, change.await)
    }
}

/// Submits those intents that can be read, and puts all answers back in order.
async fn submit_all(
    caller: &Caller,
    inputs: Vec<SubmitIntentInput>,
) -> Result<Vec<SubmitIntentPayload>, MutationFailure> {
    let limit = caller.services.runtime.limits().batch_submit;
    if inputs.len() > limit {
        let message = format!("at most {limit} intents are allowed");
        return Err(Refusal::invalid(["intents"], message).into());
    }
    let mut readable = Vec::with_capacity(inputs.len());
    let mut refused = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.into_iter().enumerate() {
        match input.read(&["input", "intents", &index.to_string()]) {
            Ok(intent) => {
                readable.push(intent);
                refused.push(None);
            }
            Err(error) => refused.push(Some(error)),
        }
    }
    let answers = caller
        .services
        .runtime
        .submit_many(&caller.principal, readable)
        .await?;
    let mut answers = answers.into_iter();
    let mut results = Vec::with_capacity(refused.len());
    for (index, refused) in refused.into_iter().enumerate() {
        let outcome = match (refused, index) {
            (Some(error), _) => Err(vec![error]),
            (None, index) => one(answers.next(), index)?,
        };
        results.push(outcome.into());
    }
    Ok(results)
}

/// The answer for the intent at `index`. A failure that is nobody's mistake fails the whole field:
/// what was accepted is found again by its idempotency key.
fn one(
    answer: Option<Result<Submitted, crate::services::Error>>,
    index: usize,
) -> Result<MutationResult<Submitted>, MutationFailure> {
    let answer =
        answer.ok_or_else(|| MutationFailure::Failed(ApiError::dangling("answer to an intent")))?;
    let index = index.to_string();
    match answer.map_err(|error| MutationFailure::at(&["input", "intents", &index], error)) {
        Ok(submitted) => Ok(Ok(submitted)),
        Err(MutationFailure::Refused(errors)) => Ok(Err(errors)),
        Err(failed) => Err(failed),
    }
}
