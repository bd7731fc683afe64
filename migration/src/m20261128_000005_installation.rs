//! What tells this database from others.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// A random id, made once: nodes that share the database name what they share by it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (uuid, random) = match manager.get_database_backend() {
            DbBackend::Postgres => ("uuid", "gen_random_uuid()"),
            _ => ("uuid_blob", "randomblob(16)"),
        };
        let changes = [
            format!("CREATE TABLE \"installation\" (\"id\" {uuid} NOT NULL, PRIMARY KEY (\"id\"))"),
            format!("INSERT INTO \"installation\" (\"id\") VALUES ({random})"),
        ];
        for change in changes {
            manager.get_connection().execute_unprepared(&change).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let change = "DROP TABLE \"installation\"";
        manager.get_connection().execute_unprepared(change).await?;
        Ok(())
    }
}
