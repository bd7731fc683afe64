//! Sessions and uploads.

use entity::{session, upload};
use sea_orm::{DbBackend, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::{
    super::{Error, Storage, places::accepts_writes, sql},
    listing::{Count, Listing, OfTenant},
    metadata::MetadataMember,
    page::{Conditions, Page, PageRequest, finish, ids_of_tenant},
};
use crate::model::{Session, SessionId, SessionStatus, TenantScope, Upload, UploadId};
use sql::{columns, get, now_expression};

/// Which sessions are wanted; an empty list of values means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// One of these.
    pub statuses: Vec<SessionStatus>,
    /// Of this user.
    pub user_id: Option<String>,
    /// With all of these in their metadata.
    pub metadata: Vec<MetadataMember>,
}

fn listing_of(scope: &TenantScope, filter: &SessionFilter, backend: DbBackend) -> Listing {
    let mut conditions = Conditions::default();
    if !filter.statuses.is_empty() {
        let shown = format!(
            "CASE WHEN {} AND expires_at <= {} THEN {} ELSE status END",
            accepts_writes(),
            now_expression(backend),
            SessionStatus::Expired.code()
        );
        conditions.one_of_codes(&shown, filter.statuses.iter().map(|status| status.code()));
    }
    if let Some(user) = &filter.user_id {
        conditions.add("user_id = ?", [user.as_str().into()]);
    }
    for member in &filter.metadata {
        member.add_to(&mut conditions, backend);
    }
    Listing {
        table: "session s",
        key: "id",
        looked_at: "id, status, expires_at, user_id, metadata",
        of_tenant: Some(OfTenant {
            name: scope.tenant().to_string(),
            in_session: false,
        }),
        walked: String::new(),
        fits: conditions.take(),
        is_looked_into: !filter.metadata.is_empty(),
        values: conditions.values,
    }
}

/// A session whose time has passed is expired, whether or not that was written down yet.
fn session_of(row: &QueryResult) -> Result<Session, Error> {
    let now: i64 = get(row, "now")?;
    let mut session = Session::try_from(session::Model::from_query_result(row, "")?)?;
    if session.status.accepts_writes() && session.expires_at <= now {
        session.status = SessionStatus::Expired;
    }
    Ok(session)
}

impl Storage {
    /// The sessions with these ids that are the tenant's.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_sessions(
        &self,
        scope: &TenantScope,
        wanted: &[SessionId],
    ) -> Result<Vec<Session>, Error> {
        let db = &self.db.reader.of(scope);
        let rows = ids_of_tenant(scope, wanted.iter().map(|id| id.0));
        let join = sql::join(db);
        let tail = format!(
            "SELECT {}, {} AS now FROM x {join} session s ON s.id = x.id AND s.tenant_id = x.tenant_id",
            columns::<session::Entity>("s"),
            now_expression(db.get_database_backend())
        );
        rows.query(db, &tail)
            .await?
            .into_iter()
            .map(|row| session_of(&row))
            .collect()
    }

    /// A page of the tenant's sessions, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_sessions(
        &self,
        scope: &TenantScope,
        filter: &SessionFilter,
        page: &PageRequest<SessionId>,
    ) -> Result<Page<SessionId, Session>, Error> {
        let db = &self.db.reader.of(scope);
        let backend = db.get_database_backend();
        let columns = format!(
            "{}, {} AS now",
            columns::<session::Entity>("s"),
            now_expression(backend)
        );
        let (listing, range) = (listing_of(scope, filter, backend), page.map(|id| id.0));
        let (rows, cut) = listing.page(db, &columns, false, &range).await?;
        let items: Result<Vec<_>, Error> = rows
            .into_iter()
            .map(|row| session_of(&row).map(|found| (found.id, found)))
            .collect();
        Ok(finish(items?, page, cut.map(SessionId)))
    }

    /// How many of the tenant's sessions fit.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_sessions(
        &self,
        scope: &TenantScope,
        filter: &SessionFilter,
    ) -> Result<Count, Error> {
        let db = &self.db.reader.of(scope);
        let listing = listing_of(scope, filter, db.get_database_backend());
        listing.count::<Uuid>(db).await
    }

    /// An announced upload of the tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_upload(
        &self,
        scope: &TenantScope,
        id: UploadId,
    ) -> Result<Option<Upload>, Error> {
        let text = format!(
            "SELECT {} FROM upload u WHERE id = $1 AND tenant_id = $2",
            columns::<upload::Entity>("u")
        );
        let values = [id.0.into(), scope.tenant().as_str().into()];
        let rows = sql::query(&self.db.reader.of(scope), &text, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(upload::Model::from_query_result(row, "")?.into()))
    }
}
