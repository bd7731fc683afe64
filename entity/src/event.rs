//! The write-ahead log. Append only.

use sea_orm::entity::prelude::*;

/// A row of `event`. Times are microseconds since 1970-01-01 UTC; JSON is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub stream_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub stream_kind: i64,
    #[sea_orm(column_type = "Text")]
    pub tenant_id: String,
    pub session_id: Uuid,
    #[sea_orm(column_type = "Text", nullable)]
    pub intent_type: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub event_type: String,
    #[sea_orm(column_type = "Text")]
    pub data: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub payload: Option<String>,
    pub tx: i64,
    pub ord: i64,
    pub occurred_at: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub actor: Option<String>,
    pub hash: Option<Vec<u8>>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
