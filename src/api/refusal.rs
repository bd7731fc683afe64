//! The codes of what a caller did wrong: `UserErrorCode` in GraphQL, `error_code` in REST.

use crate::model::Refusal;

super::codes::codes! {
    /// The kind of a caller's mistake, by a stable name.
    pub enum RefusalCode {
        /// Something that the input names does not exist or is not the caller's.
        NotFound = "NOT_FOUND", 404;
        /// The caller lacks the scope that the message names.
        Forbidden = "FORBIDDEN", 403;
        /// A policy denies it, which the message names, or no policy permits it.
        PolicyDenied = "POLICY_DENIED", 403;
        /// The input is faulty.
        InvalidInput = "INVALID_INPUT", 400;
        /// No handler serves the intent type.
        UnknownIntentType = "UNKNOWN_INTENT_TYPE", 400;
        /// Several handlers fit.
        AmbiguousHandler = "AMBIGUOUS_HANDLER", 400;
        /// The session accepts nothing.
        SessionNotActive = "SESSION_NOT_ACTIVE", 409;
        /// The idempotency key was used for another request.
        IdempotencyKeyConflict = "IDEMPOTENCY_KEY_CONFLICT", 409;
        /// The execution id was used for another request.
        ExecutionIdConflict = "EXECUTION_ID_CONFLICT", 409;
        /// The state has moved on.
        StaleVersion = "STALE_VERSION", 409;
        /// The lifecycle has no such step.
        InvalidTransition = "INVALID_TRANSITION", 409;
        /// The execution has ended.
        AlreadyTerminal = "ALREADY_TERMINAL", 409;
        /// Above a published limit.
        TooLarge = "TOO_LARGE", 413;
        /// As many run, or have been started, as a limit of the intent type allows, which the message names.
        LimitReached = "LIMIT_REACHED", 429, retryable;
        /// The runtime is saturated.
        QuotaExceeded = "QUOTA_EXCEEDED", 429, retryable;
    }
}

impl RefusalCode {
    /// The code with that name; none of a name that there is not.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

impl From<&Refusal> for RefusalCode {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NotFound { .. } => Self::NotFound,
            Refusal::Forbidden { .. } => Self::Forbidden,
            Refusal::PolicyDenied { .. } => Self::PolicyDenied,
            Refusal::InvalidInput(_) => Self::InvalidInput,
            Refusal::UnknownIntentType { .. } => Self::UnknownIntentType,
            Refusal::AmbiguousHandler { .. } => Self::AmbiguousHandler,
            Refusal::SessionNotActive { .. } => Self::SessionNotActive,
            Refusal::IdempotencyKeyConflict { .. } => Self::IdempotencyKeyConflict,
            Refusal::ExecutionIdConflict => Self::ExecutionIdConflict,
            Refusal::StaleVersion { .. } => Self::StaleVersion,
            Refusal::InvalidTransition { .. } | Refusal::SessionTransition { .. } => {
                Self::InvalidTransition
            }
            Refusal::AlreadyTerminal { .. } => Self::AlreadyTerminal,
            Refusal::TooLarge { .. } | Refusal::AnswerTooLarge { .. } => Self::TooLarge,
            Refusal::LimitReached { .. } => Self::LimitReached,
            Refusal::QuotaExceeded { .. } => Self::QuotaExceeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Action, ArtifactState, ExecutionId, ExecutionStatus, SessionStatus};
    use uuid::Uuid;

    #[test]
    fn a_refusal_has_one_code_wherever_it_is_told() {
        let intent_type = || "echo".to_owned();
        let refusals = [
            Refusal::not_found("session", "sessionId"),
            Refusal::lacking(Action::ControlExecutions),
            Refusal::PolicyDenied {
                action: "submit",
                policy_id: None,
            },
            Refusal::invalid([], "no"),
            Refusal::UnknownIntentType {
                intent_type: intent_type(),
            },
            Refusal::AmbiguousHandler {
                intent_type: intent_type(),
                handlers: Vec::new(),
            },
            Refusal::SessionNotActive {
                status: SessionStatus::Closed,
            },
            Refusal::IdempotencyKeyConflict {
                execution_id: ExecutionId(Uuid::nil()),
            },
            Refusal::ExecutionIdConflict,
            Refusal::StaleVersion { current_version: 1 },
            Refusal::InvalidTransition {
                from: ArtifactState::Pending,
                to: ArtifactState::Archived,
            },
            Refusal::SessionTransition {
                wanted: "closed",
                status: SessionStatus::Closed,
            },
            Refusal::AlreadyTerminal {
                status: ExecutionStatus::Failed,
            },
            Refusal::TooLarge {
                what: "state",
                actual_bytes: 2,
                limit_bytes: 1,
            },
            Refusal::AnswerTooLarge { limit_bytes: 1 },
            Refusal::LimitReached {
                limit: "one".to_owned(),
            },
            Refusal::QuotaExceeded {
                quota: None,
                retry_after_ms: 1,
            },
        ];
        for refusal in &refusals {
            let code = RefusalCode::from(refusal);
            assert_eq!(RefusalCode::named(refusal.code()), Some(code), "{refusal}");
        }
    }
}
