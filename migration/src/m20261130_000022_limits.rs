//! Limits of what runs at once and of how often: which executions hold or await a place under them.

use sea_orm::DbBackend;

/// Whether an execution is under limits; its places under them, one a limit; when buckets have a token again; and the
/// rows that a transaction locks before it counts places.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let uuid = match backend {
        DbBackend::Postgres => "uuid",
        _ => "uuid_blob",
    };
    vec![
        "ALTER TABLE execution ADD COLUMN limits bigint NOT NULL DEFAULT 0".to_owned(),
        format!(
            "CREATE TABLE limit_place (execution_id {uuid} NOT NULL, position bigint NOT NULL, \
             tenant_id text NOT NULL, bucket text NOT NULL, name text NOT NULL, is_shared boolean NOT NULL, \
             most bigint NOT NULL, per_micros bigint, policy bigint NOT NULL, state bigint NOT NULL, \
             queue text NOT NULL, priority bigint NOT NULL, ready_at bigint NOT NULL, \
             PRIMARY KEY (execution_id, position))"
        ),
        "CREATE INDEX limit_place_idx_bucket ON limit_place \
         (bucket, state, tenant_id, priority, ready_at, execution_id)"
            .to_owned(),
        "CREATE INDEX limit_place_idx_overtaken ON limit_place (bucket) \
         WHERE policy = 2 AND state = 1"
            .to_owned(),
        "CREATE TABLE limit_guard (tenant_id text NOT NULL, intent_type text NOT NULL, \
         PRIMARY KEY (tenant_id, intent_type))"
            .to_owned(),
        "CREATE TABLE limit_rate (bucket text NOT NULL PRIMARY KEY, next_at bigint NOT NULL)"
            .to_owned(),
    ]
}
