//! Coalesced reads of whether executions have ended, for thousands of parents may wait for their
//! children at once.

use std::collections::HashMap;

use super::{
    super::{Error, Storage, db::Reader, sql},
    gather::Gather,
};
use crate::model::{ExecutionId, TenantId, TenantScope};

/// Whether executions of whatever tenants have ended. For [`Storage::has_ended`] alone.
pub(in crate::storage) type Endings = Gather<(ExecutionId, TenantId), bool>;

const QUERIES: usize = 2;
const MOST_IDS: usize = 256;

/// Looks for those that are asked for at the same time in one query.
pub(in crate::storage) fn endings(db: &Reader) -> Endings {
    let db = db.clone();
    Gather::start(QUERIES, MOST_IDS, move |wanted| load(db.clone(), wanted))
}

async fn load(
    db: Reader,
    wanted: Vec<(ExecutionId, TenantId)>,
) -> Result<HashMap<(ExecutionId, TenantId), bool>, Error> {
    let join = sql::join(&db);
    let tail = format!(
        "SELECT e.id, e.tenant_id, e.finished_at FROM x {join} execution e \
         ON e.id = x.id AND e.tenant_id = x.tenant_id"
    );
    let mut ids = sql::Rows::of(&["id", "tenant_id"]);
    for (id, tenant) in wanted {
        ids.push(vec![id.0.into(), tenant.as_str().into()]);
    }
    let rows = ids.query(&db, &tail).await?;
    let found = rows.iter().map(|row| {
        let tenant: String = sql::get(row, "tenant_id")?;
        let finished_at: Option<i64> = sql::get(row, "finished_at")?;
        let id = ExecutionId(sql::get(row, "id")?);
        Ok(((id, TenantId::stored(&tenant)), finished_at.is_some()))
    });
    found.collect()
}

impl Storage {
    /// Returns whether an execution has ended; none where the tenant has no such execution.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_ended(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
    ) -> Result<Option<bool>, Error> {
        self.endings.get((id, scope.tenant().clone())).await
    }
}
