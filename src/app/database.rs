//! The database that is configured: how it is opened, and what is said when it cannot be.

use std::time::Duration;

use crate::{
    config::Config,
    storage::{self, WriteOptions},
};

pub(crate) fn database_options(config: &Config) -> storage::Options {
    storage::Options {
        url: config.database.url.expose().to_owned(),
        max_connections: config.database.max_connections,
        acquire_timeout: Duration::from_millis(config.database.acquire_timeout_ms),
        statement_timeout: Duration::from_millis(config.database.statement_timeout_ms),
        low: None,
    }
}

pub(super) fn write_options(config: &Config) -> WriteOptions {
    WriteOptions {
        writers: config.database.writers,
        batch_max_items: config.runtime.batch_max_items,
        queue_capacity: config.runtime.queue_capacity,
    }
}

/// `error` as a refusal to work with the configured database.
pub(crate) fn unusable_database(config: &Config, error: storage::Error) -> anyhow::Error {
    let url = &config.database.url;
    let what = if error.is_locked() {
        format!("the database {url} is locked by another process")
    } else {
        format!("the database {url} cannot be used")
    };
    anyhow::Error::new(error).context(what)
}
