//! Signed checkpoints of the log, and what retention has kept of the entries under them.

use sea_orm::entity::prelude::*;

/// A row of `checkpoint`. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "checkpoint")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub tx: i64,
    pub ord: i64,
    pub seq: i64,
    pub entries: i64,
    pub hash: Vec<u8>,
    pub signed_at: i64,
    #[sea_orm(column_type = "Text")]
    pub public_key: String,
    #[sea_orm(column_type = "Text")]
    pub signature: String,
    pub kept_first: Option<i64>,
    pub kept_entries: Option<i64>,
    pub kept_hash: Option<Vec<u8>>,
    #[sea_orm(column_type = "Text", nullable)]
    pub kept_public_key: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub kept_signature: Option<String>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
