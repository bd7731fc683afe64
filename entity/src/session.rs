//! Sessions and their state.

use sea_orm::entity::prelude::*;

/// A row of `session`. Times are microseconds since 1970-01-01 UTC; JSON is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub tenant_id: String,
    pub stream_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub user_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub solution_id: Option<String>,
    pub is_anonymous: bool,
    pub status: i64,
    #[sea_orm(column_type = "Text")]
    pub metadata: String,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub state_version: i64,
    pub next_seq: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub expires_at: i64,
    pub last_hash: Option<Vec<u8>>,
    #[sea_orm(column_type = "Text", nullable)]
    pub secret_digest: Option<String>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
