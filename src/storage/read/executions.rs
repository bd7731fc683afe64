//! Executions, their steps, and why live ones do not run.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use entity::{execution, step};
use sea_orm::{DbBackend, FromQueryResult};
use uuid::Uuid;

use super::{
    super::{
        Error, KeyScope, Storage,
        places::{LIVE, PARKED_QUEUE, TimerKind, is_a_place},
        sql,
    },
    count::Count,
    listing::{Listing, MOST_RANGES, Order, Range, Way},
    metadata::MetadataMember,
    page::{Conditions, Page, PageRequest, WHOLE_TENANT, finish, ids_of_tenant, tenant_column},
};
use crate::model::{
    Execution, ExecutionId, ExecutionStatus, Micros, Queue, SessionId, Step, TenantScope,
    WaitReason,
};
use sql::{Rows, columns, get};

/// Which executions are wanted; an empty list of values means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// One of these.
    pub statuses: Vec<ExecutionStatus>,
    /// One of these.
    pub intent_types: Vec<String>,
    /// In this session.
    pub session_id: Option<SessionId>,
    /// Of this user, as it was when they were submitted.
    pub user_id: Option<Arc<str>>,
    /// Children of this one.
    pub parent_id: Option<ExecutionId>,
    /// Only those without a parent.
    pub roots_only: bool,
    /// The one that a submit with this key finds.
    pub idempotency_key: Option<String>,
    /// Of intents with all of these in their metadata.
    pub metadata: Vec<MetadataMember>,
    /// Accepted after this time.
    pub created_after: Option<Micros>,
    /// Accepted before this time.
    pub created_before: Option<Micros>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
}

/// The condition of the index of what failed or was cancelled, by its type.
const UNSUCCESSFUL: &str = "listed_as + 0 >= 6";

/// Not a boolean, which PostgreSQL would rewrite before it looks for an index.
const IS_ROOT: &str = "(CASE WHEN parent_id IS NULL THEN 1 ELSE 0 END)";

/// The number by which indexes tell executions apart, the same for all that are live.
fn listed_as(status: ExecutionStatus, is_root: bool) -> i64 {
    let status = if status.is_terminal() {
        status.code()
    } else {
        0
    };
    2 * status + i64::from(is_root)
}

pub(super) fn listing_of(
    scope: &TenantScope,
    filter: &ExecutionFilter,
    backend: DbBackend,
) -> Listing {
    let question = Question {
        tenant: scope.tenant().as_str(),
        filter,
        backend,
    };
    let few = question.few();
    Listing {
        table: "execution",
        key: "id",
        order: if few.is_some() {
            Order::Key
        } else {
            Order::Time
        },
        tenant: question.tenant.to_owned(),
        looked_at: "status, intent_type, session_id, user_id, parent_id, metadata, created_at",
        is_looked_into: !filter.metadata.is_empty(),
        window: (filter.created_after, filter.created_before),
        ways: few.map_or_else(|| question.ways(), |few| vec![few]),
    }
}

/// A condition that the ranges of a way may answer. All in the order of time answer a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Session,
    User,
    Kind,
    Type,
    Roots,
}

/// A filter whose ways are looked for.
struct Question<'a> {
    tenant: &'a str,
    filter: &'a ExecutionFilter,
    backend: DbBackend,
}

