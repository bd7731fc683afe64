//! What an execution did and when.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Served,
    answers::{ToAny, ToExecution, ToId},
    body::{Caller, Id},
    error::RequestFailure,
    shown,
};
use crate::{
    executions::{MOST_OF_TIMELINE, Span, SpanOf, SpanOutcome},
    model::{ExecutionId, WaitReason},
};

/// Something that took time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimelineItemBody {
    /// `attempt`, `step`, `child` or `wait`.
    kind: &'static str,
    /// The name of a step; of an execution, that among those of its parent.
    name: Option<String>,
    /// The number of an attempt; of a step, that of the attempt which ran it.
    attempt: Option<i64>,
    /// Of an attempt: the code of the error that ended it.
    error_code: Option<String>,
    /// Of an execution.
    execution_id: Option<String>,
    /// Of an execution.
    intent_type: Option<String>,
    /// Of a wait: `queue`, `retry`, `schedule`, `children` or `worker`.
    waiting_for: Option<&'static str>,
    /// `completed`, `failed`, `cancelled`, `retried` or `suspended`; none while it goes on.
    outcome: Option<&'static str>,
    started_at: String,
    /// None while it goes on.
    finished_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimelineBody {
    /// By when they began; 1,000 at most.
    items: Vec<TimelineItemBody>,
    /// True if there is more: what goes on is shown before all else, then the last attempts with their waits, then
    /// the first steps and executions.
    truncated: bool,
}

/// What an execution did, and when: attempts, steps, executions that it submitted, waits.
#[utoipa::path(get, path = "/api/execution/{execution_id}/timeline", tag = "execution",
    params(("execution_id" = String, Path, description = "The execution", pattern = "^exe_[0-9a-z]{26}$")), responses(
    (status = 200, description = "Its timeline", body = TimelineBody),
    ToId, ToExecution, ToAny,
))]
pub(super) async fn timeline(
    State(served): State<Served>,
    Caller(principal): Caller,
    Id(id): Id<ExecutionId>,
) -> Result<Json<TimelineBody>, RequestFailure> {
    let (executions, scope) = (&served.services.executions, principal.scope());
    let execution = executions.find(&scope, id).await?;
    let execution = execution.ok_or_else(|| RequestFailure::not_found("execution"))?;
    let timeline = executions.timeline(&scope, &execution, MOST_OF_TIMELINE);
    let timeline = timeline.await?;
    Ok(Json(TimelineBody {
        items: timeline.spans.into_iter().map(Into::into).collect(),
        truncated: !timeline.is_whole,
    }))
}

impl From<Span> for TimelineItemBody {
    fn from(span: Span) -> Self {
        let mut body = Self {
            kind: "wait",
            name: None,
            attempt: None,
            error_code: None,
            execution_id: None,
            intent_type: None,
            waiting_for: None,
            outcome: span.outcome.map(outcome),
            started_at: shown(span.started_at),
            finished_at: span.finished_at.map(shown),
        };
        match span.of {
            SpanOf::Attempt { number, error_code } => {
                (body.kind, body.attempt, body.error_code) = ("attempt", Some(number), error_code);
            }
            SpanOf::Step { name, attempt } => {
                (body.kind, body.name, body.attempt) = ("step", Some(name), Some(attempt));
            }
            SpanOf::Child {
                id,
                name,
                intent_type,
            } => {
                (body.kind, body.name) = ("child", name);
                body.execution_id = Some(id.to_string());
                body.intent_type = Some(intent_type);
            }
            SpanOf::Wait { reason } => body.waiting_for = Some(wait_reason(reason)),
        }
        body
    }
}

fn outcome(outcome: SpanOutcome) -> &'static str {
    match outcome {
        SpanOutcome::Completed => "completed",
        SpanOutcome::Failed => "failed",
        SpanOutcome::Cancelled => "cancelled",
        SpanOutcome::Retried => "retried",
        SpanOutcome::Suspended => "suspended",
    }
}

/// The name of a reason.
pub(super) fn wait_reason(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Queue => "queue",
        WaitReason::Retry => "retry",
        WaitReason::Schedule => "schedule",
        WaitReason::Children => "children",
        WaitReason::Worker => "worker",
        WaitReason::Limit => "limit",
        WaitReason::Node => "node",
    }
}
