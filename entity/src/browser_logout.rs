//! Sessions of browsers that were ended before their time.

use sea_orm::entity::prelude::*;

/// A row of `browser_logout`. Times are microseconds since 1970-01-01 UTC; `id` is the SHA-256 (hex) of what tells the
/// session from others.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "browser_logout")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub id: String,
    pub expires_at: i64,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
