//! What work under way goes by: what tells it from a change that somebody makes meanwhile, and for how long it fails.

use sea_orm::DbBackend;

/// The generation of a webhook, and since when a bulk operation does not go on. A node of the version before, which
/// knows neither, leaves both as they are.
pub(crate) fn statements(_: DbBackend) -> Vec<String> {
    vec![
        "ALTER TABLE webhook ADD COLUMN generation bigint NOT NULL DEFAULT 0".to_owned(),
        "ALTER TABLE operation ADD COLUMN failing_since bigint".to_owned(),
    ]
}
