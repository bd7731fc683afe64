//! Lineage: `child` was made from `parent`.

use sea_orm::entity::prelude::*;

/// A row of `artifact_edge`. Times are microseconds since 1970-01-01 UTC; JSON is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_edge")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub child: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub parent: i64,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
