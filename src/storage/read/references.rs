//! Which content something refers to.
//!
//! Parameters, results and steps are in the log as well, with the same reference, and go together with it; so the log
//! alone is asked for them.

use std::collections::HashSet;

use sea_orm::{QueryResult, Value};
use uuid::Uuid;

use super::super::{Error, Storage, sql};
use crate::model::TenantId;
use sql::{Rows, get};

/// A digest of a tenant's content.
pub type TenantDigest = (TenantId, String);

/// Rows of a table that are looked at together.
const PAGE: usize = 2_000;

/// Values that are not in the log as they are, each with its table, the key of its rows, and its column.
const STATES: [(&str, &str, &str); 4] = [
    ("session", "id", "state"),
    ("execution_state", "execution_id", "state"),
    ("schedule", "id", "parameters"),
    ("schedule", "id", "sealed"),
];

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

    /// Which of these digests a state of a session or an execution, or a schedule refers to. Looks through all of them,
    /// a page at a time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn digests_in_states(
        &self,
        digests: &HashSet<TenantDigest>,
    ) -> Result<HashSet<TenantDigest>, Error> {
        let mut found = HashSet::new();
        for (table, key, column) in STATES {
            let text = format!(
                "SELECT {key} AS id, tenant_id, substr({column}, 2, 64) AS digest, \
                 CASE WHEN substr({column}, 1, 1) = '@' THEN 1 ELSE 0 END AS refers FROM {table} \
                 WHERE ({key}, tenant_id) > ($1, $2) ORDER BY {key}, tenant_id LIMIT {PAGE}"
            );
            let mut after = (Uuid::nil(), String::new());
            loop {
                let values: [Value; 2] = [after.0.into(), after.1.into()];
                let rows = sql::query(&self.db.reader, &text, values).await?;
                for row in &rows {
                    if get::<i32>(row, "refers")? == 1 {
                        let digest = digest_of(row)?;
                        if digests.contains(&digest) {
                            found.insert(digest);
                        }
                    }
                }
                let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else {
                    break;
                };
                after = (get(last, "id")?, get(last, "tenant_id")?);
            }
        }
        Ok(found)
    }
}

fn digest_of(row: &QueryResult) -> Result<TenantDigest, Error> {
    let tenant: String = get(row, "tenant_id")?;
    Ok((TenantId::stored(&tenant), get(row, "digest")?))
}
