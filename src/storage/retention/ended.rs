//! What has ended besides executions: sessions with nothing left in them, keys of the API, uploads, records of deleted
//! artifacts that nothing was made from, and keys of requests.

use uuid::Uuid;

use super::{
    super::{
        Error, Storage, sql,
        write::{EndedRow, ForgetKeys, RemoveEnded},
    },
    Sealer,
};
use crate::model::{ArtifactState, Micros, SessionId, SessionKey, SessionStatus, TenantId};
use sql::{Rows, get};

/// The kinds of what has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Sessions that were closed, without executions and artifacts in them.
    ClosedSessions,
    /// Sessions that expired, likewise.
    ExpiredSessions,
    /// Keys of the API that were revoked or expired.
    ApiKeys,
    /// Uploads, from their arrival on, or from when they could not arrive any more.
    Uploads,
    /// Deleted artifacts whose execution and content are gone and from which nothing was made.
    DeletedArtifacts,
    /// Bulk operations.
    Operations,
    /// Deleted webhooks.
    Webhooks,
}

impl Ended {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ClosedSessions,
        Self::ExpiredSessions,
        Self::ApiKeys,
        Self::Uploads,
        Self::DeletedArtifacts,
        Self::Operations,
        Self::Webhooks,
    ];

    /// Of table `t`, the columns, what finds those that have ended, and the
    /// condition under which one of them may go.
    fn parts(self) -> StatementParts {
        let session = |status: SessionStatus| StatementParts {
            table: "session",
            columns: "t.id, COALESCE(t.stream_id, t.id) AS stream_id, t.next_seq",
            ended: format!("t.status = {}", status.code()),
            may_go: "t.updated_at < $4 AND NOT EXISTS (SELECT 1 FROM execution e WHERE e.session_id = t.id \
                     AND e.tenant_id || '' = t.tenant_id) AND NOT EXISTS (SELECT 1 FROM artifact a \
                     WHERE a.session_id = t.id AND a.tenant_id || '' = t.tenant_id)",
        };
        match self {
            Self::ClosedSessions => session(SessionStatus::Closed),
            Self::ExpiredSessions => session(SessionStatus::Expired),
            Self::ApiKeys => StatementParts {
                table: "api_key",
                columns: "t.id, t.id AS stream_id, CAST(0 AS bigint) AS next_seq",
                ended: "COALESCE(t.revoked_at, t.expires_at) IS NOT NULL".to_owned(),
                may_go: "COALESCE(t.revoked_at, t.expires_at) < $4",
            },
            Self::Uploads => StatementParts {
                table: "upload",
                columns: "t.id, t.id AS stream_id, CAST(0 AS bigint) AS next_seq",
                ended: "TRUE".to_owned(),
                may_go: "COALESCE(t.completed_at, t.expires_at) < $4",
            },
            Self::DeletedArtifacts => StatementParts {
                table: "artifact",
                columns: "t.id, t.id AS stream_id, t.next_seq",
                ended: format!("t.state = {}", ArtifactState::Deleted.code()),
                may_go: "t.updated_at < $4 AND NOT EXISTS (SELECT 1 FROM artifact_edge c WHERE c.parent = t.key) \
                         AND NOT EXISTS (SELECT 1 FROM content_release r WHERE r.artifact_id = t.id) \
                         AND NOT EXISTS (SELECT 1 FROM execution e WHERE e.id = t.execution_id)",
            },
            Self::Operations => StatementParts {
                table: "operation",
                columns: "t.id, t.id AS stream_id, t.next_seq",
                ended: "t.finished_at IS NOT NULL".to_owned(),
                may_go: "t.finished_at < $4",
            },
            Self::Webhooks => StatementParts {
                table: "webhook",
                columns: "t.id, t.id AS stream_id, t.next_seq",
                ended: "t.deleted_at IS NOT NULL".to_owned(),
                may_go: "t.deleted_at < $4",
            },
        }
    }
}

struct StatementParts {
    table: &'static str,
    columns: &'static str,
    ended: String,
    may_go: &'static str,
}

/// A place among what has ended.
pub type EndedPlace = (Micros, Uuid);

/// Some of what has ended.
#[derive(Debug, Clone, Default)]
pub struct EndedPage {
    /// Those that may go.
    rows: Vec<EndedRow>,
    /// The last one that was looked at; none at the end.
    pub last: Option<EndedPlace>,
    /// The number of those that stay.
    pub kept: usize,
}

