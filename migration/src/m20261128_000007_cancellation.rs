//! Cancellations of trees that have not reached all of their executions yet.

use sea_orm::DbBackend;

/// The work list of cancellations, and the live executions of a tree from its root downwards.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let (uuid, clustered) = match backend {
        DbBackend::Postgres => ("uuid", ""),
        _ => ("uuid_blob", " WITHOUT ROWID"),
    };
    vec![
        format!(
            "CREATE TABLE cancellation (execution_id {uuid} NOT NULL PRIMARY KEY, \
             root_id {uuid} NOT NULL, depth bigint NOT NULL, reason text, \
             actor text NOT NULL, touched_at bigint NOT NULL){clustered}"
        ),
        "CREATE INDEX cancellation_idx_root ON cancellation (root_id)".to_owned(),
        "DROP INDEX execution_idx_root".to_owned(),
        "CREATE INDEX execution_idx_tree ON execution (root_id, depth, id) \
         WHERE root_id IS NOT NULL AND finished_at IS NULL"
            .to_owned(),
    ]
}
