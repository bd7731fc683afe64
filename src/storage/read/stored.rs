//! How much content a tenant has.

use super::super::{
    Error, Storage,
    sql::{self, Queries as _},
};
use crate::model::{ArtifactState, TenantScope};

impl Storage {
    /// Returns the bytes of content of the tenant's artifacts that are not deleted, each of their stored forms counted
    /// by itself, and of uploads that no artifact was made of: those that have come, and those that still may come.
    /// It reads all of them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stored_bytes(&self, scope: &TenantScope) -> Result<u64, Error> {
        let db = &self.db.reader.of(scope);
        let join = sql::join(&self.db.reader);
        let now = sql::now_expression(self.db.reader.backend());
        let text = format!(
            "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS total FROM (\
             SELECT m.size_bytes AS bytes FROM artifact a \
             {join} materialization m ON m.artifact_id = a.id WHERE a.tenant_id = $1 AND a.state <> {} \
             UNION ALL \
             SELECT u.declared_size_bytes FROM upload u \
             WHERE u.tenant_id = $1 AND (u.completed_at IS NOT NULL OR u.expires_at > {now}) \
             AND NOT EXISTS (SELECT 1 FROM materialization m {join} artifact a ON a.id = m.artifact_id \
             WHERE m.digest = u.digest AND a.tenant_id = $1)) AS kept",
            ArtifactState::Deleted.code()
        );
        let rows = sql::query(db, &text, vec![scope.tenant().as_str().into()]).await?;
        let total: i64 = rows.first().map_or(Ok(0), |row| sql::get(row, "total"))?;
        Ok(total.unsigned_abs())
    }
}
