//! The one error of both APIs. It has no `Display` on purpose: neither library can turn it into
//! text by itself, so only what is said here reaches a client, never a text of a lower layer.

use std::{borrow::Cow, time::Duration};

use crate::{content, model::Refusal, storage};

super::codes::codes! {
    /// The kind of failure that a request met, by a stable name.
    pub enum ErrorCode {
        /// Nobody is known to ask: the request has no proof of who asks, or one that is not good. The answer does
        /// not say which; the server's log does.
        Unauthenticated = "UNAUTHENTICATED", 401;
        /// Whoever asks may not: the message names the scope that is lacking.
        Forbidden = "FORBIDDEN", 403;
        /// A policy denies it, which the message names, or no policy permits it.
        PolicyDenied = "POLICY_DENIED", 403;
        /// The tenant asks for more than its share, too many proofs from the address were not good, or it began too many
        /// anonymous sessions; `Retry-After`, in GraphQL `retryAfterMs`, says when to come back.
        RateLimited = "RATE_LIMITED", 429, retryable;
        /// The request itself is faulty.
        BadUserInput = "BAD_USER_INPUT", 400;
        /// The request is more expensive than any may be, or its answer larger.
        CostExceeded = "COST_EXCEEDED", 400;
        /// The request took too long; what it had committed by then stays.
        Timeout = "TIMEOUT", 504, retryable;
        /// A part that the request needs is away.
        Unavailable = "UNAVAILABLE", 503, retryable;
        /// Nothing can go on from the cursor. Either events behind it are no longer kept (docs/retention.md): then `extensions.oldestCursor` (REST: `oldest_cursor`) is the oldest cursor behind which all events are kept, and the client shows its data anew and goes on from there, or without a cursor, which begins with the oldest event that is kept. Or no event with the cursor is in the log, as the database was restored from a backup that is older: then `extensions.lastCursor` (REST: `last_cursor`) is the last place before it that is there, or null; what the client has seen after that place did not happen any more. It shows its data anew, or drops what came after `lastCursor`, and goes on from there.
        CursorExpired = "CURSOR_EXPIRED", 410;
        /// A fault of the server.
        Internal = "INTERNAL", 500;
        /// REST only: what the URL names does not exist. GraphQL answers `null`.
        NotFound = "NOT_FOUND", 404;
    }
}

/// A request that failed as a whole, in words that are safe for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    code: ErrorCode,
    message: Cow<'static, str>,
    last_cursor: Option<String>,
    oldest_cursor: Option<String>,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// An error with a message for the client.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            last_cursor: None,
            oldest_cursor: None,
            retry_after: None,
        }
    }

    /// The tenant has spent what it may, and has to wait so long.
    #[must_use]
    pub fn over_budget(wait: Duration) -> Self {
        let message = "the tenant asks for more than its share; try again later";
        Self {
            retry_after: Some(wait),
            ..Self::new(ErrorCode::RateLimited, message)
        }
    }

    /// Too many proofs of the address were not good, and it has to wait so long.
    #[must_use]
    pub fn too_many_proofs(wait: Duration) -> Self {
        let message = "too many proofs from this address were not good; try again later";
        Self {
            retry_after: Some(wait),
            ..Self::new(ErrorCode::RateLimited, message)
        }
    }

    /// Too many anonymous sessions were begun from the address, and it has to wait so long.
    #[must_use]
    pub fn too_many_sessions(wait: Duration) -> Self {
        let message = "too many anonymous sessions were begun from this address; try again later";
        Self {
            retry_after: Some(wait),
            ..Self::new(ErrorCode::RateLimited, message)
        }
    }

    /// The request itself is faulty.
    #[must_use]
    pub fn bad_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::BadUserInput, message)
    }

    /// Nobody is known to ask.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorCode::Unauthenticated,
            "the request does not prove who asks: a valid token is needed",
        )
    }

    /// A fault of the server. `cause` goes to the log, not to the client.
    #[must_use]
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %chain(cause), "a request failed");
        Self::new(ErrorCode::Internal, "internal error")
    }

    /// A part that the request needs is away. `cause` goes to the log, not to the client.
    #[must_use]
    pub fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %chain(cause), "a request met an outage");
        let message = "the service is not available; try again";
        Self::new(ErrorCode::Unavailable, message)
    }

    /// The server is shutting down.
    #[must_use]
    pub fn shutting_down() -> Self {
        let message = "the service is shutting down; try again";
        Self::new(ErrorCode::Unavailable, message)
    }

    /// A record that another one points at is not there, which the log names as `what`.
    #[must_use]
    pub fn dangling(what: &'static str) -> Self {
        Self::internal(&storage::Error::Corrupt { what, source: None })
    }

    /// Returns the kind of failure.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Of an expired cursor: the place to go on from, if there is one.
    #[must_use]
    pub fn last_cursor(&self) -> Option<&str> {
        self.last_cursor.as_deref()
    }

    /// Of a cursor behind which events are no longer kept: the oldest one behind which all are.
    #[must_use]
    pub fn oldest_cursor(&self) -> Option<&str> {
        self.oldest_cursor.as_deref()
    }

    /// Returns the time to wait before the request may succeed, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The words for the client.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<storage::Error> for ApiError {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Refused(refusal) => refusal.into(),
            storage::Error::Unavailable(_) => Self::unavailable(&error),
            storage::Error::CursorTrimmed { oldest } => Self {
                oldest_cursor: Some(oldest.to_string()),
                ..Self::new(
                    ErrorCode::CursorExpired,
                    "events behind this cursor are no longer kept",
                )
            },
            storage::Error::CursorExpired { last } => Self {
                last_cursor: last.map(|last| last.to_string()),
                ..Self::new(
                    ErrorCode::CursorExpired,
                    "no event with this cursor is kept: the database was restored from an older backup",
                )
            },
            storage::Error::Closed => Self::shutting_down(),
            storage::Error::Fenced
            | storage::Error::Database(_)
            | storage::Error::Panicked(_)
            | storage::Error::Corrupt { .. } => Self::internal(&error),
        }
    }
}

