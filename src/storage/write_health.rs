//! The health of writes, as the last ones tell: to find out by a write of its own would make every
//! question a load.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Error;

/// A failure says nothing about now when nothing was written since and it is older than this.
const MEMORY: Duration = Duration::from_secs(30);

/// Remembers a failure until the next success. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct WriteHealth(Arc<Mutex<Option<Instant>>>);

impl WriteHealth {
    /// Takes note of how a write ended. What the caller did wrong is no failure of the database.
    pub(super) fn note<T>(&self, written: &Result<T, Error>) {
        let failed_at = match written {
            Err(Error::Unavailable(_) | Error::Database(_)) => Some(Instant::now()),
            _ => None,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failed_at;
    }

    /// Returns whether the last write succeeded, or its failure is long ago.
    pub(super) fn is_good(&self) -> bool {
        let failed_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_none_or(|failed_at| failed_at.elapsed() > MEMORY)
    }
}
