//! Sessions and uploads.

use entity::{session, upload};
use sea_orm::{DbBackend, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::{
    super::{Error, Storage, places::accepts_writes, sql},
    count::Count,
    listing::{Listing, Order, Range, Way},
    metadata::MetadataMember,
    page::{Conditions, Page, PageRequest, WHOLE_TENANT, finish, ids_of_tenant},
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

/// The most sessions of a tenant that are listed as expired, since their time has passed, before
/// that is written down, as it is at each sweep.
const MOST_OVERDUE: u32 = 400;

fn listing_of(scope: &TenantScope, filter: &SessionFilter, backend: DbBackend) -> Listing {
    let question = Question {
        tenant: scope.tenant().as_str(),
        filter,
        backend,
    };
    Listing {
        table: "session",
        key: "id",
        order: Order::Time,
        tenant: question.tenant.to_owned(),
        looked_at: "status, expires_at, user_id, metadata, created_at",
        is_looked_into: !filter.metadata.is_empty(),
        window: (None, None),
        ways: question.ways(),
    }
}

/// A filter whose ways are looked for.
struct Question<'a> {
    tenant: &'a str,
    filter: &'a SessionFilter,
    backend: DbBackend,
}

impl Question<'_> {
    fn ways(&self) -> Vec<Way> {
        let user = self.filter.user_id.as_ref().map(|user| {
            let ranges = SessionStatus::ALL.into_iter().map(|status| {
                let equal = [
                    ("user_id", user.as_str().into()),
                    ("tenant_id", self.tenant.into()),
                    ("status + 0", status.code().into()),
                ];
                Range::of("session_idx_user", equal)
            });
            Way::new(ranges.collect(), self.fits(true))
        });
        let ranges = SessionStatus::ALL.into_iter();
        let ranges = ranges.filter(|status| self.wants(*status));
        let ranges = ranges.map(|status| {
            let equal = [
                ("status", status.code().into()),
                ("tenant_id", self.tenant.into()),
            ];
            Range::of("session_idx_status", equal)
        });
        let ranges: Vec<Range> = if self.filter.statuses.is_empty() {
            vec![Range::of(
                "session_idx_time",
                [(WHOLE_TENANT, self.tenant.into())],
            )]
        } else {
            ranges.chain(self.overdue()).collect()
        };
        let of_statuses = Way::new(ranges, self.fits(false));
        user.into_iter().chain([of_statuses]).collect()
    }

    fn wants(&self, status: SessionStatus) -> bool {
        self.filter.statuses.is_empty() || self.filter.statuses.contains(&status)
    }

    /// Those that are expired and stand among others.
    fn overdue(&self) -> Option<Range> {
        let writable = SessionStatus::ALL
            .into_iter()
            .filter(|it| it.accepts_writes());
        let others = writable.filter(|status| !self.wants(*status));
        let others: Vec<String> = others.map(|status| status.code().to_string()).collect();
        if others.is_empty() || !self.wants(SessionStatus::Expired) {
            return None;
        }
        let overdue = format!(
            "SELECT id FROM session WHERE tenant_id = ? AND {} AND expires_at <= (SELECT {}) \
             ORDER BY expires_at LIMIT {MOST_OVERDUE}",
            accepts_writes(),
            now_expression(self.backend)
        );
        // PostgreSQL would join two sets of sessions; an array leads to the rows by their key.
        let is_overdue = match self.backend {
            DbBackend::Postgres => format!("id = ANY (ARRAY({overdue}))"),
            _ => format!("id IN ({overdue})"),
        };
        let found_by = format!(
            "{is_overdue} AND tenant_id || '' = ? AND status + 0 IN ({})",
            others.join(", ")
        );
        Some(Range {
            index: "sqlite_autoindex_session_1",
            found_by: Some((found_by, vec![self.tenant.into(), self.tenant.into()])),
            ..Range::default()
        })
    }

    /// The conditions that are not answered: by a user's sessions, or by those of a status.
    fn fits(&self, of_user: bool) -> Conditions {
        let filter = self.filter;
        let mut fits = Conditions::default();
        let is_overdue_left_out = !self.wants(SessionStatus::Expired)
            && filter.statuses.iter().any(|it| it.accepts_writes());
        if !filter.statuses.is_empty() && (of_user || is_overdue_left_out) {
            let shown = format!(
                "CASE WHEN {} AND expires_at <= {} THEN {} ELSE status END",
                accepts_writes(),
                now_expression(self.backend),
                SessionStatus::Expired.code()
            );
            fits.one_of_codes(&shown, filter.statuses.iter().map(|status| status.code()));
        }
        if let Some(user) = filter.user_id.as_ref().filter(|_| !of_user) {
            fits.add("user_id || '' = ?", [user.as_str().into()]);
        }
        for member in &filter.metadata {
            member.add_to(&mut fits, self.backend);
        }
        fits
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
            columns::<session::Entity>("t"),
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

    /// Returns the number of the tenant's sessions that fit.
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
