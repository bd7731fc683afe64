//! Time as an argument. What is stored is dated by the database; this clock serves what is not:
//! expiry of signed URLs, and handlers.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::model::Micros;

/// A clock. Clones show the same time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// One that stands still until it is moved.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn manual(now: Micros) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now)))
    }

    /// The time in microseconds since 1970-01-01 UTC.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    pub fn now(&self) -> Micros {
        match self {
            Self::System => chrono::Utc::now().timestamp_micros(),
            Self::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock; the machine's stays as it is.
    pub fn advance(&self, by_micros: i64) {
        if let Self::Manual(now) = self {
            now.fetch_add(by_micros, Ordering::SeqCst);
        }
    }
}