impl EndedPage {
    /// The number of those that may go.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether none may go.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Storage {
    /// The next ones of a tenant, up to `limit`, that were made before a time, with those of them that have ended before it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_ended(
        &self,
        tenant: &TenantId,
        kind: Ended,
        before: Micros,
        after: Option<EndedPlace>,
        limit: u32,
    ) -> Result<EndedPage, Error> {
        let made_before = before;
        self.list_of_kind(tenant, kind, (before, made_before), after, limit)
            .await
    }

    /// The next ones of a tenant, up to `limit`, whenever they were made, with those of them that have ended before a
    /// time; none of them if there is no time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_ended_by(
        &self,
        tenant: &TenantId,
        kind: Ended,
        before: Option<Micros>,
        after: Option<EndedPlace>,
        limit: u32,
    ) -> Result<EndedPage, Error> {
        let before = before.unwrap_or(Micros::MIN);
        self.list_of_kind(tenant, kind, (before, Micros::MAX), after, limit)
            .await
    }

    async fn list_of_kind(
        &self,
        tenant: &TenantId,
        kind: Ended,
        (before, made_before): (Micros, Micros),
        after: Option<EndedPlace>,
        limit: u32,
    ) -> Result<EndedPage, Error> {
        let StatementParts {
            table,
            columns,
            ended,
            may_go,
        } = kind.parts();
        let text = format!(
            "SELECT {columns}, t.created_at, ({may_go}) AS may_go FROM {table} t \
             WHERE t.tenant_id = $1 AND {ended} AND (t.created_at, t.id) > ($2, $3) AND t.created_at < $5 \
             ORDER BY t.created_at, t.id LIMIT {limit}"
        );
        let (time, id) = after.unwrap_or((i64::MIN, Uuid::nil()));
        let values = [
            tenant.as_str().into(),
            time.into(),
            id.into(),
            before.into(),
            made_before.into(),
        ];
        let mut page = EndedPage::default();
        for row in sql::query(&self.db.reader, &text, values).await? {
            page.last = Some((get(&row, "created_at")?, get(&row, "id")?));
            if get(&row, "may_go")? {
                page.rows.push(EndedRow {
                    id: get(&row, "id")?,
                    stream_id: get(&row, "stream_id")?,
                    next_seq: get(&row, "next_seq")?,
                });
            } else {
                page.kept += 1;
            }
        }
        Ok(page)
    }

    /// Removes those of a page that may go, with their streams; how many. None if one of them was changed meanwhile.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn remove_ended(
        &self,
        tenant: &TenantId,
        kind: Ended,
        page: EndedPage,
        seal: Option<Sealer<'_>>,
    ) -> Result<usize, Error> {
        let streams: Vec<Uuid> = page.rows.iter().map(|row| row.stream_id).collect();
        let log = self.entries_to_remove(tenant, &streams, seal).await?;
        let remove = RemoveEnded {
            tenant: tenant.clone(),
            kind,
            rows: page.rows,
            entries: log.removed.entries,
        };
        self.writer.run(remove).await
    }

    /// Forgets keys of requests whose time has passed, up to `limit`; how many there were.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn forget_keys(&self, limit: u32) -> Result<usize, Error> {
        let now = sql::now_expression(self.db.reader.get_database_backend());
        let text = format!(
            "SELECT tenant_id, scope, key FROM idempotency WHERE expires_at <= {now} \
             ORDER BY expires_at LIMIT {limit}"
        );
        let mut keys = Rows::of(&["tenant_id", "scope", "key"]);
        for row in sql::query(&self.db.reader, &text, []).await? {
            let (tenant, key): (String, String) = (get(&row, "tenant_id")?, get(&row, "key")?);
            let scope: i64 = get(&row, "scope")?;
            keys.push(vec![tenant.into(), scope.into(), key.into()]);
        }
        let count = keys.len();
        if count > 0 {
            self.writer.run(ForgetKeys::of(keys)).await?;
        }
        Ok(count)
    }
}

/// The key of a session.
pub(in crate::storage) fn session_key(tenant: &TenantId, row: &EndedRow) -> SessionKey {
    SessionKey {
        id: SessionId(row.id),
        tenant_id: tenant.clone(),
    }
}
