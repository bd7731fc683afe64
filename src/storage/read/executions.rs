//! Executions, their steps, and why live ones do not run.

use std::collections::{HashMap, HashSet};

use entity::{execution, step};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    super::{
        Error, Storage,
        places::{
            LIMITED_QUEUE, LIVE, PARKED_QUEUE, PlaceState, TimerKind, is_a_place, queue_of_nodes,
        },
        sql,
    },
    count::Count,
    execution_filter::{ExecutionFilter, listing_of},
    page::{Page, PageRequest, finish, ids_of_tenant},
};
use crate::model::{Execution, ExecutionId, Labels, Queue, Step, TenantScope, WaitReason, Waiting};
use sql::{Rows, columns, get};

fn is_of_worker(queue: &str) -> bool {
    matches!(Queue::from_name(queue), Some(Queue::Worker { .. }))
}

pub(super) fn execution_of(row: &sea_orm::QueryResult) -> Result<Execution, Error> {
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
    ) -> Result<HashMap<ExecutionId, Waiting>, Error> {
        let rows = ids_of_tenant(scope, wanted.iter().map(|id| id.0));
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT e.id, r.queue, t.kind, t.queue AS timer_queue, \
             (SELECT p.name FROM limit_place p WHERE p.execution_id = e.id AND (p.state = {waiting} \
             OR p.state = {held} AND p.per_micros IS NOT NULL AND t.queue = '{LIMITED_QUEUE}') \
             ORDER BY p.position DESC LIMIT 1) AS awaited, \
             (l.execution_id IS NOT NULL AND EXISTS (SELECT 1 FROM execution c \
             WHERE c.parent_id = e.id AND c.child_key IS NOT NULL AND c.{LIVE})) AS awaits \
             FROM x {join} execution e ON e.id = x.id AND e.tenant_id = x.tenant_id \
             LEFT JOIN ready r ON r.execution_id = e.id \
             LEFT JOIN timer t ON t.execution_id = e.id AND t.{} \
             LEFT JOIN lease l ON l.execution_id = e.id WHERE e.{LIVE}",
            is_a_place(),
            waiting = PlaceState::Waiting.code(),
            held = PlaceState::Held.code(),
        );
        let mut reasons = HashMap::new();
        let rows = rows.query(&self.db.reader.of(scope), &tail).await?;
        // Only where something stands in a queue, which few do for long.
        let mut at_work: Option<Vec<Labels>> = None;
        for row in rows {
            let queue: Option<String> = get(&row, "queue")?;
            let timer: Option<i64> = get(&row, "kind")?;
            let timer_queue: Option<String> = get(&row, "timer_queue")?;
            let awaits: bool = get(&row, "awaits")?;
            let limit: Option<String> = get(&row, "awaited")?;
            let reason = match (queue.as_deref(), timer) {
                _ if limit.is_some() => Some(WaitReason::Limit),
                (Some(queue), _) if is_of_worker(queue) => Some(WaitReason::Worker),
                (Some(queue), _) => {
                    let nodes = match at_work.take() {
                        Some(nodes) => nodes,
                        None => self.labels_at_work(None).await?,
                    };
                    let queue = queue_of_nodes(queue);
                    let is_served = |queue: &Queue| nodes.iter().any(|it| queue.is_served_by(it));
                    let reason = if queue.as_ref().is_some_and(is_served) {
                        WaitReason::Queue
                    } else {
                        WaitReason::Node
                    };
                    at_work = Some(nodes);
                    Some(reason)
                }
                (None, Some(kind)) if kind == TimerKind::Start.code() => Some(WaitReason::Schedule),
                (None, Some(_)) if timer_queue.as_deref() == Some(PARKED_QUEUE) => {
                    Some(WaitReason::Children)
                }
                (None, Some(_)) => Some(WaitReason::Retry),
                (None, None) => awaits.then_some(WaitReason::Children),
            };
            if let Some(reason) = reason {
                let waiting = Waiting {
                    reason,
                    limit: limit.map(Into::into),
                };
                reasons.insert(ExecutionId(get(&row, "id")?), waiting);
            }
        }
        Ok(reasons)
    }
}
