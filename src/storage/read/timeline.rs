//! What an execution did and when, without what it got and made.

use entity::event;
use sea_orm::{FromQueryResult, Value};
use uuid::Uuid;

use super::{
    super::{Error, Storage, sql},
    page::tenant_column,
};
use crate::model::{Event, Execution, ExecutionId, ExecutionStatus, Micros, TenantScope};
use sql::get;

/// Of a stream, so many entries are looked at from its beginning, and so many from its end.
const LOOKED_AT: (i64, i64) = (1_000, 20_000);
/// Of an execution's steps, so many are looked at.
const MOST_STEPS: u32 = 20_000;
/// The entries that tell of attempts, and of steps that run.
const OF_LIFE: &str = "('execution.started', 'execution.retrying', 'execution.completed', \
     'execution.failed', 'execution.cancelled', 'step.started')";

/// A recorded step, without its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTime {
    /// Its name.
    pub name: String,
    /// The attempt that ran it.
    pub attempt: i64,
    /// When it began.
    pub started_at: Micros,
    /// When its result became durable.
    pub finished_at: Micros,
}

/// A child, without what it got and made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildTime {
    /// The child.
    pub id: ExecutionId,
    /// Its name among its parent's children.
    pub name: Option<String>,
    /// The type of its intent.
    pub intent_type: String,
    /// Its status.
    pub status: ExecutionStatus,
    /// When it was accepted.
    pub created_at: Micros,
    /// When it ended.
    pub finished_at: Option<Micros>,
}

impl Storage {
    /// Up to `most` entries of an execution's stream that tell of its attempts and of steps that run, oldest first, and
    /// whether those are all. Those in the middle of a stream of more than 21,000 entries are not looked for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_life(
        &self,
        scope: &TenantScope,
        execution: &Execution,
        most: u32,
    ) -> Result<(Vec<Event>, bool), Error> {
        let (from_start, from_end) = LOOKED_AT;
        let late = (execution.next_seq - 1 - from_end).max(from_start);
        let columns = sql::columns::<event::Entity>("e");
        let part = |within: &str| {
            format!(
                "SELECT * FROM (SELECT {columns} FROM event e WHERE e.stream_id = $1 \
                 AND e.{} = $2 AND {within} AND e.event_type IN {OF_LIFE} \
                 ORDER BY e.seq DESC LIMIT {}) p",
                tenant_column(true),
                u64::from(most) + 1
            )
        };
        let (early, late_part) = (part("e.seq <= $3"), part("e.seq > $4"));
        let text = format!("{early} UNION ALL {late_part} ORDER BY seq");
        let values: [Value; 4] = [
            execution.id.0.into(),
            scope.tenant().as_str().into(),
            from_start.into(),
            late.into(),
        ];
        let rows = sql::query(&self.db.reader.of(scope), &text, values).await?;
        let events = rows
            .iter()
            .map(|row| Event::try_from(event::Model::from_query_result(row, "")?));
        let mut events = events.collect::<Result<Vec<_>, Error>>()?;
        let surplus = events.len().saturating_sub(most as usize);
        // What happened last is what is looked for.
        events.drain(..surplus);
        Ok((events, surplus == 0 && late <= from_start))
    }

    /// The first `most` recorded steps of an execution by their begin, and whether those are all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_step_times(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
        most: u32,
    ) -> Result<(Vec<StepTime>, bool), Error> {
        let text = format!(
            "SELECT l.name, l.attempt, l.started_at, l.finished_at FROM \
             (SELECT s.name, s.attempt, s.started_at, s.finished_at FROM execution e \
             JOIN step s ON s.execution_id = e.id WHERE e.id = $1 AND e.tenant_id = $2 LIMIT {MOST_STEPS}) l \
             ORDER BY l.started_at, l.name LIMIT {}",
            u64::from(most) + 1
        );
        let values = [id.0.into(), scope.tenant().as_str().into()];
        let mut steps = Vec::new();
        for row in sql::query(&self.db.reader.of(scope), &text, values).await? {
            steps.push(StepTime {
                name: get(&row, "name")?,
                attempt: get(&row, "attempt")?,
                started_at: get(&row, "started_at")?,
                finished_at: get(&row, "finished_at")?,
            });
        }
        let is_whole = steps.len() <= most as usize;
        steps.truncate(most as usize);
        Ok((steps, is_whole))
    }

    /// The first `most` children of an execution, oldest first, and whether those are all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_child_times(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
        most: u32,
    ) -> Result<(Vec<ChildTime>, bool), Error> {
        // By both columns of the index, lest PostgreSQL walks the primary key.
        let text = format!(
            "SELECT id, child_key, intent_type, status, created_at, finished_at FROM execution \
             WHERE parent_id = $1 AND {} = $2 AND (parent_id, id) > ($1, $3) \
             ORDER BY parent_id, id LIMIT {}",
            tenant_column(true),
            u64::from(most) + 1
        );
        let values: [Value; 3] = [
            id.0.into(),
            scope.tenant().as_str().into(),
            Uuid::nil().into(),
        ];
        let mut children = Vec::new();
        for row in sql::query(&self.db.reader.of(scope), &text, values).await? {
            let status = ExecutionStatus::from_code(get(&row, "status")?);
            children.push(ChildTime {
                id: ExecutionId(get(&row, "id")?),
                name: get(&row, "child_key")?,
                intent_type: get(&row, "intent_type")?,
                status: status.ok_or(Error::Corrupt {
                    what: "status",
                    source: None,
                })?,
                created_at: get(&row, "created_at")?,
                finished_at: get(&row, "finished_at")?,
            });
        }
        let is_whole = children.len() <= most as usize;
        children.truncate(most as usize);
        Ok((children, is_whole))
    }
}
