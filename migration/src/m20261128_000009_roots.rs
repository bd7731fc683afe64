//! Lists of executions without a parent.

use sea_orm_migration::prelude::*;

/// An index of the executions without a parent, in the order of lists.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let create = "CREATE INDEX \"execution_idx_roots\" ON \"execution\" (\"tenant_id\", \"id\") \
                      WHERE parent_id IS NULL";
        manager.get_connection().execute_unprepared(create).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = "DROP INDEX \"execution_idx_roots\"";
        manager.get_connection().execute_unprepared(drop).await?;
        Ok(())
    }
}
