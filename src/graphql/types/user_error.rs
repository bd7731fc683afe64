//! Mistakes of a caller in a mutation: an interface, a plain error, and errors that carry what
//! the caller needs to go on.

use async_graphql::{Context, Enum, Interface, Object};

use super::{
    artifact::ArtifactLifecycleState,
    execution::Execution,
    scalars::{BigInt, int},
};
use crate::{
    api::RefusalCode,
    graphql::error::Nullable,
    model::{ArtifactState, ExecutionId, Refusal},
};

/// The kinds of mistakes of a caller.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "RefusalCode")]
pub(crate) enum UserErrorCode {
    /// Something that the input names does not exist or is not the caller's.
    NotFound,
    /// The caller lacks the scope that the message names.
    Forbidden,
    /// A policy denies it, or none permits it.
    PolicyDenied,
    /// The input is faulty; `path` says where.
    InvalidInput,
    /// No handler serves the intent type.
    UnknownIntentType,
    /// Several handlers fit; name one.
    AmbiguousHandler,
    /// The session is closed or expired.
    SessionNotActive,
    /// The idempotency key was used for another request.
    IdempotencyKeyConflict,
    /// The execution id that the input chose was used for another request; choose another one.
    ExecutionIdConflict,
    /// The state has moved on since the version that was given.
    StaleVersion,
    /// The lifecycle has no such step.
    InvalidTransition,
    /// The execution has ended.
    AlreadyTerminal,
    /// Above a published limit.
    TooLarge,
    /// As many run, or have been started, as a limit of the intent type allows; try again later.
    LimitReached,
    /// The runtime is saturated; try again later.
    QuotaExceeded,
}

/// The types of user errors. Each gets the fields of the interface and its own.
macro_rules! user_errors {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $type:ty),* } { $($own:tt)* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name { common: ErrorFields, $($field: $type),* }

        $(#[$doc])*
        #[Object]
        impl $name {
            /// The kind of the mistake.
            async fn code(&self) -> UserErrorCode {
                self.common.code.into()
            }

            /// A description of the mistake for people.
            async fn message(&self) -> &str {
                &self.common.message
            }

            /// The way to the faulty value, beginning with `input`, when there is one.
            async fn path(&self) -> Option<&[String]> {
                self.common.path.as_deref()
            }

            $($own)*
        }
    )*};
}

/// The fields that every user error has.
#[derive(Debug)]
struct ErrorFields {
    code: RefusalCode,
    message: String,
    path: Option<Vec<String>>,
}

user_errors! {
    /// A mistake that code, message and path describe fully.
    PlainUserError {} {}

    /// A policy denies it, or none permits it.
    PolicyDenied { policy_id: Option<String> } {
        /// The policy that denies; null where no policy permits it.
        async fn policy_id(&self) -> Option<&str> {
            self.policy_id.as_deref()
        }
    }

    /// The idempotency key was used for another request.
    IdempotencyKeyConflict { execution_id: ExecutionId } {
        /// The execution of that request.
        async fn execution(&self, ctx: &Context<'_>) -> Nullable<Execution> {
            Execution::find(ctx, self.execution_id).await
        }
    }

    /// The state has moved on.
    StaleVersion { current_version: i64 } {
        /// The version it has now.
        async fn current_version(&self) -> BigInt {
            BigInt(self.current_version)
        }
    }

    /// An artifact's lifecycle has no such step.
    InvalidTransition { from: ArtifactState, to: ArtifactState } {
        /// The state it is in.
        async fn from(&self) -> ArtifactLifecycleState {
            self.from.into()
        }

        /// The state that was asked for.
        async fn to(&self) -> ArtifactLifecycleState {
            self.to.into()
        }
    }

    /// The runtime is saturated.
    QuotaExceeded { retry_after_ms: u64 } {
        /// When to try again, in milliseconds.
        async fn retry_after_ms(&self) -> i32 {
            int(self.retry_after_ms)
        }
    }
}

/// A mistake of the caller in a mutation.
#[derive(Interface, Debug)]
#[graphql(
    field(name = "code", ty = "UserErrorCode", desc = "The kind of the mistake."),
    field(
        name = "message",
        ty = "&str",
        desc = "A description of the mistake for people."
    ),
    field(
        name = "path",
        ty = "Option<&[String]>",
        desc = "The way to the faulty value, beginning with `input`, when there is one."
    )
)]
pub(crate) enum UserError {
    PlainUserError(PlainUserError),
    PolicyDenied(PolicyDenied),
    IdempotencyKeyConflict(IdempotencyKeyConflict),
    StaleVersion(StaleVersion),
    InvalidTransition(InvalidTransition),
    QuotaExceeded(QuotaExceeded),
}

