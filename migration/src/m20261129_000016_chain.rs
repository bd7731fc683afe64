//! The log as chains of hashes, and signed checkpoints of it.

use sea_orm::DbBackend;

/// In the order in which writers take them.
const LOCK: &str =
    "LOCK TABLE execution, session, artifact, api_key, event IN ACCESS EXCLUSIVE MODE";

/// The hash of each entry; of each record the hash of the last entry of its stream; checkpoints of a tenant's
/// log, numbered 1, 2, 3.
///
/// Entries of before have no hash: the chains begin with the next ones.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let bytes = match backend {
        DbBackend::Postgres => "bytea",
        _ => "blob",
    };
    let lock = (backend == DbBackend::Postgres).then(|| LOCK.to_owned());
    let last = ["execution", "session", "artifact", "api_key"]
        .map(|table| format!("ALTER TABLE {table} ADD COLUMN last_hash {bytes}"));
    let others = [
        format!("ALTER TABLE event ADD COLUMN hash {bytes}"),
        format!(
            "CREATE TABLE checkpoint (tenant_id text NOT NULL, number bigint NOT NULL, tx bigint NOT NULL, \
             ord bigint NOT NULL, seq bigint NOT NULL, entries bigint NOT NULL, hash {bytes} NOT NULL, \
             signed_at bigint NOT NULL, public_key text NOT NULL, signature text NOT NULL, \
             PRIMARY KEY (tenant_id, number))"
        ),
    ];
    lock.into_iter().chain(last).chain(others).collect()
}
