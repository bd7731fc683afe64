//! Answers to requests that fail.

use std::time::Duration;

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{ApiError, ErrorCode, RefusalCode, seconds},
    model::{Fault, Refusal},
    services,
};

/// One fault of an input.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Detail {
    /// The way to the faulty value.
    path: Vec<String>,
    /// A description of the fault.
    message: String,
}

/// Why a request failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// In words.
    error: String,
    /// By a stable name.
    error_code: String,
    /// The execution that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_id: Option<String>,
    /// The intent type that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    intent_type: Option<String>,
    /// Of an expired cursor: the place to go on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_cursor: Option<String>,
    /// Of a cursor behind which events are no longer kept: the oldest one behind which all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_cursor: Option<String>,
    /// The policy that denies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_id: Option<String>,
    /// Each fault of the input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
}

/// A request that failed.
#[derive(Debug)]
pub(super) struct RequestFailure {
    status: u16,
    retry_after: Option<Duration>,
    body: Box<ErrorBody>,
}

impl RequestFailure {
    fn new(status: u16, code: &str, error: String) -> Self {
        let body = ErrorBody {
            error,
            error_code: code.to_owned(),
            execution_id: None,
            intent_type: None,
            last_cursor: None,
            oldest_cursor: None,
            policy_id: None,
            details: Vec::new(),
        };
        Self {
            status,
            retry_after: None,
            body: Box::new(body),
        }
    }

    /// The record that the URL names does not exist, or is not the caller's.
    pub(super) fn not_found(what: &'static str) -> Self {
        ApiError::new(ErrorCode::NotFound, format!("{what} not found")).into()
    }

    /// The request cannot be understood.
    pub(super) fn with_status(status: StatusCode, error: &ApiError) -> Self {
        Self::new(
            status.as_u16(),
            error.code().name(),
            error.message().to_owned(),
        )
    }
}

impl From<ApiError> for RequestFailure {
    fn from(error: ApiError) -> Self {
        let code = error.code();
        let mut this = Self::new(code.http_status(), code.name(), error.message().to_owned());
        this.retry_after = error.retry_after();
        this.body.last_cursor = error.last_cursor().map(str::to_owned);
        this.body.oldest_cursor = error.oldest_cursor().map(str::to_owned);
        this
    }
}

impl RequestFailure {
    fn refused(refusal: Refusal) -> Self {
        let code = RefusalCode::from(&refusal);
        let mut this = Self::new(code.http_status(), code.name(), refusal.to_string());
        match refusal {
            Refusal::InvalidInput(faults) => this.body.details = details(faults),
            Refusal::NotFound { what, path } => {
                this.body.details = details(vec![Fault {
                    path,
                    message: format!("{what} not found"),
                }]);
            }
            Refusal::IdempotencyKeyConflict { execution_id } => {
                this.body.execution_id = Some(execution_id.to_string());
            }
            Refusal::UnknownIntentType { intent_type }
            | Refusal::AmbiguousHandler { intent_type, .. } => {
                this.body.intent_type = Some(intent_type);
            }
            Refusal::QuotaExceeded { retry_after_ms, .. } => {
                this.retry_after = Some(Duration::from_millis(retry_after_ms));
            }
            Refusal::PolicyDenied { policy_id, .. } => this.body.policy_id = policy_id,
            _ => {}
        }
        this
    }
}

impl<E: Into<services::Error>> From<E> for RequestFailure {
    fn from(error: E) -> Self {
        match error.into() {
            services::Error::Refused(refusal) => Self::refused(refusal),
            other => ApiError::from(other).into(),
        }
    }
}

/// Inputs are in `snake_case` here, and what the services call `sessionId` is `session_id`.
fn details(faults: Vec<Fault>) -> Vec<Detail> {
    let detail = |mut fault: Fault| {
        if let Some(first) = fault.path.first_mut() {
            *first = snake_case(first);
        }
        Detail {
            path: fault.path,
            message: fault.message,
        }
    };
    faults.into_iter().map(detail).collect()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

impl IntoResponse for RequestFailure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
        }
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds(wait));
        }
        response
    }
}
