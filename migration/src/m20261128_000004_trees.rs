//! Trees of executions, and executions that were lost with their process.

use sea_orm::DbBackend;

/// The root and the depth of an execution in its tree, how often in a row it was lost with its
/// process, and whether a node runs it alone.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let uuid = match backend {
        DbBackend::Postgres => "uuid",
        _ => "uuid_blob",
    };
    vec![
        format!("ALTER TABLE \"execution\" ADD COLUMN \"root_id\" {uuid}"),
        "ALTER TABLE \"execution\" ADD COLUMN \"depth\" bigint NOT NULL DEFAULT 0".to_owned(),
        "ALTER TABLE \"execution\" ADD COLUMN \"crashes\" bigint NOT NULL DEFAULT 0".to_owned(),
        "ALTER TABLE \"lease\" ADD COLUMN \"alone\" boolean NOT NULL DEFAULT false".to_owned(),
        // What counts the live executions of a tree; a root is in no tree but its own.
        "CREATE INDEX \"execution_idx_root\" ON \"execution\" (\"root_id\") \
         WHERE root_id IS NOT NULL AND finished_at IS NULL"
            .to_owned(),
    ]
}
