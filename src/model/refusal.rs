//! The mistakes of a caller, in terms that the caller can act on. GraphQL shows these as user
//! errors, REST as error bodies, handlers as errors of their calls.

use super::{Action, ArtifactState, ExecutionId, ExecutionStatus, Scope, SessionStatus};

/// One fault of an input: where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The way to the faulty value, e.g. `["parameters", "rows", "0"]`.
    pub path: Vec<String>,
    /// The fault.
    pub message: String,
}

impl Fault {
    /// A fault at `path`.
    #[must_use]
    pub fn at<'a>(path: impl IntoIterator<Item = &'a str>, message: impl Into<String>) -> Self {
        Self {
            path: path.into_iter().map(str::to_owned).collect(),
            message: message.into(),
        }
    }
}

/// A request that is refused; nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Absent, or not the caller's: the two are not told apart.
    #[error("{what} not found")]
    NotFound {
        /// `session`, `execution`, `artifact`, …
        what: &'static str,
        /// The input that named it.
        path: Vec<String>,
    },
    /// The caller lacks a scope.
    #[error("the scope {scope} is needed")]
    Forbidden {
        /// The scope.
        scope: Scope,
    },
    /// A policy denies it, or none permits it.
    #[error("{}", denied(.action, .policy_id.as_deref()))]
    PolicyDenied {
        /// The name of the action in policies.
        action: &'static str,
        /// The policy that denies; none where no policy permits.
        policy_id: Option<String>,
    },
    /// Faulty input; at least one fault.
    #[error("{}", .0.first().map_or("invalid input", |fault| fault.message.as_str()))]
    InvalidInput(Vec<Fault>),
    /// No handler of that type is registered.
    #[error("unknown intent type {intent_type:?}")]
    UnknownIntentType {
        /// The type.
        intent_type: String,
    },
    /// Several handlers fit and the intent names none.
    #[error("several handlers serve {intent_type:?}: name one of {}", handlers.join(", "))]
    AmbiguousHandler {
        /// The type.
        intent_type: String,
        /// Their names.
        handlers: Vec<String>,
    },
    /// The session takes no more intents or writes.
    #[error("the session is {}", match status {
        SessionStatus::Closed => "closed", SessionStatus::Expired => "expired",
        SessionStatus::Active | SessionStatus::Upgraded => "active" })]
    SessionNotActive {
        /// The status that it has instead.
        status: SessionStatus,
    },
    /// The key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyConflict {
        /// The execution of that request.
        execution_id: ExecutionId,
    },
    /// The id that the caller chose for an execution cannot be had: another request has it, or it is no longer known
    /// whose it was.
    #[error("the execution id was used for another request")]
    ExecutionIdConflict,
    /// The state has moved on.
    #[error("the state has version {current_version}")]
    StaleVersion {
        /// The version it has now.
        current_version: i64,
    },
    /// The lifecycle has no such step.
    #[error("an artifact cannot go from {} to {}", from.name(), to.name())]
    InvalidTransition {
        /// The state it is in.
        from: ArtifactState,
        /// The state that was asked for.
        to: ArtifactState,
    },
    /// The execution has ended.
    #[error("the execution is {} already", status.name())]
    AlreadyTerminal {
        /// The status in which it ended.
        status: ExecutionStatus,
    },
    /// The session was upgraded or closed before.
    #[error("the session cannot be {wanted} any more")]
    SessionTransition {
        /// `upgraded` or `closed`.
        wanted: &'static str,
        /// The status that it has.
        status: SessionStatus,
    },
    /// Above a published limit.
    #[error("{what} has {actual_bytes} bytes; at most {limit_bytes} are allowed")]
    TooLarge {
        /// The thing that is too large.
        what: &'static str,
        /// Its size.
        actual_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// A request reads or answers more than one may.
    #[error(
        "the answer, or what it is made of, has more than {limit_bytes} bytes: ask for smaller pages or fewer fields"
    )]
    AnswerTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// A limit of the intent type has no place for it, and does not let it wait.
    #[error("as many run, or have been started, as the limit {limit} allows")]
    LimitReached {
        /// The limit's name.
        limit: String,
    },
    /// The runtime is saturated, or a quota is used up.
    #[error("{}; try again in {retry_after_ms} ms", used_up(*.quota))]
    QuotaExceeded {
        /// The quota; none for the runtime.
        quota: Option<&'static str>,
        /// When to try again.
        retry_after_ms: u64,
    },
}

fn denied(action: &str, policy_id: Option<&str>) -> String {
    policy_id.map_or_else(
        || format!("no policy permits {action} here"),
        |id| format!("the policy {id:?} denies {action} here"),
    )
}

fn used_up(quota: Option<&'static str>) -> String {
    quota.map_or_else(
        || "the runtime is saturated".to_owned(),
        |quota| format!("the quota {quota} is used up"),
    )
}

impl Refusal {
    /// One fault of the input at `path`.
    #[must_use]
    pub fn invalid<'a>(
        path: impl IntoIterator<Item = &'a str>,
        message: impl Into<String>,
    ) -> Self {
        Self::InvalidInput(vec![Fault::at(path, message)])
    }

    /// The caller may not do this with whatever the tenant has.
    #[must_use]
    pub fn lacking(action: Action) -> Self {
        Self::Forbidden {
            scope: Scope::Any(action),
        }
    }

    /// Something named by the input at `path` is not there.
    #[must_use]
    pub fn not_found(what: &'static str, path: &str) -> Self {
        Self::NotFound {
            what,
            path: vec![path.to_owned()],
        }
    }

    /// The stable name of its kind.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Forbidden { .. } => "FORBIDDEN",
            Self::PolicyDenied { .. } => "POLICY_DENIED",
            Self::InvalidInput(_) => "INVALID_INPUT",
            Self::UnknownIntentType { .. } => "UNKNOWN_INTENT_TYPE",
            Self::AmbiguousHandler { .. } => "AMBIGUOUS_HANDLER",
            Self::SessionNotActive { .. } => "SESSION_NOT_ACTIVE",
            Self::IdempotencyKeyConflict { .. } => "IDEMPOTENCY_KEY_CONFLICT",
            Self::ExecutionIdConflict => "EXECUTION_ID_CONFLICT",
            Self::StaleVersion { .. } => "STALE_VERSION",
            Self::InvalidTransition { .. } | Self::SessionTransition { .. } => "INVALID_TRANSITION",
            Self::AlreadyTerminal { .. } => "ALREADY_TERMINAL",
            Self::TooLarge { .. } | Self::AnswerTooLarge { .. } => "TOO_LARGE",
            Self::LimitReached { .. } => "LIMIT_REACHED",
            Self::QuotaExceeded { .. } => "QUOTA_EXCEEDED",
        }
    }
}
