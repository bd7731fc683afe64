//! Content of deleted artifacts: what is due to go, and what is still in use.

use std::collections::HashSet;

use super::super::{Error, Storage, sql};
use crate::model::{ArtifactId, ArtifactState, Micros, TenantId, TenantScope};
use sql::{Rows, get};

/// A deleted artifact whose content has not gone yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The artifact.
    pub artifact_id: ArtifactId,
    /// Reaches its tenant's content.
    pub scope: TenantScope,
    /// When its content was put aside, if it was.
    pub aside_at: Option<Micros>,
    /// The digests of its stored forms.
    pub digests: Vec<String>,
}

impl Storage {
    /// Deleted artifacts whose content may go, oldest first: deleted before `deleted_before`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_releases(
        &self,
        deleted_before: Micros,
        limit: u32,
    ) -> Result<Vec<Release>, Error> {
        let text = format!(
            "SELECT artifact_id, tenant_id, aside_at FROM content_release WHERE deleted_at <= $1 ORDER BY deleted_at LIMIT {limit}"
        );
        let mut releases = Vec::new();
        for row in sql::query(&self.db.reader, &text, vec![deleted_before.into()]).await? {
            let tenant: String = get(&row, "tenant_id")?;
            releases.push(Release {
                artifact_id: ArtifactId(get(&row, "artifact_id")?),
                scope: TenantScope::of_row(TenantId::stored(&tenant)),
                aside_at: get(&row, "aside_at")?,
                digests: Vec::new(),
            });
        }
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT m.artifact_id, m.digest FROM x \
             {join} materialization m ON m.artifact_id = x.id WHERE m.storage_type = 'content'"
        );
        let ids = Rows::column("id", releases.iter().map(|it| it.artifact_id.0));
        for row in ids.query(&self.db.reader, &tail).await? {
            let id = ArtifactId(get(&row, "artifact_id")?);
            let digest: String = get(&row, "digest")?;
            if let Some(release) = releases.iter_mut().find(|it| it.artifact_id == id) {
                release.digests.push(digest);
            }
        }
        Ok(releases)
    }

    /// Returns whether artifacts of the tenant have held this digest and all of them are deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_digest_deleted(
        &self,
        scope: &TenantScope,
        digest: &str,
    ) -> Result<bool, Error> {
        let holder = "SELECT 1 FROM materialization m JOIN artifact a ON a.id = m.artifact_id \
             WHERE m.digest = $1 AND a.tenant_id = $2";
        let text = format!(
            "SELECT EXISTS ({holder}) AND NOT EXISTS ({holder} AND a.state <> {}) AS deleted",
            ArtifactState::Deleted.code()
        );
        let values = [digest.into(), scope.tenant().as_str().into()];
        let rows = sql::query(&self.db.reader, &text, values).await?;
        rows.first().map_or(Ok(false), |row| get(row, "deleted"))
    }

    /// Which of these digests an artifact of the tenant holds that is not deleted, or an upload that
    /// arrived after `uploaded_after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn digests_in_use(
        &self,
        digests: &[(TenantId, String)],
        uploaded_after: Micros,
    ) -> Result<HashSet<(TenantId, String)>, Error> {
        let mut rows = Rows::of(&["tenant_id", "digest", "since"]);
        for (tenant, digest) in digests {
            let cells = vec![
                tenant.as_str().into(),
                digest.as_str().into(),
                uploaded_after.into(),
            ];
            rows.push(cells);
        }
        let deleted = ArtifactState::Deleted.code();
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT x.tenant_id, x.digest FROM x WHERE EXISTS (SELECT 1 FROM materialization m \
             {join} artifact a ON a.id = m.artifact_id WHERE m.digest = x.digest \
             AND a.tenant_id = x.tenant_id AND a.state <> {deleted}) OR EXISTS (SELECT 1 FROM upload u \
             WHERE u.digest = x.digest AND u.tenant_id = x.tenant_id AND u.completed_at > x.since)"
        );

        let mut found = HashSet::new();
        for row in rows.query(&self.db.reader, &tail).await? {
            let tenant: String = get(&row, "tenant_id")?;
            found.insert((TenantId::stored(&tenant), get(&row, "digest")?));
        }
        Ok(found)
    }
}