impl Question<'_> {
    /// Returns the range of the few rows under a key or a parent.
    fn few(&self) -> Option<Way> {
        let of_tenant = format!("{} = ?", tenant_column(true));
        let range = if let Some(key) = &self.filter.idempotency_key {
            let scope = KeyScope::Caller as i64;
            let found_by = format!(
                "{of_tenant} AND id = (SELECT execution_id FROM idempotency \
                 WHERE tenant_id = ? AND scope = ? AND key = ?)"
            );
            let key = key.as_str().into();
            let values = vec![self.tenant.into(), self.tenant.into(), scope.into(), key];
            Range {
                found_by: Some((found_by, values)),
                ..Range::default()
            }
        } else {
            Range {
                index: "execution_idx_2",
                equal: vec![("parent_id", self.filter.parent_id?.0.into())],
                rule: "parent_id IS NOT NULL",
                found_by: Some((of_tenant, vec![self.tenant.into()])),
            }
        };
        let mut fits = self.fits(&[]);
        fits.within((self.filter.created_after, self.filter.created_before));
        if self.filter.idempotency_key.is_some()
            && let Some(parent) = self.filter.parent_id
        {
            fits.add("parent_id = ?", [parent.0.into()]);
        }
        Some(Way::new(vec![range], fits))
    }

    fn ways(&self) -> Vec<Way> {
        let ways = [
            self.of_session(),
            self.of_user(),
            self.of_types(),
            self.of_kinds(),
        ];
        Way::among(ways, || {
            let all = Range::of("execution_idx_time", [(WHOLE_TENANT, self.tenant.into())]);
            Way::new(vec![all], self.fits(&[]))
        })
    }

    fn of_session(&self) -> Option<Way> {
        let session = self.filter.session_id?;
        let range = Range::of_session("execution_idx_session", session, self.tenant);
        let answered = [Answered::Session];
        Some(Way::new(vec![range], self.fits(&answered)))
    }

    fn of_user(&self) -> Option<Way> {
        let user = self.filter.user_id.as_deref()?;
        let range = Range::of_user("execution_idx_user", user, self.tenant);
        Some(Way::new(vec![range], self.fits(&[Answered::User])))
    }

    fn of_types(&self) -> Option<Way> {
        let types: BTreeSet<&str> = self
            .filter
            .intent_types
            .iter()
            .map(String::as_str)
            .collect();
        let statuses = &self.filter.statuses;
        let is_ended = |status: &ExecutionStatus| status.is_terminal();
        let is_unsuccessful = !statuses.is_empty()
            && statuses.iter().all(is_ended)
            && !statuses.contains(&ExecutionStatus::Completed);
        let mut ranges = Vec::new();
        for name in types {
            if is_unsuccessful {
                ranges.extend(self.kinds().into_iter().map(|kind| {
                    let equal = [
                        ("intent_type || ''", name.into()),
                        ("tenant_id", self.tenant.into()),
                        ("listed_as + 0", kind.into()),
                    ];
                    Range {
                        rule: UNSUCCESSFUL,
                        ..Range::of("execution_idx_unsuccessful", equal)
                    }
                }));
                continue;
            }
            let both = [true, false].into_iter();
            let are_roots = both.filter(|is_root| *is_root || !self.filter.roots_only);
            ranges.extend(are_roots.map(|is_root| {
                let equal = [
                    ("intent_type", name.into()),
                    ("tenant_id", self.tenant.into()),
                    (IS_ROOT, i64::from(is_root).into()),
                ];
                Range::of("execution_idx_type", equal)
            }));
        }
        let mut answered = vec![Answered::Type, Answered::Roots];
        answered.extend(is_unsuccessful.then_some(Answered::Kind));
        (1..=MOST_RANGES)
            .contains(&ranges.len())
            .then(|| Way::new(ranges, self.fits(&answered)))
    }

    fn of_kinds(&self) -> Option<Way> {
        if self.filter.statuses.is_empty() && !self.filter.roots_only {
            return None;
        }
        let ranges = self.kinds().into_iter().map(|kind| {
            let equal = [
                ("listed_as", kind.into()),
                ("tenant_id", self.tenant.into()),
            ];
            Range::of("execution_idx_kind", equal)
        });
        let wants = |status| self.filter.statuses.contains(&status);
        // What is live is in one range, whether it has started or not.
        let is_told = wants(ExecutionStatus::Created) == wants(ExecutionStatus::Running);
        let mut answered = vec![Answered::Roots];
        answered.extend(is_told.then_some(Answered::Kind));
        Some(Way::new(ranges.collect(), self.fits(&answered)))
    }

    /// The numbers of what is wanted, by which indexes tell executions apart.
    fn kinds(&self) -> BTreeSet<i64> {
        let wanted = &self.filter.statuses;
        let statuses = ExecutionStatus::ALL.into_iter();
        let statuses = statuses.filter(|it| wanted.is_empty() || wanted.contains(it));
        let kinds = statuses.flat_map(|status| {
            let children = (!self.filter.roots_only).then(|| listed_as(status, false));
            children.into_iter().chain([listed_as(status, true)])
        });
        kinds.collect()
    }

    /// The conditions that are not answered, so that no index answers them by itself.
    fn fits(&self, answered: &[Answered]) -> Conditions {
        let filter = self.filter;
        let mut fits = Conditions::default();
        if !answered.contains(&Answered::Kind) {
            fits.one_of_codes("status", filter.statuses.iter().map(|status| status.code()));
        }
        if !answered.contains(&Answered::Type) {
            fits.one_of("intent_type || ''", filter.intent_types.iter().cloned());
        }
        if filter.roots_only && !answered.contains(&Answered::Roots) {
            fits.add("parent_id IS NULL", []);
        }
        if let Some(session) = filter
            .session_id
            .filter(|_| !answered.contains(&Answered::Session))
        {
            fits.add("COALESCE(session_id, session_id) = ?", [session.0.into()]);
        }
        if let Some(user) = filter.user_id.as_deref()
            && !answered.contains(&Answered::User)
        {
            fits.add("user_id || '' = ?", [user.into()]);
        }
        for member in &filter.metadata {
            member.add_to(&mut fits, self.backend);
        }
        fits
    }
}

