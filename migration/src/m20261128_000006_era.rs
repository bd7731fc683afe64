//! Eras of the log: which cluster of PostgreSQL the numbers of its transactions are of.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared(
            "CREATE TABLE era (number bigint NOT NULL PRIMARY KEY, cluster text NOT NULL, \
             log_end bigint NOT NULL)",
        )
        .await?;
        // What was written before is of era 0, whatever its cluster was.
        db.execute_unprepared("INSERT INTO era (number, cluster, log_end) VALUES (0, '', 0)")
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared("DROP TABLE era").await?;
        Ok(())
    }
}
