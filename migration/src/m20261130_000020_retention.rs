//! What retention leaves of the log: the hashes of entries that were removed, how far a tenant's log was
//! trimmed, and what of the entries under a checkpoint is kept.

use sea_orm::DbBackend;

/// `removed_entry` stands for an entry in the hash over its tenant's log, until the entries under its checkpoint
/// are signed anew without it.
///
/// `log_trim` is the last place of a tenant's log at which an entry was removed. Its index tells the highest number of
/// all, below which SQLite gives out none.
///
/// Uploads are looked through in the order in which they were announced.
///
/// A checkpoint whose entries were signed anew has the columns `kept_…`: it then stands for the checkpoints from
/// `kept_first` to its own number.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let (bytes, clustered) = match backend {
        DbBackend::Postgres => ("bytea", ""),
        _ => ("blob", " WITHOUT ROWID"),
    };
    let kept = [
        ("kept_first", "bigint"),
        ("kept_entries", "bigint"),
        ("kept_hash", bytes),
        ("kept_public_key", "text"),
        ("kept_signature", "text"),
    ];
    let kept = kept.map(|(name, kind)| format!("ALTER TABLE checkpoint ADD COLUMN {name} {kind}"));
    let tables = [
        format!(
            "CREATE TABLE removed_entry (tenant_id text NOT NULL, tx bigint NOT NULL, ord bigint NOT NULL, \
             seq bigint NOT NULL, hash {bytes}, seal {bytes}, PRIMARY KEY (tenant_id, tx, ord)){clustered}"
        ),
        "CREATE TABLE log_trim (tenant_id text NOT NULL PRIMARY KEY, tx bigint NOT NULL, \
         ord bigint NOT NULL, seq bigint NOT NULL, trimmed_at bigint NOT NULL)"
            .to_owned(),
        "CREATE INDEX log_trim_tx ON log_trim (tx)".to_owned(),
        "CREATE INDEX upload_age ON upload (tenant_id, created_at, id)".to_owned(),
    ];
    tables.into_iter().chain(kept).collect()
}
