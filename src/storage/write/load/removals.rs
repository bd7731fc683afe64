//! What retention removes: a tenant's log is trimmed by one transaction at a time.

use std::collections::BTreeSet;

use super::{
    super::{
        super::{Error, db::Transaction, sql},
        operation::Needs,
        working::Working,
    },
    rows::column,
};
use crate::model::TenantId;
use sql::{Rows, get};

pub(super) async fn load(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    if needs.trimmed.is_empty() {
        return Ok(());
    }
    let tenants: BTreeSet<&str> = needs.trimmed.iter().map(TenantId::as_str).collect();
    let mut rows = Rows::of(&["tenant_id", "place", "now"]);
    for tenant in tenants {
        rows.push(vec![tenant.into(), 0_i64.into(), working.now.into()]);
    }
    // An update without a change is a lock, on a row that need not have been there.
    let tail = "INSERT INTO log_trim (tenant_id, tx, ord, seq, trimmed_at) \
         SELECT tenant_id, place, place, place, now FROM x WHERE true ORDER BY tenant_id \
         ON CONFLICT (tenant_id) DO UPDATE SET tx = log_trim.tx RETURNING tenant_id";
    rows.query(db, tail).await?;
    let removable: BTreeSet<_> = needs.removable.iter().copied().collect();
    let tail = format!(
        "SELECT e.id FROM x {} execution e ON e.id = x.id WHERE e.finished_at IS NOT NULL",
        sql::join(db)
    );
    let found = Rows::column("id", removable).query(db, &tail).await?;
    working.removable = column(&found, "id")?;
    let mut rows = Rows::of(&["tenant_id", "number"]);
    for (tenant, number) in &needs.checkpoints {
        rows.push(vec![tenant.as_str().into(), (*number).into()]);
    }
    let tail = format!(
        "SELECT c.tenant_id, c.number, c.kept_signature FROM x {} checkpoint c \
         ON c.tenant_id = x.tenant_id AND c.number = x.number",
        sql::join(db)
    );
    for row in rows.query(db, &tail).await? {
        let tenant: String = get(&row, "tenant_id")?;
        let key = (TenantId::stored(&tenant), get(&row, "number")?);
        working
            .kept_signatures
            .insert(key, get(&row, "kept_signature")?);
    }
    Ok(())
}
