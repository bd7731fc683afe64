//! Executions, their steps, and why live ones do not run.

use std::collections::{HashMap, HashSet};

use entity::{execution, step};
use sea_orm::{DbBackend, FromQueryResult};
use uuid::Uuid;

use super::{
    super::{
        Error, KeyScope, Storage,
        places::{LIVE, PARKED_QUEUE, TimerKind, is_a_place},
        sql,
    },
    listing::{Count, Listing, OfTenant},
    metadata::MetadataMember,
    page::{Conditions, Page, PageRequest, finish, ids_of_tenant},
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

pub(super) fn listing_of(
    scope: &TenantScope,
    filter: &ExecutionFilter,
    backend: DbBackend,
) -> Listing {
    let tenant = scope.tenant().as_str();
    let mut conditions = Conditions::default();
    let is_of_less = filter.parent_id.is_some() || filter.idempotency_key.is_some();
    if is_of_less {
        conditions.add("tenant_id = ?", [tenant.into()]);
    }
    if filter.roots_only {
        conditions.add("parent_id IS NULL", []);
    }
    if let Some(key) = &filter.idempotency_key {
        let scope = KeyScope::Caller as i64;
        conditions.add(
            "id = (SELECT execution_id FROM idempotency WHERE tenant_id = ? AND scope = ? AND key = ?)",
            [tenant.into(), scope.into(), key.as_str().into()],
        );
    }
    if let Some(session) = filter.session_id {
        conditions.add("session_id = ?", [session.0.into()]);
    }
    if let Some(parent) = filter.parent_id {
        conditions.add("parent_id = ?", [parent.0.into()]);
    }
    let walked = conditions.take();
    conditions.one_of_codes("status", filter.statuses.iter().map(|status| status.code()));
    conditions.one_of("intent_type", filter.intent_types.iter().cloned());
    if let Some(after) = filter.created_after {
        conditions.add("created_at > ?", [after.into()]);
    }
    if let Some(before) = filter.created_before {
        conditions.add("created_at < ?", [before.into()]);
    }
    for member in &filter.metadata {
        member.add_to(&mut conditions, backend);
    }
    Listing {
        table: "execution e",
        key: "id",
        looked_at: "id, status, intent_type, created_at, metadata",
        of_tenant: (!is_of_less).then(|| OfTenant {
            name: tenant.to_owned(),
            in_session: filter.session_id.is_some(),
        }),
        walked,
        fits: conditions.take(),
        is_looked_into: !filter.metadata.is_empty(),
        values: conditions.values,
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

    /// A page of the tenant's executions, in the order of their ids: the order in which they were
    /// accepted, by the clocks of the nodes that did.
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
        let (columns, range) = (columns::<execution::Entity>("e"), page.map(|id| id.0));
        let ascending = filter.oldest_first;
        let (rows, cut) = listing.page(db, &columns, ascending, &range).await?;
        let items: Result<Vec<_>, Error> = rows
            .into_iter()
            .map(|row| execution_of(&row).map(|found| (found.id, found)))
            .collect();
        Ok(finish(items?, page, cut.map(ExecutionId)))
    }

    /// How many of the tenant's executions fit.
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
