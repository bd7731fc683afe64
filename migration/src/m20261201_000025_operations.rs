//! Bulk operations: one change of many executions or artifacts, those that fit a filter.

use sea_orm::DbBackend;

/// The operations, found by when a node is to look at them and listed by tenant.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let (uuid, bytes) = match backend {
        DbBackend::Postgres => ("uuid", "bytea"),
        _ => ("uuid_blob", "blob"),
    };
    vec![
        format!(
            "CREATE TABLE operation (id {uuid} NOT NULL PRIMARY KEY, tenant_id text NOT NULL, kind bigint NOT NULL, \
             wanted text NOT NULL, reason text, created_by text NOT NULL, grants text NOT NULL, status bigint NOT NULL, \
             expected bigint NOT NULL, expected_exact bigint NOT NULL, walked_to text, batch text NOT NULL, \
             is_walked bigint NOT NULL, matched bigint NOT NULL, done bigint NOT NULL, skipped bigint NOT NULL, \
             refused bigint NOT NULL, refusals text NOT NULL, error text, due_at bigint, version bigint NOT NULL, \
             next_seq bigint NOT NULL, created_at bigint NOT NULL, updated_at bigint NOT NULL, finished_at bigint, \
             last_hash {bytes})"
        ),
        "CREATE INDEX operation_idx_due ON operation (due_at, id) WHERE due_at IS NOT NULL"
            .to_owned(),
        "CREATE INDEX operation_idx_tenant ON operation (tenant_id, id)".to_owned(),
        "CREATE INDEX operation_idx_running ON operation (tenant_id) WHERE due_at IS NOT NULL"
            .to_owned(),
        "CREATE INDEX operation_idx_ended ON operation (tenant_id, created_at, id) \
         WHERE finished_at IS NOT NULL"
            .to_owned(),
    ]
}
