//! Deleted artifacts whose content goes.

use sea_orm::entity::prelude::*;

/// A row of `content_release`. Times are microseconds since 1970-01-01 UTC; JSON is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "content_release")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub artifact_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub tenant_id: String,
    pub deleted_at: i64,
    pub aside_at: Option<i64>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
