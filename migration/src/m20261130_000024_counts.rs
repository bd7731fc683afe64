//! What more filters of executions need, and the numbers of executions by time.

use sea_orm::DbBackend;

/// All that a submit and an end lock, in the order in which they do.
const LOCK: &str = "LOCK TABLE execution IN ACCESS EXCLUSIVE MODE";

/// The code stands first in an error.
const CODE_OF_POSTGRES: &str = r#"COALESCE(substring(error from '^\{"code":"([^"\\]*)"'), '')"#;
const CODE_OF_SQLITE: &str = "json_extract(error, '$.code')";

/// Of those that end, by when they did; of those that failed, by their code; of those that repeat another one, by that.
const INDEXES: [&str; 3] = [
    "CREATE INDEX execution_idx_finish ON execution \
     ((listed_as + 1), tenant_id, finished_at, id) WHERE finished_at IS NOT NULL",
    "CREATE INDEX execution_idx_error ON execution \
     (error_code, tenant_id, created_at, id) WHERE listed_as + 0 IN (6, 7)",
    "CREATE INDEX execution_idx_rerun ON execution (rerun_of, id) WHERE rerun_of IS NOT NULL",
];

const COLUMNS: &str = "tenant_id text NOT NULL, bucket bigint NOT NULL, intent_type text NOT NULL, \
     status bigint NOT NULL, is_root bigint NOT NULL, error_code text NOT NULL, level bigint NOT NULL, \
     slot bigint NOT NULL, count bigint NOT NULL, \
     PRIMARY KEY (tenant_id, bucket, intent_type, status, is_root, error_code, level, slot)";

const HOUR_MICROS: i64 = 3_600_000_000;

/// Counts by the hour what is there, at the time in a column.
fn counted(status: &str, error_code: &str, at: &str) -> String {
    format!(
        "INSERT INTO execution_count \
         (tenant_id, bucket, intent_type, status, is_root, error_code, level, slot, count) \
         SELECT tenant_id, {at} / {HOUR_MICROS} * {HOUR_MICROS}, intent_type, {status}, \
         CASE WHEN parent_id IS NULL THEN 1 ELSE 0 END, {error_code}, 1, 0, COUNT(*) \
         FROM execution WHERE {at} IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6"
    )
}

/// `execution.error_code` is that of an execution that failed. It changes once, so that PostgreSQL need not renew index
/// entries at each attempt.
///
/// `execution_count` is written with each submit and each end, by every writer in rows of its own: none waits for
/// another. What has been counted by the minute is added up by the hour after a while, and then by the day.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let is_postgres = backend == DbBackend::Postgres;
    let (code, rule) = if is_postgres {
        // Rows are updated where they are.
        (CODE_OF_POSTGRES, " WITH (fillfactor = 50)")
    } else {
        (CODE_OF_SQLITE, " WITHOUT ROWID")
    };
    let mut all = Vec::new();
    if is_postgres {
        all.push(LOCK.to_owned());
    }
    all.push("ALTER TABLE execution ADD COLUMN error_code text".to_owned());
    all.push(format!(
        "UPDATE execution SET error_code = {code} WHERE status = 3"
    ));
    all.extend(INDEXES.map(str::to_owned));
    all.push(format!("CREATE TABLE execution_count ({COLUMNS}){rule}"));
    all.push("CREATE INDEX execution_count_age ON execution_count (level, bucket)".to_owned());
    all.push(counted("0", "''", "created_at"));
    all.push(counted("status", "COALESCE(error_code, '')", "finished_at"));
    all
}
