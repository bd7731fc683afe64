//! Sessions of browsers that were ended by logging out, so that every node refuses them.

use sea_orm::DbBackend;

/// A row stays until the session would have ended by itself.
pub(crate) fn statements(_: DbBackend) -> Vec<String> {
    vec![
        "CREATE TABLE browser_logout (id text NOT NULL PRIMARY KEY, expires_at bigint NOT NULL)"
            .to_owned(),
        "CREATE INDEX browser_logout_idx_expires ON browser_logout (expires_at)".to_owned(),
    ]
}