/// A user error that carries nothing more.
pub(crate) fn plain(
    code: RefusalCode,
    message: impl Into<String>,
    path: Option<Vec<String>>,
) -> UserError {
    let common = ErrorFields {
        code,
        message: message.into(),
        path,
    };
    UserError::PlainUserError(PlainUserError { common })
}

/// A refusal as user errors, one for each fault. `at` is the way to the input that was refused.
pub(crate) fn user_errors(refusal: Refusal, at: &[&str]) -> Vec<UserError> {
    let code = RefusalCode::from(&refusal);
    if let Refusal::InvalidInput(faults) = refusal {
        let fault =
            |fault: crate::model::Fault| plain(code, fault.message, Some(path(at, fault.path)));
        return faults.into_iter().map(fault).collect();
    }
    let common = ErrorFields {
        code,
        message: refusal.to_string(),
        path: place(&refusal, at),
    };
    vec![match refusal {
        Refusal::PolicyDenied { policy_id, .. } => PolicyDenied { common, policy_id }.into(),
        Refusal::IdempotencyKeyConflict { execution_id } => IdempotencyKeyConflict {
            common,
            execution_id,
        }
        .into(),
        Refusal::StaleVersion { current_version } => StaleVersion {
            common,
            current_version,
        }
        .into(),
        Refusal::InvalidTransition { from, to } => InvalidTransition { common, from, to }.into(),
        Refusal::QuotaExceeded { retry_after_ms, .. } => QuotaExceeded {
            common,
            retry_after_ms,
        }
        .into(),
        _ => PlainUserError { common }.into(),
    }]
}

/// The input that a refusal is about, when one is to blame.
fn place(refusal: &Refusal, at: &[&str]) -> Option<Vec<String>> {
    let argument = match refusal {
        Refusal::NotFound { path: way, .. } => return Some(path(at, way.clone())),
        Refusal::UnknownIntentType { .. } => "intentType",
        Refusal::AmbiguousHandler { .. } => "handlerName",
        Refusal::SessionNotActive { .. } | Refusal::SessionTransition { .. } => "sessionId",
        Refusal::IdempotencyKeyConflict { .. } => "idempotencyKey",
        Refusal::StaleVersion { .. } => "ifVersion",
        Refusal::InvalidTransition { .. } => "to",
        Refusal::AlreadyTerminal { .. } | Refusal::ExecutionIdConflict => "executionId",
        Refusal::TooLarge { .. } | Refusal::InvalidInput(_) => return Some(path(at, Vec::new())),
        Refusal::QuotaExceeded { .. }
        | Refusal::LimitReached { .. }
        | Refusal::AnswerTooLarge { .. }
        | Refusal::PolicyDenied { .. }
        | Refusal::Forbidden { .. } => return None,
    };
    Some(path(at, vec![argument.to_owned()]))
}

/// `at`, then the way within it.
fn path(at: &[&str], mut within: Vec<String>) -> Vec<String> {
    let mut path: Vec<String> = at.iter().map(|&step| step.to_owned()).collect();
    path.append(&mut within);
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fault;

    fn paths(errors: &[UserError]) -> Vec<Option<Vec<String>>> {
        let path = |error: &UserError| match error {
            UserError::PlainUserError(error) => error.common.path.clone(),
            other => panic!("{other:?}"),
        };
        errors.iter().map(path).collect()
    }

    fn steps(steps: &[&str]) -> Vec<String> {
        steps.iter().map(|&step| step.to_owned()).collect()
    }

    #[test]
    fn each_fault_is_an_error_with_its_path_in_the_input() {
        let refusal = Refusal::InvalidInput(vec![
            Fault::at(["parameters", "row_count"], "must be a number"),
            Fault::at(["idempotencyKey"], "is too long"),
        ]);
        let errors = user_errors(refusal, &["input", "intents", "3"]);
        assert_eq!(
            paths(&errors),
            [
                Some(steps(&["input", "intents", "3", "parameters", "row_count"])),
                Some(steps(&["input", "intents", "3", "idempotencyKey"])),
            ]
        );
    }

    #[test]
    fn what_was_not_found_is_named_by_its_argument() {
        let errors = user_errors(Refusal::not_found("session", "sessionId"), &["input"]);
        assert_eq!(paths(&errors), [Some(steps(&["input", "sessionId"]))]);
    }

    #[test]
    fn a_refusal_with_data_keeps_it() {
        let errors = user_errors(Refusal::StaleVersion { current_version: 7 }, &["input"]);
        let [UserError::StaleVersion(error)] = errors.as_slice() else {
            panic!("{errors:?}");
        };
        assert_eq!(error.current_version, 7);
        assert_eq!(error.common.code, RefusalCode::StaleVersion);
    }
}
