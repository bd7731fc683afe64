//! Values that follow from other values, and values that contradict each other.

use std::path::Path;

use tracing_subscriber::EnvFilter;

use super::{Config, Error, Origin};

/// Values that follow from `data_dir`.
pub(super) struct Derived {
    pub(super) database_url: String,
    pub(super) content_url: String,
}

/// The database file and the content folder under `data_dir`.
pub(super) fn derive(data_dir: &Path, origin: Origin) -> Result<Derived, Error> {
    let bad = |reason: String| Error::BadValue {
        key: "data_dir".to_owned(),
        origin,
        reason,
    };
    let shown = data_dir.display().to_string();
    if shown.contains(['?', '#', '%']) {
        return Err(bad(
            "must not contain ?, # or %, since it becomes part of URLs".into(),
        ));
    }
    match std::path::absolute(data_dir) {
        Ok(absolute) => Ok(Derived {
            database_url: format!("sqlite://{}", data_dir.join("takeoff.db").display()),
            content_url: format!("file://{}", absolute.join("content").display()),
        }),
        Err(error) => Err(bad(format!("has no absolute path: {error}"))),
    }
}

/// Refuses values that are valid by themselves but not together.
pub(super) fn consistent(config: &Config) -> Result<(), Error> {
    let broken = contradictions(config)
        .into_iter()
        .find(|(broken, ..)| *broken);
    if let Some((_, key, reason)) = broken {
        return Err(config.bad(key, reason));
    }
    EnvFilter::try_new(&config.telemetry.log)
        .map(drop)
        .map_err(|error| config.bad("telemetry.log", error.to_string()))
}

/// Each rule: whether it is broken, the key to change, and what it has to be.
fn contradictions(config: &Config) -> [(bool, &'static str, String); 6] {
    let (database, runtime, limits) = (&config.database, &config.runtime, &config.limits);
    let (s3, http) = (&config.content.s3, &config.http);
    let connections = usize::try_from(database.max_connections).unwrap_or(usize::MAX);
    [
        (
            runtime.heartbeat_seconds >= runtime.lease_seconds,
            "runtime.heartbeat_seconds",
            format!(
                "must be less than {}",
                config.quote("runtime.lease_seconds")
            ),
        ),
        (
            runtime.batch_max_items > runtime.queue_capacity,
            "runtime.batch_max_items",
            format!("must not exceed {}", config.quote("runtime.queue_capacity")),
        ),
        (
            limits.inline_bytes > limits.result_bytes,
            "limits.inline_bytes",
            format!("must not exceed {}", config.quote("limits.result_bytes")),
        ),
        (
            // Besides the writers one connection listens for hints, and one reads.
            database.url.scheme() != "sqlite" && connections < database.writers + 2,
            "database.max_connections",
            format!(
                "must be at least 2 more than {}",
                config.quote("database.writers")
            ),
        ),
        (
            s3.access_key_id.is_some() != s3.secret_access_key.is_some(),
            "content.s3.access_key_id",
            "must be set together with `content.s3.secret_access_key`".to_owned(),
        ),
        (
            http.tls_certificate.is_some() != http.tls_key.is_some(),
            "http.tls_certificate",
            "must be set together with `http.tls_key`".to_owned(),
        ),
    ]
}

impl Config {
    fn bad(&self, key: &str, reason: String) -> Error {
        Error::BadValue {
            key: key.to_owned(),
            origin: self.origin(key).cloned().unwrap_or(Origin::Default),
            reason,
        }
    }

    /// A key with its value and origin.
    fn quote(&self, key: &str) -> String {
        let Some(entry) = self.entries.iter().find(|entry| entry.key.path() == key) else {
            return format!("`{key}`");
        };
        let value = entry.shown.as_deref().unwrap_or("unset");
        format!("`{key}`, which is {value} ({})", entry.origin)
    }
}
