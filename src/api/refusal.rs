//! The codes of what a caller did wrong: `UserErrorCode` in GraphQL, `error_code` in REST.

use crate::model::Refusal;

/// What a caller did wrong, by a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// Something that the input names does not exist or is not the caller's.
    NotFound,
    /// The input is faulty.
    InvalidInput,
    /// No handler serves the intent type.
    UnknownIntentType,
    /// Several handlers fit.
    AmbiguousHandler,
    /// The session accepts nothing.
    SessionNotActive,
    /// The idempotency key was used for another request.
    IdempotencyKeyConflict,
    /// The state has moved on.
    StaleVersion,
    /// The lifecycle has no such step.
    InvalidTransition,
    /// The execution has ended.
    AlreadyTerminal,
    /// Above a published limit.
    TooLarge,
    /// The runtime is saturated.
    QuotaExceeded,
    /// A policy forbids it.
    PolicyDenied,
}

impl RefusalCode {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::InvalidInput => "INVALID_INPUT",
            Self::UnknownIntentType => "UNKNOWN_INTENT_TYPE",
            Self::AmbiguousHandler => "AMBIGUOUS_HANDLER",
            Self::SessionNotActive => "SESSION_NOT_ACTIVE",
            Self::IdempotencyKeyConflict => "IDEMPOTENCY_KEY_CONFLICT",
            Self::StaleVersion => "STALE_VERSION",
            Self::InvalidTransition => "INVALID_TRANSITION",
            Self::AlreadyTerminal => "ALREADY_TERMINAL",
            Self::TooLarge => "TOO_LARGE",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::PolicyDenied => "POLICY_DENIED",
        }
    }

    /// The status of an HTTP response that refuses a request for this reason.
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::InvalidInput | Self::UnknownIntentType | Self::AmbiguousHandler => 400,
            Self::SessionNotActive
            | Self::IdempotencyKeyConflict
            | Self::StaleVersion
            | Self::InvalidTransition
            | Self::AlreadyTerminal => 409,
            Self::TooLarge => 413,
            Self::QuotaExceeded => 429,
            Self::PolicyDenied => 403,
        }
    }
}

impl From<&Refusal> for RefusalCode {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NotFound { .. } => Self::NotFound,
            Refusal::InvalidInput(_) => Self::InvalidInput,
            Refusal::UnknownIntentType { .. } => Self::UnknownIntentType,
            Refusal::AmbiguousHandler { .. } => Self::AmbiguousHandler,
            Refusal::SessionNotActive { .. } => Self::SessionNotActive,
            Refusal::IdempotencyKeyConflict { .. } => Self::IdempotencyKeyConflict,
            Refusal::StaleVersion { .. } => Self::StaleVersion,
            Refusal::InvalidTransition { .. } | Refusal::SessionTransition { .. } => {
                Self::InvalidTransition
            }
            Refusal::AlreadyTerminal { .. } => Self::AlreadyTerminal,
            Refusal::TooLarge { .. } => Self::TooLarge,
            Refusal::QuotaExceeded { .. } => Self::QuotaExceeded,
            Refusal::PolicyDenied { .. } => Self::PolicyDenied,
        }
    }
}
