//! How a handler says that it failed.

use std::fmt;

use crate::{content, storage};

/// A failed attempt. It is built from any error with `?`: then it is retryable, with the messages
/// of the error and its causes. Messages are shown to the tenant.
///
/// It does not implement `std::error::Error`, so that `?` can convert every type that does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerError {
    pub(super) kind: Kind,
    pub(super) code: String,
    pub(super) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Another attempt may succeed.
    Retryable,
    /// The runtime could not do what the handler asked of it; the attempt does not count.
    Interrupted,
    /// No further attempt will help.
    Fatal,
    /// The attempt has lost the right to write: its outcome no longer matters.
    Abandoned,
}

impl HandlerError {
    /// A failure that another attempt may mend. `code` is `SCREAMING_SNAKE`.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Retryable,
            code: code.into(),
            message: message.into(),
        }
    }

    /// A failure that no further attempt will mend. `code` is `SCREAMING_SNAKE`.
    pub fn fatal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Fatal,
            code: code.into(),
            message: message.into(),
        }
    }

    pub(super) fn abandoned() -> Self {
        let message = "the attempt is no longer the execution's".to_owned();
        Self {
            kind: Kind::Abandoned,
            code: "ABANDONED".to_owned(),
            message,
        }
    }

    /// Whether another attempt may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, Kind::Retryable | Kind::Interrupted)
    }

    /// The machine-readable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message for the tenant.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let any: &(dyn std::error::Error + 'static) = &error;
        if let Some(error) = any.downcast_ref::<storage::Error>() {
            return from_storage(error);
        }
        if let Some(outage) = outage(any) {
            return outage;
        }
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors repeat their cause in their own message.
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Self::retryable("HANDLER_ERROR", message)
    }
}

/// An error that has an outage of the runtime's own storage or content store among its causes: whatever
/// the handler made of it, the handler is not to blame.
fn outage(error: &(dyn std::error::Error + 'static)) -> Option<HandlerError> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|cause| {
        let is_outage = match (
            cause.downcast_ref::<content::Error>(),
            cause.downcast_ref::<storage::Error>(),
        ) {
            (Some(error), _) => error.is_outage(),
            (_, Some(error)) => matches!(
                error,
                storage::Error::Unavailable(_) | storage::Error::Content(_)
            ),
            _ => false,
        };
        is_outage.then(|| HandlerError {
            kind: Kind::Interrupted,
            code: "UNAVAILABLE".to_owned(),
            message: cause.to_string(),
        })
    })
}

/// Errors of the runtime's own storage are told by kind; their causes are not the tenant's.
fn from_storage(error: &storage::Error) -> HandlerError {
    match error {
        storage::Error::Fenced => HandlerError::abandoned(),
        storage::Error::Refused(refusal) => HandlerError::fatal("REFUSED", refusal.to_string()),
        other if other.is_retryable() => HandlerError {
            kind: Kind::Interrupted,
            code: "UNAVAILABLE".to_owned(),
            message: other.to_string(),
        },
        other => HandlerError::retryable("INTERNAL", other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner;

    #[test]
    fn the_chain_of_causes_becomes_the_message() {
        let error = HandlerError::from(Outer(Inner));
        assert_eq!(
            (error.message(), error.is_retryable()),
            ("outer: inner", true)
        );
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the report cannot be written")]
    struct Wrapped(#[source] content::Error);

    #[test]
    fn an_outage_is_not_the_handlers_fault_however_it_is_wrapped() {
        let away = || {
            content::Error::Unavailable(object_store::Error::NotImplemented {
                operation: "put".into(),
                implementer: "none".into(),
            })
        };
        assert_eq!(HandlerError::from(away()).kind, Kind::Interrupted);
        assert_eq!(HandlerError::from(Wrapped(away())).kind, Kind::Interrupted);
        let damaged = HandlerError::from(Wrapped(content::Error::Corrupt));
        assert_eq!(damaged.kind, Kind::Retryable);
    }

    #[test]
    fn the_runtimes_own_errors_show_nothing_of_the_database() {
        let cause = std::io::Error::other("SELECT secret FROM place");
        let error = HandlerError::from(storage::Error::corrupt("event", cause));
        assert_eq!(error.message(), "stored event cannot be read");
        assert_eq!(
            HandlerError::from(storage::Error::Fenced).kind,
            Kind::Abandoned
        );
    }
}
