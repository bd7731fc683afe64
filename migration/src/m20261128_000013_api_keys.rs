//! Keys by which services and scripts prove who they are.

use sea_orm::DbBackend;

/// The keys, found by the part of them that is no secret, and listed by tenant. Of the secret the digest alone
/// is kept.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let uuid = match backend {
        DbBackend::Postgres => "uuid",
        _ => "uuid_blob",
    };
    vec![
        format!(
            "CREATE TABLE api_key (id {uuid} NOT NULL PRIMARY KEY, tenant_id text NOT NULL, \
             prefix text NOT NULL, digest text NOT NULL, roles text NOT NULL, scopes text NOT NULL, \
             label text, created_by text NOT NULL, created_at bigint NOT NULL, expires_at bigint, \
             last_used_at bigint, revoked_at bigint)"
        ),
        "CREATE UNIQUE INDEX api_key_idx_prefix ON api_key (prefix)".to_owned(),
        "CREATE INDEX api_key_idx_tenant ON api_key (tenant_id, id)".to_owned(),
    ]
}
