//! Reads of the queues for this node's engine, which cost the same whatever waits.

use super::super::{
    Error, Storage,
    places::{LIVE, PARKED_QUEUE, TimerKind, alone_queue, queue_of_nodes},
    sql,
};
use crate::model::{ExecutionId, Queue, TenantScope};

/// A node looks at so many queues: those of all handlers of remote workers, and of the labels that types need.
const MOST_QUEUES: u32 = 10_000;

impl Storage {
    /// Returns whether something waits in this queue that a node runs alone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn something_waits_alone(&self, queue: &Queue) -> Result<bool, Error> {
        let text = "SELECT 1 AS one FROM ready WHERE queue = $1 LIMIT 1";
        let queue = alone_queue(queue);
        let rows = sql::query(&self.db.reader, text, [queue.into_owned().into()]).await?;
        Ok(!rows.is_empty())
    }

    /// The queues of nodes in which something waits, each once; by hops over the index.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn waiting_queues(&self) -> Result<Vec<Queue>, Error> {
        let text = format!(
            "WITH RECURSIVE q(queue) AS ( \
             SELECT * FROM (SELECT queue FROM ready ORDER BY queue LIMIT 1) f \
             UNION ALL SELECT (SELECT r.queue FROM ready r WHERE r.queue > q.queue \
             ORDER BY r.queue LIMIT 1) FROM q WHERE q.queue IS NOT NULL) \
             SELECT queue FROM q WHERE queue IS NOT NULL LIMIT {MOST_QUEUES}"
        );
        let mut queues: Vec<Queue> = Vec::new();
        for row in sql::query(&self.db.reader, &text, []).await? {
            let name: String = sql::get(&row, "queue")?;
            if let Some(queue) = queue_of_nodes(&name)
                && !queues.contains(&queue)
            {
                queues.push(queue);
            }
        }
        Ok(queues)
    }

    /// Returns the number of live executions below `root`, counted up to `most`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn live_in_tree(
        &self,
        scope: &TenantScope,
        root: ExecutionId,
        most: u64,
    ) -> Result<u64, Error> {
        let text = format!(
            "SELECT COUNT(*) AS live FROM (SELECT 1 FROM execution WHERE root_id = $1 \
             AND root_id IS NOT NULL AND {LIVE} AND tenant_id || '' = $3 LIMIT $2) counted"
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values = [root.0.into(), most.into(), scope.tenant().as_str().into()];
        let rows = sql::query(&self.db.reader.of(scope), &text, values).await?;
        let live: i64 = rows.first().map_or(Ok(0), |row| sql::get(row, "live"))?;
        Ok(live.unsigned_abs())
    }

    /// Returns whether an execution has a child of this name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_child(
        &self,
        scope: &TenantScope,
        parent: ExecutionId,
        name: &str,
    ) -> Result<bool, Error> {
        let text = "SELECT 1 AS one FROM execution WHERE parent_id = $1 AND child_key = $2 \
             AND tenant_id || '' = $3 LIMIT 1";
        let values = [parent.0.into(), name.into(), scope.tenant().as_str().into()];
        let rows = sql::query(&self.db.reader.of(scope), text, values).await?;
        Ok(!rows.is_empty())
    }

    /// Those among `ids` that are parked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_among(&self, ids: &[ExecutionId]) -> Result<Vec<ExecutionId>, Error> {
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT t.execution_id FROM x {join} timer t \
             ON t.execution_id = x.id AND t.kind = {} WHERE t.queue = '{PARKED_QUEUE}'",
            TimerKind::Retry.code()
        );
        let rows = sql::Rows::column("id", ids.iter().map(|id| id.0));
        let rows = rows.query(&self.db.reader, &tail).await?;
        rows.iter()
            .map(|row| Ok(ExecutionId(sql::get(row, "execution_id")?)))
            .collect()
    }

    /// Returns the number of executions that are ready, counted up to `most`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queue_depth_up_to(&self, most: u32) -> Result<i64, Error> {
        let text = "SELECT COUNT(*) AS ready FROM (SELECT 1 FROM ready LIMIT $1) counted";
        let rows = sql::query(&self.db.reader, text, [i64::from(most).into()]).await?;
        rows.first().map_or(Ok(0), |row| sql::get(row, "ready"))
    }
}
