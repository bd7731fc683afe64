//! Where an execution belongs, and who did what.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The queue of an execution, who submitted it, who caused an event, and what kind of holder a lease has.
///
/// What is there already keeps what its version knew: all queues were `node`, all holders nodes, and who
/// acted was not recorded.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Table, column, type.
const COLUMNS: [(&str, &str, &str); 4] = [
    ("execution", "queue", "text NOT NULL DEFAULT 'node'"),
    ("execution", "actor", "text"),
    ("event", "actor", "text"),
    ("lease", "holder", "bigint NOT NULL DEFAULT 0"),
];

/// In the order in which writers take them.
const LOCK: &str = "LOCK TABLE execution, lease, event IN ACCESS EXCLUSIVE MODE";

/// What waits for a remote worker says so where it stands.
fn of_workers(table: &str) -> String {
    let place = format!("FROM {table} p WHERE p.queue LIKE 'worker:%'");
    format!(
        "UPDATE execution SET queue = (SELECT p.queue {place} AND p.execution_id = execution.id LIMIT 1) \
         WHERE id IN (SELECT p.execution_id {place})"
    )
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Postgres {
            db.execute_unprepared(LOCK).await?;
        }
        for (table, column, definition) in COLUMNS {
            let add = format!("ALTER TABLE {table} ADD COLUMN {column} {definition}");
            db.execute_unprepared(&add).await?;
        }
        for table in ["ready", "timer"] {
            db.execute_unprepared(&of_workers(table)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column, _) in COLUMNS {
            let drop = format!("ALTER TABLE {table} DROP COLUMN {column}");
            manager.get_connection().execute_unprepared(&drop).await?;
        }
        Ok(())
    }
}