impl From<content::Error> for ApiError {
    fn from(error: content::Error) -> Self {
        match error {
            content::Error::Refused(refusal) => refusal.into(),
            content::Error::Source(_) => Self::unavailable(&error),
            error if error.is_outage() => Self::unavailable(&error),
            error => Self::internal(&error),
        }
    }
}

impl From<Refusal> for ApiError {
    /// For requests whose answer has no place for user errors. A refusal's words are the caller's.
    fn from(refusal: Refusal) -> Self {
        let (code, wait) = match refusal {
            Refusal::QuotaExceeded { retry_after_ms, .. } => {
                (ErrorCode::RateLimited, Some(retry_after_ms))
            }
            Refusal::LimitReached { .. } => (ErrorCode::RateLimited, None),
            Refusal::AnswerTooLarge { .. } => (ErrorCode::CostExceeded, None),
            Refusal::Forbidden { .. } => (ErrorCode::Forbidden, None),
            Refusal::PolicyDenied { .. } => (ErrorCode::PolicyDenied, None),
            _ => (ErrorCode::BadUserInput, None),
        };
        Self {
            retry_after: wait.map(Duration::from_millis),
            ..Self::new(code, refusal.to_string())
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_lower_layer_is_in_the_message() {
        let secret = "password=hunter2";
        let shown = ApiError::from(storage::Error::corrupt("execution", secret));
        assert_eq!(shown.code(), ErrorCode::Internal);
        assert_eq!(shown.message(), "internal error");
    }

    #[test]
    fn a_shutdown_may_be_retried_and_a_fault_may_not() {
        let shutdown = ApiError::from(storage::Error::Closed);
        assert_eq!(shutdown.code(), ErrorCode::Unavailable);
        assert!(shutdown.code().is_retryable());
        let fault = ApiError::from(storage::Error::Fenced);
        assert_eq!(fault.code(), ErrorCode::Internal);
        assert!(!fault.code().is_retryable());
    }

    #[test]
    fn content_that_is_away_is_an_outage_and_damaged_content_a_fault() {
        let code = |error: content::Error| ApiError::from(error).code();
        assert_eq!(code(content::Error::Absent), ErrorCode::Unavailable);
        assert_eq!(code(content::Error::Corrupt), ErrorCode::Internal);
        let refused = Refusal::AnswerTooLarge { limit_bytes: 1 };
        assert_eq!(code(refused.into()), ErrorCode::CostExceeded);
    }

    #[test]
    fn saturation_outside_of_a_mutation_is_a_rate_limit() {
        let refusal = Refusal::QuotaExceeded {
            quota: None,
            retry_after_ms: 5,
        };
        assert_eq!(ApiError::from(refusal).code(), ErrorCode::RateLimited);
    }
}
