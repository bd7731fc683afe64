//! Reads of the queues for this node's engine, which cost the same whatever waits.

use super::super::{
    Error, Storage,
    places::{LIVE, PARKED_QUEUE, TimerKind},
    sql,
};
use crate::model::{ExecutionId, TenantScope};

impl Storage {
    /// Returns whether something waits that a node runs alone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn something_waits_alone(&self) -> Result<bool, Error> {
        let text = "SELECT 1 AS one FROM ready WHERE queue = 'alone' LIMIT 1";
        Ok(!sql::query(&self.db.reader, text, []).await?.is_empty())
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
             AND root_id IS NOT NULL AND {LIVE} LIMIT $2) counted"
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values = [root.0.into(), most.into()];
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
        let text = "SELECT 1 AS one FROM execution WHERE parent_id = $1 AND child_key = $2 LIMIT 1";
        let values = [parent.0.into(), name.into()];
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
