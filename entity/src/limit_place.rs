//! The places of executions under limits: held, awaited, or still ahead.

use sea_orm::entity::prelude::*;

/// A row of `limit_place`. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "limit_place")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub execution_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    #[sea_orm(column_type = "Text")]
    pub tenant_id: String,
    #[sea_orm(column_type = "Text")]
    pub bucket: String,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    pub is_shared: bool,
    pub most: i64,
    pub per_micros: Option<i64>,
    pub policy: i64,
    pub state: i64,
    #[sea_orm(column_type = "Text")]
    pub queue: String,
    pub priority: i64,
    pub ready_at: i64,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
