//! Reads of many sessions at once.

use std::borrow::Cow;

use super::StateSurface;
use crate::{
    model::{Action, Reach, Refusal, Session, SessionId, TenantScope},
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
        let reach = scope.check(Action::ReadSessions)?;
        let found = self.0.storage.find_sessions(scope, ids).await?;
        Ok(self.0.storage.reached_sessions(&reach, found))
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
        match narrowed(scope, filter)? {
            Some(filter) => self.0.storage.list_sessions(scope, &filter, page).await,
            None => Ok(Page::empty()),
        }
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
        match narrowed(scope, filter)? {
            Some(filter) => self.0.storage.count_sessions(scope, &filter).await,
            None => Ok(Count::NONE),
        }
    }
}

/// The filter with what whoever asks may read; none when nothing can fit.
fn narrowed<'a>(
    scope: &TenantScope,
    filter: &'a SessionFilter,
) -> Result<Option<Cow<'a, SessionFilter>>, Refusal> {
    match scope.check(Action::ReadSessions)? {
        Reach::Tenant => Ok(Some(Cow::Borrowed(filter))),
        Reach::User(own) => {
            let wanted = filter.user_id.as_deref();
            let is_own = wanted.is_none_or(|user| *user == *own);
            let narrowed = SessionFilter {
                user_id: Some(own.to_string()),
                ..filter.clone()
            };
            Ok(is_own.then_some(Cow::Owned(narrowed)))
        }
        Reach::Session(_) | Reach::Executions(_) => Err(Refusal::lacking(Action::ReadSessions)),
    }
}
