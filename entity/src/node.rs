//! Node incarnations and how long each is trusted to live.

use sea_orm::entity::prelude::*;

/// A row of `node`. Times are microseconds since 1970-01-01 UTC; JSON is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "node")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub version: String,
    pub capacity: i64,
    pub running: i64,
    pub started_at: i64,
    pub expires_at: i64,
    #[sea_orm(column_type = "Text")]
    pub labels: String,
    pub beat_at: Option<i64>,
    pub draining: bool,
    pub drain_requested_at: Option<i64>,
    pub hand_over_at: Option<i64>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
