//! Bulk operations: one change of many executions or artifacts.

use sea_orm::entity::prelude::*;

/// A row of `operation`. Times are microseconds since 1970-01-01 UTC; `wanted` is a JSON object, `batch` and `refusals`
/// are JSON arrays, `grants` names with spaces between them.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub tenant_id: String,
    pub kind: i64,
    #[sea_orm(column_type = "Text")]
    pub wanted: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub created_by: String,
    #[sea_orm(column_type = "Text")]
    pub grants: String,
    pub status: i64,
    pub expected: i64,
    pub expected_exact: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub walked_to: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub batch: String,
    pub is_walked: i64,
    pub matched: i64,
    pub done: i64,
    pub skipped: i64,
    pub refused: i64,
    #[sea_orm(column_type = "Text")]
    pub refusals: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    pub due_at: Option<i64>,
    pub failing_since: Option<i64>,
    pub version: i64,
    pub next_seq: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub finished_at: Option<i64>,
    pub last_hash: Option<Vec<u8>>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
