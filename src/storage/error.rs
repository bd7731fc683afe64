//! What can go wrong on the way to durable state, by what the caller can do about it.

use sea_orm::{DbErr, RuntimeErr};
use sqlx::postgres::PgDatabaseError;

use crate::model::Refusal;

/// An operation on durable state that had no effect.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller asked for something that is not allowed; asking again will not help.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The execution has moved on to a later epoch or has ended: whoever wrote is a zombie.
    #[error("the execution is no longer held by this attempt")]
    Fenced,
    /// The database cannot be reached or is overloaded; the same call may succeed later.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
    /// The database answered something that should not be.
    #[error("unexpected answer of the database")]
    Database(#[source] DbErr),
    /// A stored value cannot be read.
    #[error("stored {what} cannot be read")]
    Corrupt {
        /// What it was.
        what: &'static str,
        /// Why.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A defect ended the operation before anything was written.
    #[error("the operation panicked: {0}")]
    Panicked(String),
    /// The content store cannot be reached; the same call may succeed later.
    #[error("the content store is not available")]
    Content(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The runtime is shutting down.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

impl Error {
    /// A stored value that cannot be read.
    pub(crate) fn corrupt(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt {
            what,
            source: Some(source.into()),
        }
    }

    /// Whether the same call may succeed when it is made again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Content(_) | Self::ShuttingDown
        ) || matches!(self, Self::Refused(Refusal::QuotaExceeded { .. }))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if is_outage(&error) || is_contention(&error) {
            Self::Unavailable(error)
        } else {
            Self::Database(error)
        }
    }
}

/// Whether the transaction lost against another one and should be run again.
pub(super) fn is_contention(error: &DbErr) -> bool {
    // PostgreSQL: serialization failure, deadlock; SQLite: BUSY, BUSY_SNAPSHOT, LOCKED.
    matches!(
        code(error).as_deref(),
        Some("40001" | "40P01" | "5" | "517" | "6" | "261")
    ) || is_stale_plan(error)
}

/// Whether PostgreSQL refused a prepared statement because its columns have changed since it was
/// prepared, as a migration may do that runs beside this node. Prepared anew it works.
pub(super) fn is_stale_plan(error: &DbErr) -> bool {
    let Some(database) = source(error).and_then(sqlx::Error::as_database_error) else {
        return false;
    };
    // The code says "feature not supported", and the message is translated.
    database.code().as_deref() == Some("0A000")
        && database
            .try_downcast_ref::<PgDatabaseError>()
            .is_some_and(|error| error.routine() == Some("RevalidateCachedQuery"))
}

/// Whether another transaction has made the same row meanwhile: run again, this one finds it. SQLite
/// has one writer, where it cannot happen.
pub(super) fn is_made_meanwhile(error: &DbErr) -> bool {
    code(error).as_deref() == Some("23505")
}

/// Whether the database cannot be reached or does not work.
pub(super) fn is_outage(error: &DbErr) -> bool {
    if matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_)) {
        return true;
    }
    let Some(source) = source(error) else {
        return false;
    };
    if let sqlx::Error::Database(database) = source {
        // Connection exceptions, resources, operator intervention, disk full (SQLite 13), I/O (10),
        // not the primary any more (25006), a session ended for idling within a transaction (25P03)
        // or for a transaction that takes too long (25P04).
        return database.code().is_some_and(|code| {
            ["08", "53", "57", "58"]
                .iter()
                .any(|class| code.len() == 5 && code.starts_with(class))
                || matches!(
                    code.as_ref(),
                    "10" | "13" | "14" | "25006" | "25P03" | "25P04"
                )
        });
    }
    matches!(
        source,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}

/// What the driver said of a statement.
fn source(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(source))
        | DbErr::Query(RuntimeErr::SqlxError(source)) => Some(source),
        _ => None,
    }
}

fn code(error: &DbErr) -> Option<String> {
    Some(source(error)?.as_database_error()?.code()?.into_owned())
}
