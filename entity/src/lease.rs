//! Which node incarnation holds a started execution.

use sea_orm::entity::prelude::*;

/// A row of `lease`. Times are microseconds since 1970-01-01 UTC; JSON is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lease")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub execution_id: Uuid,
    pub epoch: i64,
    pub node_id: Uuid,
    pub alone: bool,
    pub holder: i64,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
