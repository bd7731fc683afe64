//! A tenant's uploads, for the sum of what it has stored.

use sea_orm::DbBackend;

/// Uploads are added up for each tenant: all of them, ingested or not.
pub(crate) fn statements(_: DbBackend) -> Vec<String> {
    vec!["CREATE INDEX upload_tenant ON upload (tenant_id)".to_owned()]
}
