//! The error by which a handler says that it failed.

use std::{error::Error, fmt, io};

use super::sensitive;
use crate::{content, model::Refusal, runtime, state_surface, storage};

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

    /// A failure of the runtime: the attempt does not count.
    pub(super) fn interrupted(message: String) -> Self {
        Self {
            kind: Kind::Interrupted,
            code: "UNAVAILABLE".to_owned(),
            message,
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

    /// The error with a mask for each of these texts.
    pub(super) fn without(self, secrets: &[String]) -> Self {
        Self {
            message: sensitive::without(self.message, secrets),
            ..self
        }
    }

    /// Returns whether another attempt may help.
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

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let mut told = Told::default();
        let mut next: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(cause) = next {
            told.add(cause);
            if let Some(fault) = OwnFailure::of(cause) {
                tracing::warn!(error = %Told::whole(cause), "the runtime could not do what the handler asked for");
                return fault.met_with(told, cause);
            }
            next = cause_of(cause);
        }
        Self::retryable("HANDLER_ERROR", told.0)
    }
}

/// The messages of an error and its causes.
#[derive(Default)]
struct Told(String);

impl Told {
    fn add(&mut self, error: &(dyn Error + 'static)) {
        let text = error.to_string();
        if self.0.is_empty() {
            self.0 = text;
        } else if !self.0.ends_with(&text) {
            // Many errors repeat their cause in their own message.
            self.0.push_str(": ");
            self.0.push_str(&text);
        }
    }

    /// For the log.
    fn whole(error: &(dyn Error + 'static)) -> String {
        let mut told = Self::default();
        let causes = std::iter::successors(Some(error), |error| cause_of(*error));
        causes.for_each(|cause| told.add(cause));
        told.0
    }
}

/// Returns the cause of an error. That of an I/O error is what a library was given instead of one.
fn cause_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}

/// A failure of the runtime's own database or content store. Its causes are not the tenant's: they
/// may name files, buckets and statements.
enum OwnFailure {
    /// Whatever the handler made of it, the handler is not to blame.
    Outage,
    /// Something stored is damaged, or the runtime has a defect.
    Internal,
    Fenced,
    Refused,
}

impl OwnFailure {
    fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if error.is::<Refusal>() {
            return Some(Self::Refused);
        }
        if let Some(error) = error.downcast_ref::<content::Error>() {
            return Self::of_content(error);
        }
        if let Some(error) = error.downcast_ref::<storage::Error>() {
            return Some(Self::of_storage(error));
        }
        if let Some(error) = error.downcast_ref::<state_surface::Error>() {
            return match error {
                state_surface::Error::Refused(_) => Some(Self::Refused),
                state_surface::Error::Storage(error) => Some(Self::of_storage(error)),
                state_surface::Error::Content(error) => Self::of_content(error),
            };
        }
        match error.downcast_ref::<runtime::Error>()? {
            runtime::Error::Refused(_) => Some(Self::Refused),
            runtime::Error::Storage(error) => Some(Self::of_storage(error)),
            runtime::Error::Content(error) => Self::of_content(error),
            runtime::Error::Fingerprint { is_outage, .. } => Some(if *is_outage {
                Self::Outage
            } else {
                Self::Internal
            }),
            runtime::Error::Vault(_) => Some(Self::Internal),
            runtime::Error::ShuttingDown => Some(Self::Outage),
        }
    }

    fn of_storage(error: &storage::Error) -> Self {
        match error {
            storage::Error::Fenced => Self::Fenced,
            storage::Error::Refused(_) => Self::Refused,
            error if error.is_retryable() => Self::Outage,
            _ => Self::Internal,
        }
    }

    fn of_content(error: &content::Error) -> Option<Self> {
        use content::Error;
        match error {
            Error::Refused(_) => Some(Self::Refused),
            Error::Unavailable(_) | Error::Absent => Some(Self::Outage),
            Error::Corrupt | Error::NotFound | Error::NotPlain(_) | Error::Url { .. } => {
                Some(Self::Internal)
            }
            // What the handler gave is at fault, and the cause is its own.
            Error::TooLarge { .. }
            | Error::SizeMismatch { .. }
            | Error::DigestMismatch
            | Error::Source(_) => None,
        }
    }

