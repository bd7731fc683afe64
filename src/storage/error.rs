//! Failures on the way to durable state, by what the caller can do about them.

use std::borrow::Cow;

use sea_orm::{DbErr, RuntimeErr};
use sqlx::{postgres::PgDatabaseError, sqlite::SqliteError};

use crate::model::{Cursor, Refusal};

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
        /// The kind of value.
        what: &'static str,
        /// The reason.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The event that a cursor names is not in the log: the database was restored from a backup that
    /// is older.
    #[error("no event with this cursor is kept")]
    CursorExpired {
        /// The last event before it that is there.
        last: Option<Cursor>,
    },
    /// Retention has removed events behind the place that a cursor names.
    #[error("events behind this cursor are no longer kept")]
    CursorTrimmed {
        /// The oldest place behind which all events are kept.
        oldest: Cursor,
    },
    /// A defect ended the operation before anything was written.
    #[error("the operation panicked: {0}")]
    Panicked(String),
    /// The writers have ended, as they do when the process stops.
    #[error("the storage is closed")]
    Closed,
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

    /// Returns whether the same call may succeed when it is made again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::Closed
                | Self::Refused(Refusal::QuotaExceeded { .. } | Refusal::LimitReached { .. })
        )
    }

    /// Returns whether SQLite's file is held by another process.
    pub(crate) fn is_locked(&self) -> bool {
        let Self::Unavailable(
            DbErr::Conn(RuntimeErr::SqlxError(source))
            | DbErr::Exec(RuntimeErr::SqlxError(source))
            | DbErr::Query(RuntimeErr::SqlxError(source)),
        ) = self
        else {
            return false;
        };
        let code = source
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        // The kind is the low byte: 5 is BUSY, 6 is LOCKED. PostgreSQL's codes have five characters.
        let code = code
            .filter(|code| code.len() < 5)
            .and_then(|code| code.parse::<u32>().ok());
        code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
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

/// Returns whether the transaction lost against another one and should be run again.
pub(super) fn is_contention(error: &DbErr) -> bool {
    match code(error) {
        Some(Code::Sqlite(BUSY | LOCKED)) => true,
        // Serialization failure, deadlock.
        Some(Code::Postgres(state)) => {
            matches!(state.as_ref(), "40001" | "40P01") || is_stale_plan(error)
        }
        _ => false,
    }
}

/// Returns whether PostgreSQL refused a prepared statement because its columns have changed since
/// it was prepared, as a migration may do that runs beside this node. Prepared anew it works.
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

/// Returns whether another transaction has made the same row meanwhile: run again, this one finds
/// it. SQLite has one writer, where it cannot happen.
pub(super) fn is_made_meanwhile(error: &DbErr) -> bool {
    matches!(code(error), Some(Code::Postgres(state)) if state == "23505")
}

/// Returns whether the database cannot be reached or does not work.
pub(super) fn is_outage(error: &DbErr) -> bool {
    if matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_)) {
        return true;
    }
    let Some(source) = source(error) else {
        return false;
    };
    match code(error) {
        Some(Code::Sqlite(code)) => return OUTAGES.contains(&code),
        // Connection exceptions, resources, operator intervention, not the primary any more (25006),
        // a session ended for idling within a transaction (25P03) or for a transaction that takes too
        // long (25P04).
        Some(Code::Postgres(state)) => {
            return ["08", "53", "57", "58"]
                .iter()
                .any(|class| state.starts_with(class))
                || matches!(state.as_ref(), "25006" | "25P03" | "25P04");
        }
        None => {}
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

/// Returns the driver's error.
fn source(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(source))
        | DbErr::Query(RuntimeErr::SqlxError(source)) => Some(source),
        _ => None,
    }
}

/// The database's code of an error.
enum Code<'a> {
    /// The primary code, which is the low byte: what is above says where it happened.
    Sqlite(u8),
    /// The SQLSTATE.
    Postgres(Cow<'a, str>),
}

const BUSY: u8 = 5;
const LOCKED: u8 = 6;
/// Out of memory, read-only, I/O, disk full, the file cannot be opened, the locks of the log are in
/// disorder: the next transaction may find it otherwise.
const OUTAGES: [u8; 6] = [7, 8, 10, 13, 14, 15];

fn code(error: &DbErr) -> Option<Code<'_>> {
    let database = source(error)?.as_database_error()?;
    let code = database.code()?;
    if database.try_downcast_ref::<SqliteError>().is_some() {
        return primary(&code).map(Code::Sqlite);
    }
    Some(Code::Postgres(code))
}

fn primary(code: &str) -> Option<u8> {
    let extended: i32 = code.parse().ok()?;
    Some(extended.to_le_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_codes_of_sqlite_mean_what_their_low_byte_says() {
        // A failed read, write, sync, mapping; a full disk; a file that cannot be opened; read-only.
        for code in ["266", "778", "1034", "4874", "13", "526", "1544"] {
            assert!(OUTAGES.contains(&primary(code).unwrap()), "{code}");
        }
        for code in ["5", "261", "517", "6", "262"] {
            assert!(matches!(primary(code), Some(BUSY | LOCKED)), "{code}");
        }
        // A constraint, a damaged file.
        for code in ["19", "1555", "2067", "11", "267"] {
            let code = primary(code).unwrap();
            assert!(!OUTAGES.contains(&code) && code != BUSY && code != LOCKED);
        }
    }
}
