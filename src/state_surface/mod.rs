//! The one way to state of sessions and executions.
//!
//! The database is the truth: it is asked at every read what the version is, and only a copy of
//! that very version is taken instead of the row. So a Redis that is flushed, stale, forged or gone
//! changes how long a read takes, never what it answers. A copy holds a state and nothing of the
//! session: who a session belongs to always comes from the database.

mod check;
mod copies;
mod error;
mod execution;
mod read;
mod session;
mod upgrade;

use std::sync::Arc;

use crate::{content::Payloads, hot::HotCopies, ids::IdSource, storage::Storage};
use copies::Copies;

pub use check::StateLimits;
pub use copies::CopyKey;
pub use error::Error;
pub use session::NewSession;
pub use upgrade::{SecretUpgrade, Upgrade};

pub use crate::storage::SessionFilter;

/// State of sessions and executions. Clones are the same surface.
#[derive(Debug, Clone)]
pub struct StateSurface(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    storage: Storage,
    payloads: Payloads,
    copies: Copies,
    ids: IdSource,
    limits: StateLimits,
}

impl StateSurface {
    /// A surface over `storage`. Values too large for the log go to `payloads`; copies of states
    /// are kept in `hot` and bear a mark made with `key`, which all nodes of a cluster share.
    #[must_use]
    pub fn new(
        storage: Storage,
        payloads: Payloads,
        hot: Arc<dyn HotCopies>,
        key: &CopyKey,
        ids: IdSource,
        limits: StateLimits,
    ) -> Self {
        Self(Arc::new(Inner {
            storage,
            payloads,
            copies: Copies::new(hot, key),
            ids,
            limits,
        }))
    }

    /// Returns the limits of what is written.
    #[must_use]
    pub fn limits(&self) -> &StateLimits {
        &self.0.limits
    }
}

#[cfg(test)]
mod tests;
