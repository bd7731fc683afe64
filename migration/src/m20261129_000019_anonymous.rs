//! Secrets of anonymous sessions.

use sea_orm::DbBackend;

/// The SHA-256 (hex) of the secret by which an anonymous session is used; none once it is used by its user.
pub(crate) fn statements(_: DbBackend) -> Vec<String> {
    vec!["ALTER TABLE session ADD COLUMN secret_digest text".to_owned()]
}
