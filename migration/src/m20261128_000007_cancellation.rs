//! Cancellations of trees that have not reached all of their executions yet.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The work list of cancellations, and the live executions of a tree from its root downwards.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (uuid, clustered) = match manager.get_database_backend() {
            DbBackend::Postgres => ("uuid", ""),
            _ => ("uuid_blob", " WITHOUT ROWID"),
        };
        let changes = [
            format!(
                "CREATE TABLE cancellation (execution_id {uuid} NOT NULL PRIMARY KEY, \
                 root_id {uuid} NOT NULL, depth bigint NOT NULL, reason text, \
                 actor text NOT NULL, touched_at bigint NOT NULL){clustered}"
            ),
            "CREATE INDEX cancellation_idx_root ON cancellation (root_id)".to_owned(),
            "DROP INDEX execution_idx_root".to_owned(),
            "CREATE INDEX execution_idx_tree ON execution (root_id, depth, id) \
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
            "DROP INDEX execution_idx_tree",
            "CREATE INDEX execution_idx_root ON execution (root_id) \
             WHERE root_id IS NOT NULL AND finished_at IS NULL",
            "DROP TABLE cancellation",
        ];
        for change in changes {
            manager.get_connection().execute_unprepared(change).await?;
        }
        Ok(())
    }
}
