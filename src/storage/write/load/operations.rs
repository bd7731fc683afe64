//! Bulk operations: locked to be changed, or counted.

use std::collections::BTreeSet;

use entity::operation;
use sea_orm::FromQueryResult;

use super::{
    super::{
        super::{Error, convert::StoredOperation, db::Transaction, sql},
        operation::Needs,
        working::Working,
    },
    limits::lock_numbers,
    rows::lock_clause,
};
use crate::model::{OperationId, OperationStatus, TenantId};
use sql::{Rows, columns, get};

pub(super) async fn load(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    lock(db, &needs.operations, working).await?;
    count(db, &needs.operation_counts, working).await
}

async fn lock(db: &Transaction, ids: &[OperationId], working: &mut Working) -> Result<(), Error> {
    let ids: BTreeSet<&OperationId> = ids.iter().collect();
    let rows = Rows::column("id", ids.iter().map(|id| id.0));
    let select = format!(
        "SELECT {} FROM x {} operation o ON o.id = x.id {}",
        columns::<operation::Entity>("o"),
        sql::join(db),
        lock_clause(db, "ORDER BY o.id FOR UPDATE OF o")
    );
    for row in rows.query(db, &select).await? {
        let row = StoredOperation::try_from(operation::Model::from_query_result(&row, "")?)?;
        working.operations.load(row.operation.id, row);
    }
    Ok(())
}

/// Those that go on are those that a node is to look at.
async fn count(db: &Transaction, tenants: &[TenantId], working: &mut Working) -> Result<(), Error> {
    let tenants: BTreeSet<&str> = tenants.iter().map(TenantId::as_str).collect();
    lock_numbers(db, ":operations", &tenants).await?;
    let rows = Rows::column("tenant_id", tenants);
    let select = format!(
        "SELECT x.tenant_id, CAST(COUNT(*) AS bigint) AS operations FROM x {} operation o \
         ON o.tenant_id = x.tenant_id WHERE o.due_at IS NOT NULL AND o.status = {} GROUP BY x.tenant_id",
        sql::join(db),
        OperationStatus::Running.code()
    );
    for row in rows.query(db, &select).await? {
        let tenant = TenantId::stored(&get::<String>(&row, "tenant_id")?);
        working
            .operation_counts
            .insert(tenant, get(&row, "operations")?);
    }
    Ok(())
}
