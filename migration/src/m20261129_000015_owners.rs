//! To whom executions, artifacts and uploads belong, and what attempts may do.

use sea_orm::DbBackend;

/// Table, column.
const COLUMNS: [(&str, &str); 4] = [
    ("execution", "user_id"),
    ("execution", "grants"),
    ("artifact", "user_id"),
    ("upload", "reach"),
];

/// In the order in which writers take them.
const LOCK: &str = "LOCK TABLE execution, artifact, upload IN ACCESS EXCLUSIVE MODE";

const INDEXES: [&str; 2] = [
    "CREATE INDEX execution_idx_user ON execution (user_id, tenant_id, created_at, id) \
     WHERE user_id IS NOT NULL",
    "CREATE INDEX artifact_idx_user ON artifact (user_id, tenant_id, created_at, key) \
     WHERE user_id IS NOT NULL",
];

/// The user of an execution's and an artifact's session, the scopes of whoever submitted an execution, and the part of
/// the tenant's data that an upload belongs to.
///
/// None of them is known of what is there already: executions and artifacts are found by their sessions then, and
/// the attempts of executions may do everything, as before.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let lock = (backend == DbBackend::Postgres).then(|| LOCK.to_owned());
    let columns = COLUMNS
        .into_iter()
        .map(|(table, column)| format!("ALTER TABLE {table} ADD COLUMN {column} text"));
    let indexes = INDEXES.into_iter().map(str::to_owned);
    lock.into_iter().chain(columns).chain(indexes).collect()
}
