//! Keys of the API: locked to be changed, or counted.

use std::collections::BTreeSet;

use entity::api_key;
use sea_orm::FromQueryResult;

use super::{
    super::{
        super::{Error, convert::StoredKey, db::Transaction, sql},
        operation::Needs,
        working::Working,
    },
    rows::lock_clause,
};
use crate::model::{KeyId, TenantId};
use sql::{Rows, columns, get};

pub(super) async fn load(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    lock(db, &needs.api_keys, working).await?;
    count(db, &needs.api_key_counts, working).await
}

async fn lock(db: &Transaction, keys: &[KeyId], working: &mut Working) -> Result<(), Error> {
    let keys: BTreeSet<&KeyId> = keys.iter().collect();
    let rows = Rows::column("id", keys.iter().map(|id| id.0));
    let select = format!(
        "SELECT {} FROM x {} api_key k ON k.id = x.id {}",
        columns::<api_key::Entity>("k"),
        sql::join(db),
        lock_clause(db, "ORDER BY k.id FOR UPDATE OF k")
    );
    for row in rows.query(db, &select).await? {
        let row = StoredKey::try_from(api_key::Model::from_query_result(&row, "")?)?;
        working.api_keys.load(row.key.id, row);
    }
    Ok(())
}

/// Counts the keys that tenants have and can still use.
async fn count(db: &Transaction, tenants: &[TenantId], working: &mut Working) -> Result<(), Error> {
    let tenants: BTreeSet<&str> = tenants.iter().map(TenantId::as_str).collect();
    let mut rows = Rows::of(&["tenant_id", "since"]);
    for tenant in tenants {
        rows.push(vec![tenant.into(), working.now.into()]);
    }
    let select = format!(
        "SELECT x.tenant_id, CAST(COUNT(*) AS bigint) AS keys FROM x {} api_key k \
         ON k.tenant_id = x.tenant_id WHERE k.revoked_at IS NULL \
         AND (k.expires_at IS NULL OR k.expires_at > x.since) GROUP BY x.tenant_id",
        sql::join(db)
    );
    for row in rows.query(db, &select).await? {
        let tenant = TenantId::stored(&get::<String>(&row, "tenant_id")?);
        working.api_key_counts.insert(tenant, get(&row, "keys")?);
    }
    Ok(())
}
