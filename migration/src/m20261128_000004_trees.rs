//! Trees of executions, and executions that were lost with their process.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The root and the depth of an execution in its tree, how often in a row it was lost with its
/// process, and whether a node runs it alone.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let uuid = match manager.get_database_backend() {
            DbBackend::Postgres => "uuid",
            _ => "uuid_blob",
        };
        let changes = [
            format!("ALTER TABLE \"execution\" ADD COLUMN \"root_id\" {uuid}"),
            "ALTER TABLE \"execution\" ADD COLUMN \"depth\" bigint NOT NULL DEFAULT 0".to_owned(),
            "ALTER TABLE \"execution\" ADD COLUMN \"crashes\" bigint NOT NULL DEFAULT 0".to_owned(),
            "ALTER TABLE \"lease\" ADD COLUMN \"alone\" boolean NOT NULL DEFAULT false".to_owned(),
            // What counts the live executions of a tree; a root is in no tree but its own.
            "CREATE INDEX \"execution_idx_root\" ON \"execution\" (\"root_id\") \
             WHERE root_id IS NOT NULL AND finished_at IS NULL"
                .to_owned(),
        ];
        for change in changes {
            manager.get_connection().execute_unprepared(&change).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let changes = [
            "DROP INDEX \"execution_idx_root\"",
            "ALTER TABLE \"lease\" DROP COLUMN \"alone\"",
            "ALTER TABLE \"execution\" DROP COLUMN \"crashes\"",
            "ALTER TABLE \"execution\" DROP COLUMN \"depth\"",
            "ALTER TABLE \"execution\" DROP COLUMN \"root_id\"",
        ];
        for change in changes {
            manager.get_connection().execute_unprepared(change).await?;
        }
        Ok(())
    }
}
