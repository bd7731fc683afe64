//! Which content something refers to.
//!
//! Parameters, results and steps are in the log as well, with the same reference, and go together with it; so the log
//! alone is asked for them. States and the parameters of schedules are kept in their rows, however large.

use std::collections::HashSet;

use sea_orm::QueryResult;

use super::super::{Error, Storage, sql};
use crate::model::TenantId;
use sql::{Rows, get};

/// A digest of a tenant's content.
pub type TenantDigest = (TenantId, String);

impl Storage {
    /// Which of these digests an artifact, an upload or the log refers to; of deleted artifacts, too, whose content
    /// goes by itself.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn digests_in_records(
        &self,
        digests: &[TenantDigest],
    ) -> Result<HashSet<TenantDigest>, Error> {
        let mut rows = Rows::of(&["tenant_id", "digest"]);
        for (tenant, digest) in digests {
            rows.push(vec![tenant.as_str().into(), digest.as_str().into()]);
        }
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT x.tenant_id, x.digest FROM x WHERE EXISTS (SELECT 1 FROM materialization m \
             {join} artifact a ON a.id = m.artifact_id WHERE m.digest = x.digest \
             AND a.tenant_id = x.tenant_id) OR EXISTS (SELECT 1 FROM upload u \
             WHERE u.digest = x.digest AND u.tenant_id = x.tenant_id) OR EXISTS (SELECT 1 FROM event e \
             WHERE substr(e.payload, 2, 64) = x.digest AND substr(e.payload, 1, 1) = '@' \
             AND e.tenant_id = x.tenant_id) OR EXISTS (SELECT 1 FROM execution c \
             WHERE substr(c.sealed, 2, 64) = x.digest AND substr(c.sealed, 1, 1) = '@' \
             AND c.tenant_id = x.tenant_id)"
        );
        let found = rows.query(&self.db.reader, &tail).await?;
        found.iter().map(digest_of).collect()
    }
}

fn digest_of(row: &QueryResult) -> Result<TenantDigest, Error> {
    let tenant: String = get(row, "tenant_id")?;
    Ok((TenantId::stored(&tenant), get(row, "digest")?))
}
