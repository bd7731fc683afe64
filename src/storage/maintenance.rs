//! What is done now and then: overdue timers, work of dead nodes, what has no place, counts, sessions that are over.

use super::{Error, LivePlace, Storage, read, write};
use crate::model::ExecutionId;

impl Storage {
    /// Fires due timers, up to `limit`; how many.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn fire_timers(&self, limit: usize) -> Result<usize, Error> {
        self.writer.run(write::FireTimers { limit }).await
    }

    /// Puts parked executions back, of which a child has ended.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn wake(&self, ids: Vec<ExecutionId>) -> Result<(), Error> {
        self.writer.run(write::Wake { ids }).await
    }

    /// Takes back what dead nodes hold, up to `limit`; how many.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn recover(&self, limit: usize) -> Result<usize, Error> {
        self.writer.run(write::Recover { limit }).await
    }

    /// Adds up to `limit` counts of executions of some time ago to those of longer times; their number.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn roll_counts(&self, limit: usize) -> Result<usize, Error> {
        self.writer.run(write::RollCounts { limit }).await
    }

    /// Puts live executions without a place back into the queue: those among the next `most` live
    /// ones after `after`. Beside them the last one that was looked at; none at the end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sweep(
        &self,
        after: Option<LivePlace>,
        most: u32,
    ) -> Result<(Vec<ExecutionId>, Option<LivePlace>), Error> {
        let slice = read::stranded::stranded(&self.db.reader, after, most).await?;
        let mut repaired = Vec::new();
        // So many together as other work is taken in one transaction.
        for suspects in slice.stranded.chunks(500) {
            let suspects = suspects.to_vec();
            repaired.append(&mut self.writer.run(write::Sweep { suspects }).await?);
        }
        Ok((repaired, slice.last))
    }

    /// Marks overdue sessions as expired, up to `limit`; how many.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn expire_sessions(&self, limit: usize) -> Result<usize, Error> {
        self.writer.run(write::ExpireSessions { limit }).await
    }
}
