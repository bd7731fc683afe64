//! Secrets of anonymous sessions, as whoever checks a proof needs them.

use super::{Error, Storage, sql};
use crate::model::{Micros, SessionId, SessionStatus, TenantId};
use sql::{Rows, get};

/// The secret of an anonymous session that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSecret {
    /// SHA-256 (hex) of its whole text.
    pub digest: String,
    /// When the session ends by itself.
    pub expires_at: Micros,
}

impl Storage {
    /// The secret of the tenant's session with this id; none where it is not anonymous, has ended, or has none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_session_secret(
        &self,
        tenant: &TenantId,
        id: SessionId,
    ) -> Result<Option<SessionSecret>, Error> {
        let text = "SELECT secret_digest, expires_at FROM session WHERE id = $1 AND tenant_id = $2 \
             AND status = $3 AND is_anonymous AND secret_digest IS NOT NULL";
        let active = SessionStatus::Active.code();
        let values = [id.0.into(), tenant.as_str().into(), active.into()];
        let rows = sql::query(&self.db.reader, text, values).await?;
        let secret = |row| {
            Ok(SessionSecret {
                digest: get(row, "secret_digest")?,
                expires_at: get(row, "expires_at")?,
            })
        };
        rows.first().map(secret).transpose()
    }

    /// Those among the tenant's sessions whose secret is none any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ended_session_secrets(
        &self,
        tenant: &TenantId,
        among: &[SessionId],
    ) -> Result<Vec<SessionId>, Error> {
        // The left side comes first on both databases.
        let tail = "SELECT x.id FROM x LEFT JOIN session s ON s.id = x.id AND s.tenant_id = x.tenant_id \
             WHERE s.id IS NULL OR s.secret_digest IS NULL OR s.status <> x.status OR NOT s.is_anonymous";
        let mut rows = Rows::of(&["id", "tenant_id", "status"]);
        for id in among {
            rows.push(vec![
                id.0.into(),
                tenant.as_str().into(),
                SessionStatus::Active.code().into(),
            ]);
        }
        let rows = rows.query(&self.db.reader, tail).await?;
        let mut ended = Vec::new();
        for row in rows {
            // Rows that fill the statement up have no id.
            ended.extend(get::<Option<uuid::Uuid>>(&row, "id")?.map(SessionId));
        }
        Ok(ended)
    }
}
