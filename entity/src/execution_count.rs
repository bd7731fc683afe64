//! The numbers of executions that were accepted and that ended, by time.

use sea_orm::entity::prelude::*;

/// A row of `execution_count`: of a minute, an hour or a day. Rows of several levels are never about the same
/// executions. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "execution_count")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub tenant_id: String,
    /// When the time that it is about began.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i64,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub intent_type: String,
    /// What the executions became then; 0 for those that were accepted.
    #[sea_orm(primary_key, auto_increment = false)]
    pub status: i64,
    /// 1 for executions that no other one submitted.
    #[sea_orm(primary_key, auto_increment = false)]
    pub is_root: i64,
    /// Of those that failed; empty for others.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub error_code: String,
    /// 0 for a minute, 1 for an hour, 2 for a day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub level: i64,
    /// Whose row it is: each writer counts in rows of its own.
    #[sea_orm(primary_key, auto_increment = false)]
    pub slot: i64,
    pub count: i64,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
