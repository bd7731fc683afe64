//! Reads of the log without following it.

use std::sync::Arc;

use super::Events;
use crate::{
    model::{Action, Cursor, Event, Execution, ExecutionId, TenantScope},
    storage::{Count, Error, LogRange, Page, Reading, WalFilter},
};

impl Events {
    /// Up to `limit` events of an execution, oldest first, from the first one or after a cursor.
    ///
    /// # Errors
    /// [`Error::Refused`] for a cursor of another stream; [`Error::CursorExpired`] when it names an event
    /// that is not in the log; when the database does not answer.
    pub async fn list(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Arc<Vec<Event>>, Error> {
        let reach = scope.check(Action::ReadExecutions)?;
        if !self.storage.reaches_execution(scope, &reach, id).await? {
            return Ok(Arc::default());
        }
        if let Some(cursor) = after {
            let reading = Reading::Execution(id);
            self.storage.check_position(scope, reading, cursor).await?;
        }
        let seq = after.unwrap_or_default().seq;
        self.storage.events_after(scope, id, seq, limit).await
    }

    /// A part of the events of an execution, in their order.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn page(
        &self,
        scope: &TenantScope,
        execution: &Execution,
        range: &LogRange,
    ) -> Result<Page<Cursor, Event>, Error> {
        let reach = scope.check(Action::ReadExecutions)?;
        let id = execution.id;
        if !self.storage.reaches_execution(scope, &reach, id).await? {
            return Ok(Page::empty());
        }
        for cursor in [range.after, range.before].into_iter().flatten() {
            let reading = Reading::Execution(id);
            self.storage.check_position(scope, reading, cursor).await?;
        }
        self.storage.events_between(scope, execution, range).await
    }

    /// Up to `limit` entries of the tenant's log, oldest first, from the first one or after a cursor.
    ///
    /// # Errors
    /// [`Error::CursorExpired`] when the cursor names an entry that is not in the log; when the database
    /// does not answer.
    pub async fn list_log(
        &self,
        scope: &TenantScope,
        filter: &WalFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        scope.check_all(Action::ReadLog)?;
        if let Some(cursor) = after {
            let reading = Reading::Tenant;
            self.storage.check_position(scope, reading, cursor).await?;
        }
        let start = after.unwrap_or_default();
        self.storage.wal_after(scope, filter, start, limit).await
    }

    /// Returns the number of entries that [`Self::list_log`] goes through.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_log(&self, scope: &TenantScope, filter: &WalFilter) -> Result<Count, Error> {
        scope.check_all(Action::ReadLog)?;
        self.storage.count_wal(scope, filter).await
    }
}
