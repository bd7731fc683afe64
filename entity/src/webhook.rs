//! Webhooks: addresses outside to which events of a tenant are delivered.

use sea_orm::entity::prelude::*;

/// A row of `webhook`. Times are microseconds since 1970-01-01 UTC; `filter` and `ahead` are JSON objects, `grants`
/// names with spaces between them, `secret` and `former_secret` are sealed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub tenant_id: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub name: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub url: String,
    #[sea_orm(column_type = "Text")]
    pub filter: String,
    pub status: i64,
    pub disabled_reason: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub created_by: String,
    #[sea_orm(column_type = "Text")]
    pub grants: String,
    #[sea_orm(column_type = "Text")]
    pub secret: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub former_secret: Option<String>,
    pub former_until: Option<i64>,
    pub place_tx: i64,
    pub place_ord: i64,
    pub place_seq: i64,
    #[sea_orm(column_type = "Text")]
    pub ahead: String,
    pub failures: i64,
    pub failing_since: Option<i64>,
    pub last_success_at: Option<i64>,
    pub last_failure_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub last_failure: Option<String>,
    pub due_at: Option<i64>,
    pub held_by: Option<Uuid>,
    pub version: i64,
    pub generation: i64,
    pub next_seq: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    pub last_hash: Option<Vec<u8>>,
}

/// No relations: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
