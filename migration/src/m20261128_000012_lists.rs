//! Indexes that answer the filters of lists.

use sea_orm::DbBackend;

/// All locks at once, in the order in which a submit takes them.
const LOCK: &str = "LOCK TABLE session, execution, artifact IN ACCESS EXCLUSIVE MODE";

fn listed_as(backend: DbBackend) -> String {
    // What SQLite computes when it is needed takes no room in the row.
    let kept = match backend {
        DbBackend::Postgres => "STORED",
        _ => "VIRTUAL",
    };
    format!(
        "ALTER TABLE execution ADD COLUMN listed_as bigint GENERATED ALWAYS AS \
         (CASE WHEN finished_at IS NULL THEN 0 ELSE 2 * status END \
         + CASE WHEN parent_id IS NULL THEN 1 ELSE 0 END) {kept}"
    )
}

/// Name, table, columns, and the condition of a partial index.
type Index = (&'static str, &'static str, &'static str, &'static str);

/// The conditions that lead to one fit no other: where a column is in two of them it is an expression in the second.
/// PostgreSQL would otherwise take now and then an index that gives the order, and step over what does not fit.
const NEW: [Index; 13] = [
    (
        "execution_idx_time",
        "execution",
        "('' || tenant_id), created_at, id",
        "",
    ),
    (
        "execution_idx_kind",
        "execution",
        "listed_as, tenant_id, created_at, id",
        "",
    ),
    (
        "execution_idx_type",
        "execution",
        "intent_type, tenant_id, (CASE WHEN parent_id IS NULL THEN 1 ELSE 0 END), created_at, id",
        "",
    ),
    // Of those that failed or were cancelled.
    (
        "execution_idx_unsuccessful",
        "execution",
        "(intent_type || ''), tenant_id, (listed_as + 0), created_at, id",
        "listed_as + 0 >= 6",
    ),
    (
        "execution_idx_session",
        "execution",
        "session_id, (tenant_id || ''), created_at, id",
        "",
    ),
    (
        "artifact_idx_time",
        "artifact",
        "('' || tenant_id), created_at, key",
        "",
    ),
    (
        "artifact_idx_state",
        "artifact",
        "state, tenant_id, created_at, key",
        "",
    ),
    (
        "artifact_idx_type",
        "artifact",
        "artifact_type, tenant_id, (state + 0), created_at, key",
        "",
    ),
    (
        "artifact_idx_session",
        "artifact",
        "session_id, (tenant_id || ''), created_at, key",
        "",
    ),
    (
        "session_idx_time",
        "session",
        "('' || tenant_id), created_at, id",
        "",
    ),
    (
        "session_idx_status",
        "session",
        "status, tenant_id, created_at, id",
        "",
    ),
    (
        "session_idx_user",
        "session",
        "user_id, tenant_id, (status + 0), created_at, id",
        "",
    ),
    (
        "session_idx_overdue",
        "session",
        "tenant_id, expires_at",
        "status IN (0, 1)",
    ),
];

/// Those that the new ones replace.
const OLD: [&str; 7] = [
    "execution_idx_0",
    "execution_idx_3",
    "execution_idx_roots",
    "execution_idx_session",
    "artifact_idx_11",
    "artifact_idx_session",
    "session_idx_8",
];

fn create((name, table, columns, condition): &Index) -> String {
    let condition = match *condition {
        "" => String::new(),
        condition => format!(" WHERE {condition}"),
    };
    format!("CREATE INDEX {name} ON {table} ({columns}){condition}")
}

/// Lists are in the order of their times, so that a window of time is a range of
/// an index.
///
/// `execution.listed_as` is what a list tells executions apart by: twice the status of one that has ended, 0
/// for a live one, and one more for one without a parent. It does not change when an execution starts, so
/// PostgreSQL need not renew index entries then.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let mut all = Vec::new();
    if backend == DbBackend::Postgres {
        all.push(LOCK.to_owned());
    }
    all.extend(OLD.iter().map(|name| format!("DROP INDEX {name}")));
    all.push(listed_as(backend));
    all.extend(NEW.iter().map(create));
    all
}
