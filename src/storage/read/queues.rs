//! What waits for this node's engine, by queries that cost the same whatever waits.

use super::super::{Error, Storage, sql};

impl Storage {
    /// Whether something waits that a node runs alone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn something_waits_alone(&self) -> Result<bool, Error> {
        let text = "SELECT 1 AS one FROM ready WHERE queue = 'alone' LIMIT 1";
        Ok(!sql::query(&self.db.reader, text, []).await?.is_empty())
    }

    /// How many executions are ready, counted up to `most`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queue_depth_up_to(&self, most: u32) -> Result<i64, Error> {
        let text = "SELECT COUNT(*) AS ready FROM (SELECT 1 FROM ready LIMIT $1) counted";
        let rows = sql::query(&self.db.reader, text, [i64::from(most).into()]).await?;
        rows.first().map_or(Ok(0), |row| sql::get(row, "ready"))
    }
}