    /// The error of a handler that met it, with `cause` as the last of what is told.
    fn met_with(self, told: Told, cause: &(dyn Error + 'static)) -> HandlerError {
        match self {
            Self::Outage => HandlerError {
                kind: Kind::Interrupted,
                code: "UNAVAILABLE".to_owned(),
                message: cause.to_string(),
            },
            Self::Internal => HandlerError::retryable("INTERNAL", told.0),
            Self::Fenced => HandlerError::abandoned(),
            Self::Refused if told.0 == cause.to_string() => HandlerError::fatal("REFUSED", told.0),
            Self::Refused => HandlerError::retryable("HANDLER_ERROR", told.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Engine);

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Engine;

    #[test]
    fn the_chain_of_causes_becomes_the_message() {
        let error = HandlerError::from(Outer(Engine));
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
        let read = HandlerError::from(io::Error::other(Wrapped(away())));
        assert_eq!(read.kind, Kind::Interrupted);
        let piped = content::Error::Source(Box::new(away()));
        assert_eq!(HandlerError::from(piped).kind, Kind::Interrupted);
    }

    #[test]
    fn a_damage_is_internal_and_tells_nothing_of_its_place() {
        let linked = || {
            content::Error::NotPlain(object_store::Error::Generic {
                store: "folder",
                source: "/srv/content/t/0 is a link".into(),
            })
        };
        let told = |error: HandlerError| (error.kind, error.code, error.message);
        let plain = told(HandlerError::from(linked()));
        let message = "the stored content is no file, and is not read";
        assert_eq!(plain, (Kind::Retryable, "INTERNAL".into(), message.into()));
        let wrapped = told(HandlerError::from(io::Error::other(Wrapped(linked()))));
        let message = format!("the report cannot be written: {message}");
        assert_eq!(wrapped, (Kind::Retryable, "INTERNAL".into(), message));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the order cannot be looked up")]
    struct Asked(#[source] storage::Error);

    #[test]
    fn what_the_database_said_is_not_told_however_it_is_wrapped() {
        let error = || storage::Error::corrupt("event", io::Error::other("SELECT secret"));
        let told = HandlerError::from(Asked(error()));
        assert_eq!(told.code(), "INTERNAL");
        assert_eq!(
            told.message(),
            "the order cannot be looked up: stored event cannot be read"
        );
        let fenced = HandlerError::from(Asked(storage::Error::Fenced));
        assert_eq!(fenced.kind, Kind::Abandoned);
    }

    #[test]
    fn errors_of_the_runtime_and_of_state_count_as_what_caused_them() {
        let kind = |error: HandlerError| error.kind;
        let fenced = state_surface::Error::from(storage::Error::Fenced);
        assert_eq!(kind(fenced.into()), Kind::Abandoned);
        let away = runtime::Error::from(content::Error::Absent);
        assert_eq!(kind(away.into()), Kind::Interrupted);
        assert_eq!(kind(runtime::Error::ShuttingDown.into()), Kind::Interrupted);
        let closed = state_surface::Error::from(storage::Error::Closed);
        assert_eq!(kind(closed.into()), Kind::Interrupted);
        let damaged = state_surface::Error::from(content::Error::Corrupt);
        assert_eq!(HandlerError::from(damaged).code(), "INTERNAL");
        let refused = Refusal::StaleVersion { current_version: 2 };
        let told = HandlerError::from(state_surface::Error::from(refused));
        assert_eq!((told.kind, told.code()), (Kind::Fatal, "REFUSED"));
    }

    #[test]
    fn the_runtimes_own_errors_show_nothing_of_the_database() {
        let cause = io::Error::other("SELECT secret FROM place");
        let error = HandlerError::from(storage::Error::corrupt("event", cause));
        assert_eq!(error.message(), "stored event cannot be read");
        assert_eq!(
            HandlerError::from(storage::Error::Fenced).kind,
            Kind::Abandoned
        );
    }
}
