//! Intents that are submitted again and again.

use sea_orm::entity::prelude::*;

/// A row of `schedule`. Times are microseconds since 1970-01-01 UTC; `queued` is a JSON array of times, `last_error`
/// a JSON object, `grants` names with spaces between them.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedule")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub tenant_id: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub name: Option<String>,
    pub session_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub intent_type: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub handler_name: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub solution_id: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub parameters: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub sealed: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub metadata: String,
    pub priority: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub cron: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub zone: Option<String>,
    pub every_seconds: Option<i64>,
    pub overlap: i64,
    pub catch_up_micros: i64,
    pub jitter_micros: i64,
    pub status: i64,
    #[sea_orm(column_type = "Text")]
    pub created_by: String,
    #[sea_orm(column_type = "Text")]
    pub grants: String,
    pub next_at: Option<i64>,
    pub due_at: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub queued: String,
    pub last_fired_at: Option<i64>,
    pub skipped: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub last_error: Option<String>,
    pub version: i64,
    pub next_seq: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub last_hash: Option<Vec<u8>>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
