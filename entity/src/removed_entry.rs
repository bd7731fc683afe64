//! Entries of the log that retention has removed, while the hash over the log needs theirs.

use sea_orm::entity::prelude::*;

/// A row of `removed_entry`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "removed_entry")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tx: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub ord: i64,
    pub seq: i64,
    pub hash: Option<Vec<u8>>,
    pub seal: Option<Vec<u8>>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
