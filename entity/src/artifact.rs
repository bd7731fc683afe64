//! Artifacts. `key` is the surrogate that edges use: half the size of the id.

use sea_orm::entity::prelude::*;

/// A row of `artifact`. Times are microseconds since 1970-01-01 UTC; JSON is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub key: i64,
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub tenant_id: String,
    #[sea_orm(column_type = "Text")]
    pub artifact_type: String,
    pub session_id: Uuid,
    pub execution_id: Uuid,
    pub intent_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub intent_type: String,
    pub state: i64,
    #[sea_orm(column_type = "Text")]
    pub semantic_descriptor: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub display_name: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub owner: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub purpose: Option<String>,
    pub generation: i64,
    #[sea_orm(column_type = "Text")]
    pub roots: String,
    #[sea_orm(column_type = "Text")]
    pub content_hash: String,
    pub version: i64,
    pub next_seq: i64,
    pub created_at: i64,
    pub updated_at: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub user_id: Option<String>,
    pub last_hash: Option<Vec<u8>>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