fn is_of_worker(queue: &str) -> bool {
    matches!(Queue::from_name(queue), Some(Queue::Worker { .. }))
}

fn execution_of(row: &sea_orm::QueryResult) -> Result<Execution, Error> {
    Execution::try_from(execution::Model::from_query_result(row, "")?)
}

impl Storage {
    /// The executions with these ids that are the tenant's.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_executions(
        &self,
        scope: &TenantScope,
        wanted: &[ExecutionId],
    ) -> Result<Vec<Execution>, Error> {
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT {} FROM x {join} execution e ON e.id = x.id WHERE e.tenant_id = x.tenant_id",
            columns::<execution::Entity>("e")
        );
        let rows = ids_of_tenant(scope, wanted.iter().map(|id| id.0));
        rows.query(&self.db.reader.of(scope), &tail)
            .await?
            .into_iter()
            .map(|row| execution_of(&row))
            .collect()
    }

    /// A page of the tenant's executions in the order in which they were accepted; of the children of one in
    /// the order of their ids.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_executions(
        &self,
        scope: &TenantScope,
        filter: &ExecutionFilter,
        page: &PageRequest<ExecutionId>,
    ) -> Result<Page<ExecutionId, Execution>, Error> {
        let db = &self.db.reader.of(scope);
        let listing = listing_of(scope, filter, db.get_database_backend());
        let (columns, range) = (columns::<execution::Entity>("t"), page.map(|id| id.0));
        let ascending = filter.oldest_first;
        let (rows, cut) = listing.page(db, &columns, ascending, &range).await?;
        let items: Result<Vec<_>, Error> = rows
            .into_iter()
            .map(|row| execution_of(&row).map(|found| (found.id, found)))
            .collect();
        Ok(finish(items?, page, cut.map(ExecutionId)))
    }

    /// Returns the number of the tenant's executions that fit.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_executions(
        &self,
        scope: &TenantScope,
        filter: &ExecutionFilter,
    ) -> Result<Count, Error> {
        let db = &self.db.reader.of(scope);
        let listing = listing_of(scope, filter, db.get_database_backend());
        listing.count::<Uuid>(db).await
    }

    /// The first `limit` children of each execution, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn first_children(
        &self,
        scope: &TenantScope,
        parents: &[ExecutionId],
        limit: u32,
    ) -> Result<HashMap<ExecutionId, Vec<Execution>>, Error> {
        if limit == 0 {
            return Ok(HashMap::new());
        }
        let mut rows = Rows::of(&["id", "tenant_id", "top"]);
        let distinct: HashSet<_> = parents.iter().copied().collect();
        for id in &distinct {
            let tenant = scope.tenant().as_str();
            rows.push(vec![id.0.into(), tenant.into(), Uuid::max().into()]);
        }
        // The inner select finds where the first `limit` end, so that no more children are read.
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT {} FROM x {join} execution e ON e.parent_id = x.id AND e.tenant_id = x.tenant_id \
             AND e.id <= COALESCE((SELECT c.id FROM execution c WHERE c.parent_id = x.id \
             ORDER BY c.id LIMIT 1 OFFSET {}), x.top) ORDER BY e.id",
            columns::<execution::Entity>("e"),
            limit - 1
        );
        let mut children: HashMap<ExecutionId, Vec<Execution>> = HashMap::new();
        for row in rows.query(&self.db.reader.of(scope), &tail).await? {
            let child = execution_of(&row)?;
            if let Some(parent) = child.parent_id {
                children.entry(parent).or_default().push(child);
            }
        }
        Ok(children)
    }

    /// The recorded steps of each execution, in the order in which they finished.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_steps(
        &self,
        scope: &TenantScope,
        wanted: &[ExecutionId],
    ) -> Result<HashMap<ExecutionId, Vec<Step>>, Error> {
        let rows = ids_of_tenant(scope, wanted.iter().map(|id| id.0));
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT {} FROM x {join} execution e ON e.id = x.id AND e.tenant_id = x.tenant_id \
             {join} step s ON s.execution_id = e.id ORDER BY s.finished_at, s.started_at, s.name",
            columns::<step::Entity>("s")
        );
        let mut steps: HashMap<ExecutionId, Vec<Step>> = HashMap::new();
        for row in rows.query(&self.db.reader.of(scope), &tail).await? {
            let step = Step::from(step::Model::from_query_result(&row, "")?);
            steps.entry(step.execution_id).or_default().push(step);
        }
        Ok(steps)
    }

    /// The recorded result of one step.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_step(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
        name: &str,
    ) -> Result<Option<Step>, Error> {
        let text = "SELECT s.execution_id, s.name, s.epoch, s.attempt, s.result, s.started_at, \
             s.finished_at FROM execution e JOIN step s ON s.execution_id = e.id \
             WHERE e.id = $1 AND e.tenant_id = $2 AND s.name = $3";
        let values = [id.0.into(), scope.tenant().as_str().into(), name.into()];
        let rows = sql::query(&self.db.reader, text, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(step::Model::from_query_result(row, "")?.into()))
    }

    /// Why live executions do not run now; those that run, or have ended, are absent.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn wait_reasons(
        &self,
        scope: &TenantScope,
        wanted: &[ExecutionId],
    ) -> Result<HashMap<ExecutionId, WaitReason>, Error> {
        let rows = ids_of_tenant(scope, wanted.iter().map(|id| id.0));
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT e.id, r.queue, t.kind, t.queue AS timer_queue, \
             (l.execution_id IS NOT NULL AND EXISTS (SELECT 1 FROM execution c \
             WHERE c.parent_id = e.id AND c.child_key IS NOT NULL AND c.{LIVE})) AS awaits \
             FROM x {join} execution e ON e.id = x.id AND e.tenant_id = x.tenant_id \
             LEFT JOIN ready r ON r.execution_id = e.id \
             LEFT JOIN timer t ON t.execution_id = e.id AND t.{} \
             LEFT JOIN lease l ON l.execution_id = e.id WHERE e.{LIVE}",
            is_a_place()
        );
        let mut reasons = HashMap::new();
        for row in rows.query(&self.db.reader.of(scope), &tail).await? {
            let queue: Option<String> = get(&row, "queue")?;
            let timer: Option<i64> = get(&row, "kind")?;
            let timer_queue: Option<String> = get(&row, "timer_queue")?;
            let awaits: bool = get(&row, "awaits")?;
            let reason = match (queue.as_deref(), timer) {
                (Some(queue), _) if is_of_worker(queue) => Some(WaitReason::Worker),
                (Some(_), _) => Some(WaitReason::Queue),
                (None, Some(kind)) if kind == TimerKind::Start.code() => Some(WaitReason::Schedule),
                (None, Some(_)) if timer_queue.as_deref() == Some(PARKED_QUEUE) => {
                    Some(WaitReason::Children)
                }
                (None, Some(_)) => Some(WaitReason::Retry),
                (None, None) => awaits.then_some(WaitReason::Children),
            };
            if let Some(reason) = reason {
                reasons.insert(ExecutionId(get(&row, "id")?), reason);
            }
        }
        Ok(reasons)
    }
}
