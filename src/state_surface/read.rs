//! Reads of many sessions at once.

use super::StateSurface;
use crate::{
    model::{Action, Session, SessionId, TenantScope},
    storage::{Count, Error, Page, PageRequest, SessionFilter},
};

impl StateSurface {
    /// Those of the sessions that are there, in no order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_sessions(
        &self,
        scope: &TenantScope,
        ids: &[SessionId],
    ) -> Result<Vec<Session>, Error> {
        scope.check(Action::ReadSessions)?;
        self.0.storage.find_sessions(scope, ids).await
    }

    /// A page of the sessions that fit a filter, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_sessions(
        &self,
        scope: &TenantScope,
        filter: &SessionFilter,
        page: &PageRequest<SessionId>,
    ) -> Result<Page<SessionId, Session>, Error> {
        scope.check(Action::ReadSessions)?;
        self.0.storage.list_sessions(scope, filter, page).await
    }

    /// Returns the number of sessions that [`Self::list_sessions`] goes through.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_sessions(
        &self,
        scope: &TenantScope,
        filter: &SessionFilter,
    ) -> Result<Count, Error> {
        scope.check(Action::ReadSessions)?;
        self.0.storage.count_sessions(scope, filter).await
    }
}
