//! Retention: what may go is found here, a bounded number of rows at a time, and removed by operations of the
//! writer, so that it competes with clients' writes for turns and not for locks.
//!
//! Executions go as trees, the deepest first: after each transaction every child that is left has its parent.
//! With an execution goes its stream. Where the log is signed, the hash of each removed entry stays behind, with a
//! seal by which `verify` knows that retention removed it.

mod ended;
mod executions;
mod kept;
mod log;

pub(super) use ended::session_key;
pub use ended::{Ended, EndedPage, EndedPlace};
pub use executions::{EndedRoot, Tree, TreeMember};
pub use kept::{Kept, NextKept};
pub use log::Sealer;

use super::{Error, Storage, sql};
use crate::model::{Micros, TenantId};
use sql::get;

impl Storage {
    /// The first tenant after this one that has anything which retention may remove, and the time by the database's
    /// clock.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_next_tenant(
        &self,
        after: Option<&TenantId>,
    ) -> Result<Option<(TenantId, Micros)>, Error> {
        // Whatever a tenant has is told in its log, but for uploads and what is left of the log itself.
        let of = |table: &str| {
            format!("SELECT MIN(tenant_id) AS tenant_id FROM {table} WHERE tenant_id > $1")
        };
        let text = format!(
            "SELECT MIN(t.tenant_id) AS tenant_id, {} AS now FROM ({} UNION ALL {} UNION ALL {}) t",
            sql::now_expression(self.db.reader.get_database_backend()),
            of("event"),
            of("upload"),
            of("removed_entry"),
        );
        let after = after.map_or("", TenantId::as_str);
        let rows = sql::query(&self.db.reader, &text, [after.into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let tenant = get::<Option<String>>(row, "tenant_id")?;
        let now = get(row, "now")?;
        Ok(tenant.map(|tenant| (TenantId::stored(&tenant), now)))
    }
}
