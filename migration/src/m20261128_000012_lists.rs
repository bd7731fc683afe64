//! Indexes that answer the filters of lists.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Lists are in the order of their times, so that a window of time is a range of
/// an index.
///
/// `execution.listed_as` is what a list tells executions apart by: twice the status of one that has ended, 0
/// for a live one, and one more for one without a parent. It does not change when an execution starts, so
/// PostgreSQL need not renew index entries then.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

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
const OLD: [Index; 7] = [
    ("execution_idx_0", "execution", "tenant_id, id", ""),
    ("execution_idx_3", "execution", "id", "finished_at IS NULL"),
    (
        "execution_idx_roots",
        "execution",
        "tenant_id, id",
        "parent_id IS NULL",
    ),
    (
        "execution_idx_session",
        "execution",
        "session_id, (tenant_id || ''), id",
        "",
    ),
    ("artifact_idx_11", "artifact", "tenant_id, key", ""),
    (
        "artifact_idx_session",
        "artifact",
        "session_id, (tenant_id || ''), key",
        "",
    ),
    ("session_idx_8", "session", "tenant_id, id", ""),
];

fn create((name, table, columns, condition): &Index) -> String {
    let condition = match *condition {
        "" => String::new(),
        condition => format!(" WHERE {condition}"),
    };
    format!("CREATE INDEX {name} ON {table} ({columns}){condition}")
}

fn drop((name, ..): &Index) -> String {
    format!("DROP INDEX {name}")
}

fn statements(backend: DbBackend, forward: bool) -> Vec<String> {
    let mut all = Vec::new();
    if backend == DbBackend::Postgres {
        all.push(LOCK.to_owned());
    }
    if forward {
        all.extend(OLD.iter().map(drop));
        all.push(listed_as(backend));
        all.extend(NEW.iter().map(create));
    } else {
        all.extend(NEW.iter().map(drop));
        all.push("ALTER TABLE execution DROP COLUMN listed_as".to_owned());
        all.extend(OLD.iter().map(create));
    }
    all
}

async fn run(manager: &SchemaManager<'_>, forward: bool) -> Result<(), DbErr> {
    for statement in statements(manager.get_database_backend(), forward) {
        manager
            .get_connection()
            .execute_unprepared(&statement)
            .await?;
    }
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// All of it or nothing: SQLite would otherwise keep a half-made schema.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, true).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, false).await
    }
}
