//! Schedules: intents that are submitted again and again.

use sea_orm::DbBackend;

/// The schedules, found by when they are due and listed by tenant; and the last executions that each has made.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let (uuid, bytes) = match backend {
        DbBackend::Postgres => ("uuid", "bytea"),
        _ => ("uuid_blob", "blob"),
    };
    vec![
        format!(
            "CREATE TABLE schedule (id {uuid} NOT NULL PRIMARY KEY, tenant_id text NOT NULL, name text, \
             session_id {uuid} NOT NULL, intent_type text NOT NULL, handler_name text, solution_id text, \
             parameters text NOT NULL, sealed text, metadata text NOT NULL, priority bigint, cron text, zone text, \
             every_seconds bigint, overlap bigint NOT NULL, catch_up_micros bigint NOT NULL, \
             jitter_micros bigint NOT NULL, status bigint NOT NULL, created_by text NOT NULL, grants text NOT NULL, \
             next_at bigint, due_at bigint, queued text NOT NULL, last_fired_at bigint, skipped bigint NOT NULL, \
             last_error text, version bigint NOT NULL, next_seq bigint NOT NULL, created_at bigint NOT NULL, \
             updated_at bigint NOT NULL, last_hash {bytes})"
        ),
        "CREATE INDEX schedule_idx_due ON schedule (due_at, id) WHERE due_at IS NOT NULL"
            .to_owned(),
        "CREATE INDEX schedule_idx_tenant ON schedule (tenant_id, id)".to_owned(),
        format!(
            "CREATE TABLE schedule_run (schedule_id {uuid} NOT NULL, execution_id {uuid} NOT NULL, \
             tenant_id text NOT NULL, scheduled_at bigint, PRIMARY KEY (schedule_id, execution_id))"
        ),
    ]
}
