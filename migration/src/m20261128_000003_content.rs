//! Content that goes when its artifacts are deleted, artifacts that executions found again, and what
//! tenants have announced and not sent.

use sea_orm::DbBackend;

/// `artifact.state` of a deleted artifact.
const DELETED: i64 = 4;

pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let (uuid, clustered) = match backend {
        DbBackend::Postgres => ("uuid", ""),
        _ => ("uuid_blob", " WITHOUT ROWID"),
    };
    vec![
        format!(
            "CREATE TABLE \"artifact_found\" (\"execution_id\" {uuid} NOT NULL, \
             \"artifact_id\" {uuid} NOT NULL, PRIMARY KEY (\"execution_id\", \"artifact_id\")){clustered}"
        ),
        format!(
            "CREATE TABLE \"content_release\" (\"artifact_id\" {uuid} NOT NULL PRIMARY KEY, \
             \"tenant_id\" text NOT NULL, \"deleted_at\" bigint NOT NULL, \"aside_at\" bigint){clustered}"
        ),
        "CREATE INDEX \"content_release_due\" ON \"content_release\" (\"deleted_at\")".to_owned(),
        "CREATE INDEX \"materialization_digest\" ON \"materialization\" (\"digest\")".to_owned(),
        "CREATE INDEX \"upload_announced\" ON \"upload\" (\"tenant_id\", \"expires_at\") \
         WHERE \"completed_at\" IS NULL"
            .to_owned(),
        "CREATE INDEX \"upload_digest\" ON \"upload\" (\"digest\") WHERE \"digest\" IS NOT NULL"
            .to_owned(),
        // What was deleted before is released like what is deleted from now on.
        format!(
            "INSERT INTO \"content_release\" (\"artifact_id\", \"tenant_id\", \"deleted_at\") \
             SELECT \"id\", \"tenant_id\", \"updated_at\" FROM \"artifact\" WHERE \"state\" = {DELETED}"
        ),
    ]
}
