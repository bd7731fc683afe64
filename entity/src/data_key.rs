//! Keys that seal sensitive parameters, sealed themselves by a key of the configuration.

use sea_orm::entity::prelude::*;

/// A row of `data_key`. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "data_key")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    #[sea_orm(column_type = "Text")]
    pub ring_key: String,
    #[sea_orm(column_type = "Text")]
    pub sealed: String,
    pub made_at: i64,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
