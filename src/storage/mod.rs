//! Durable state. The only layer that knows the database; everything that changes goes through
//! one kind of transaction (see `write`), so that a change, its log entries and its artifacts
//! cannot be written apart.

mod convert;
mod database;
mod error;
mod sql;

pub use database::Options;
pub use error::Error;

use database::Database;

/// The durable state of the runtime. Clones share connections and writers.
#[derive(Debug, Clone)]
pub struct Storage {
    db: Database,
}

impl Storage {
    /// Connects to the database. The schema is expected to be in place.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(options: &Options) -> Result<Self, Error> {
        Ok(Self {
            db: Database::connect(options).await?,
        })
    }
}
