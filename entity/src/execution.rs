//! One row per execution, with its intent.

use sea_orm::entity::prelude::*;

/// A row of `execution`. Times are microseconds since 1970-01-01 UTC; JSON is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "execution")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub tenant_id: String,
    pub intent_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub intent_type: String,
    #[sea_orm(column_type = "Text")]
    pub handler_name: String,
    pub session_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub solution_id: String,
    #[sea_orm(column_type = "Text")]
    pub parameters: String,
    #[sea_orm(column_type = "Text")]
    pub metadata: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub idempotency_key: Option<String>,
    pub intent_created_at: i64,
    pub parent_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub child_key: Option<String>,
    pub rerun_of: Option<Uuid>,
    pub status: i64,
    pub epoch: i64,
    pub attempt: i64,
    pub lost_attempts: i64,
    pub priority: i64,
    pub next_seq: i64,
    pub last_tx: i64,
    pub run_at: Option<i64>,
    pub deadline_at: Option<i64>,
    pub cancel_requested_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub cancel_reason: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub result: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub root_id: Option<Uuid>,
    pub depth: i64,
    pub crashes: i64,
    pub interruptions: i64,
    pub repetitions: i64,
    #[sea_orm(column_type = "Text")]
    pub queue: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub actor: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub user_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub grants: Option<String>,
    pub last_hash: Option<Vec<u8>>,
    #[sea_orm(column_type = "Text", nullable)]
    pub sealed: Option<String>,
    pub limits: i64,
    /// Of an execution that failed.
    #[sea_orm(column_type = "Text", nullable)]
    pub error_code: Option<String>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
