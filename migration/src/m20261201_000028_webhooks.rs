//! Webhooks: addresses outside to which events of a tenant are delivered.

use sea_orm::DbBackend;

/// The webhooks, found by when a node is to look at them, and listed by tenant.
///
/// A node of the version before cannot read their entries in the log. None is made while one runs; to go back to that
/// version, take this one's entries out of the log first, or put back a backup.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let (uuid, bytes) = match backend {
        DbBackend::Postgres => ("uuid", "bytea"),
        _ => ("uuid_blob", "blob"),
    };
    vec![
        format!(
            "CREATE TABLE webhook (id {uuid} NOT NULL PRIMARY KEY, tenant_id text NOT NULL, name text, \
             url text NOT NULL, filter text NOT NULL, status bigint NOT NULL, disabled_reason bigint, \
             created_by text NOT NULL, grants text NOT NULL, secret text NOT NULL, former_secret text, \
             former_until bigint, place_tx bigint NOT NULL, place_ord bigint NOT NULL, place_seq bigint NOT NULL, \
             ahead text NOT NULL, failures bigint NOT NULL, failing_since bigint, last_success_at bigint, \
             last_failure_at bigint, last_failure text, due_at bigint, held_by {uuid}, version bigint NOT NULL, \
             next_seq bigint NOT NULL, created_at bigint NOT NULL, updated_at bigint NOT NULL, deleted_at bigint, \
             last_hash {bytes})"
        ),
        "CREATE INDEX webhook_idx_due ON webhook (due_at, id) WHERE due_at IS NOT NULL".to_owned(),
        "CREATE INDEX webhook_idx_tenant ON webhook (tenant_id, id)".to_owned(),
        "CREATE INDEX webhook_idx_ended ON webhook (tenant_id, created_at, id) \
         WHERE deleted_at IS NOT NULL"
            .to_owned(),
    ]
}
