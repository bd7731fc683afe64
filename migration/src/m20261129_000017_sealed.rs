//! Sensitive parameters, sealed, and the keys that seal them.

use sea_orm::DbBackend;

/// The parameters of an execution as its handler gets them, where some are sensitive; the keys by which they are
/// sealed, which are sealed themselves.
pub(crate) fn statements(_: DbBackend) -> Vec<String> {
    vec![
        "ALTER TABLE execution ADD COLUMN sealed text".to_owned(),
        "CREATE TABLE data_key (id bigint NOT NULL PRIMARY KEY, ring_key text NOT NULL, \
         sealed text NOT NULL, made_at bigint NOT NULL)"
            .to_owned(),
    ]
}
