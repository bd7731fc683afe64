//! Announced uploads and what became of them.

use sea_orm::entity::prelude::*;

/// A row of `upload`. Times are microseconds since 1970-01-01 UTC; JSON is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "upload")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub tenant_id: String,
    #[sea_orm(column_type = "Text")]
    pub filename: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub mime_type: Option<String>,
    pub declared_size_bytes: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub digest: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
    pub completed_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub reach: Option<String>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
