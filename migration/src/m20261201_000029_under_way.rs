//! What tells a change that somebody makes from the work that is under way.

use sea_orm::DbBackend;

/// The generation of a webhook. A node of the version before, which knows no webhooks, leaves it as it is.
pub(crate) fn statements(_: DbBackend) -> Vec<String> {
    vec!["ALTER TABLE webhook ADD COLUMN generation bigint NOT NULL DEFAULT 0".to_owned()]
}
