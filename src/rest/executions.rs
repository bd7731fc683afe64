//! Lists of executions.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    DEFAULT_LIMIT, MAX_LIMIT, Served,
    answers::{ToAny, ToBody},
    body::{Body, Caller, id},
    error::RequestFailure,
    shown,
    timeline::wait_reason,
};
use crate::{
    api::ApiError,
    executions::ExecutionFilter,
    model::{Execution, ExecutionStatus, Micros, WaitReason, error_shown},
    services::{MetadataMember, PageRequest},
};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "failed", "limit": 20}))]
pub(super) struct ListExecutions {
    /// `created`, `running`, `completed`, `failed` or `cancelled`.
    #[schema(pattern = "^(created|running|completed|failed|cancelled)$")]
    pub(super) status: Option<String>,
    /// Only of intents of this type.
    pub(super) intent_type: Option<String>,
    /// Only of this session.
    #[schema(pattern = "^ses_[0-9a-z]{26}$")]
    pub(super) session_id: Option<String>,
    /// Only those that no other execution submitted, if true.
    pub(super) roots_only: Option<bool>,
    /// Only the one that a submit or a re-run with this key finds, in whatever session.
    pub(super) idempotency_key: Option<String>,
    /// Only of intents whose metadata has each of these members, at most 5: texts, numbers or booleans.
    /// A page then looks at 16 executions for each one asked for, 800 at least, and may have none though another
    /// one follows.
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Map<String, Value>>,
    /// Only of this handler.
    pub(super) handler_name: Option<String>,
    /// Only those that repeat this execution, by their ids.
    #[schema(pattern = "^exe_[0-9a-z]{26}$")]
    pub(super) rerun_of: Option<String>,
    /// Only those that are not running for this reason: `queue`, `retry`, `schedule`, `children` or `worker`.
    #[schema(pattern = "^(queue|retry|schedule|children|worker)$")]
    pub(super) waiting_for: Option<String>,
    /// Only those that failed with this code.
    pub(super) error_code: Option<String>,
    /// Only those that ended after this time, as RFC 3339.
    #[schema(format = DateTime)]
    pub(super) finished_after: Option<String>,
    /// Only those that ended before this time.
    #[schema(format = DateTime)]
    pub(super) finished_before: Option<String>,
    /// `newest_first`, `oldest_first`, `last_finished_first` or `first_finished_first`; the first when left out.
    #[schema(pattern = "^(newest_first|oldest_first|last_finished_first|first_finished_first)$")]
    pub(super) order: Option<String>,
    /// True to show `total`.
    pub(super) count: Option<bool>,
    /// 1 to 200; 50 when left out.
    #[schema(minimum = 1, maximum = 200)]
    pub(super) limit: Option<u32>,
    /// Only executions after this one, which an earlier page ended with.
    #[schema(pattern = "^exe_[0-9a-z]{26}$")]
    pub(super) after: Option<String>,
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
    let page = PageRequest {
        after: input.after.as_deref().map(id).transpose()?,
        ..PageRequest::first(limit)
    };
    let is_counted = input.count == Some(true);
    let filter = input.filter()?;
    let (stored, scope) = (&served.services.executions, principal.scope());
    let page = stored.list(&scope, &filter, &page).await?;
    let total = if is_counted {
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

impl ListExecutions {
    /// The filter of the service.
    pub(super) fn filter(self) -> Result<ExecutionFilter, RequestFailure> {
        let status = self.status.as_deref().map(status_named).transpose()?;
        let waiting_for = self.waiting_for.as_deref().map(reason_named).transpose()?;
        let (by_finish, oldest_first) = order_named(self.order.as_deref())?;
        Ok(ExecutionFilter {
            statuses: status.into_iter().collect(),
            intent_types: self.intent_type.into_iter().collect(),
            session_id: self.session_id.as_deref().map(id).transpose()?,
            roots_only: self.roots_only == Some(true),
            idempotency_key: self.idempotency_key,
            metadata: MetadataMember::all(self.metadata.unwrap_or_default())
                .map_err(ApiError::bad_input)?,
            handler_names: self.handler_name.into_iter().collect(),
            rerun_of: self.rerun_of.as_deref().map(id).transpose()?,
            waiting_for: waiting_for.into_iter().collect(),
            error_codes: self.error_code.into_iter().collect(),
            finished_after: time(self.finished_after.as_deref(), "finished_after")?,
            finished_before: time(self.finished_before.as_deref(), "finished_before")?,
            by_finish,
            oldest_first,
            ..ExecutionFilter::default()
        })
    }
}

fn status_named(name: &str) -> Result<ExecutionStatus, ApiError> {
    let mut all = ExecutionStatus::ALL.iter().copied();
    all.find(|status| status.name() == name).ok_or_else(|| {
        let names = ExecutionStatus::ALL.iter().map(|status| status.name());
        let names = names.collect::<Vec<_>>().join(", ");
        ApiError::bad_input(format!("status is one of {names}"))
    })
}

fn reason_named(name: &str) -> Result<WaitReason, ApiError> {
    let mut all = WaitReason::ALL.into_iter();
    let found = all.find(|reason| wait_reason(*reason) == name);
    found
        .filter(|reason| *reason != WaitReason::Node)
        .ok_or_else(|| {
            ApiError::bad_input(
                "waiting_for is one of queue, retry, schedule, children, worker, limit",
            )
        })
}

/// Whether the list is by the end, and whether the oldest come first.
fn order_named(name: Option<&str>) -> Result<(bool, bool), ApiError> {
    match name {
        None | Some("newest_first") => Ok((false, false)),
        Some("oldest_first") => Ok((false, true)),
        Some("last_finished_first") => Ok((true, false)),
        Some("first_finished_first") => Ok((true, true)),
        Some(_) => Err(ApiError::bad_input(
            "order is one of newest_first, oldest_first, last_finished_first, first_finished_first",
        )),
    }
}

/// A time of RFC 3339.
pub(super) fn time(text: Option<&str>, name: &str) -> Result<Option<Micros>, ApiError> {
    let read = |text: &str| {
        let time = chrono::DateTime::parse_from_rfc3339(text);
        time.map(|time| time.timestamp_micros())
            .map_err(|_| ApiError::bad_input(format!("{name} is not a time as RFC 3339 has it")))
    };
    text.map(read).transpose()
}

pub(super) fn brief(execution: &Execution) -> ExecutionBody {
    ExecutionBody {
        execution_id: execution.id.to_string(),
        intent_id: execution.intent.id.to_string(),
        intent_type: execution.intent.intent_type.clone(),
        session_id: execution.intent.session_id.to_string(),
        status: execution.status.name().to_owned(),
        attempt: execution.attempt,
        error: execution.error.as_ref().map(error_shown),
        created_at: shown(execution.created_at),
        started_at: execution.started_at.map(shown),
        finished_at: execution.finished_at.map(shown),
    }
}
