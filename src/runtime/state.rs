//! State as a handler sees it.

use serde::Serialize;

use super::{attempt::Attempt, handler_error::HandlerError};
use crate::model::{RawJson, StateWriteMode};

/// The state surface, for one attempt.
pub struct StateHandle<'a>(pub(super) &'a Attempt);

impl StateHandle<'_> {
    /// The session's state and its version.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn session(&self) -> Result<(RawJson, i64), HandlerError> {
        let id = self.0.execution.intent.session_id;
        let found = self
            .0
            .handles
            .state
            .get_session(&self.0.principal.scope(), id)
            .await?;
        Ok(found.map_or_else(
            || (RawJson::empty_object(), 0),
            |session| (session.state, session.state_version),
        ))
    }

    /// Writes the session's state; the version after.
    ///
    /// # Errors
    /// When the version is stale, the state too large, the session has ended or the attempt is over.
    pub async fn write_session<T: Serialize + ?Sized>(
        &self,
        value: &T,
        mode: StateWriteMode,
        if_version: Option<i64>,
    ) -> Result<i64, HandlerError> {
        let attempt = self.0;
        let (value, id) = (RawJson::of(value)?, attempt.execution.intent.session_id);
        let (who, fence) = (&attempt.principal, attempt.fence());
        let state = &attempt.handles.state;
        let written = state.set_session_state_fenced(who, fence, id, value, mode, if_version);
        Ok(written.await?.state_version)
    }

    /// The execution's own state and its version; `{}` and 0 before the first write.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn execution(&self) -> Result<(RawJson, i64), HandlerError> {
        let (scope, id) = (self.0.principal.scope(), self.0.execution.id);
        let found = self.0.handles.state.get_execution_state(&scope, id).await?;
        Ok(found.unwrap_or_else(|| (RawJson::empty_object(), 0)))
    }

    /// Writes the execution's own state; the version after.
    ///
    /// # Errors
    /// When the version is stale, the state too large or the attempt is over.
    pub async fn write_execution<T: Serialize + ?Sized>(
        &self,
        value: &T,
        mode: StateWriteMode,
        if_version: Option<i64>,
    ) -> Result<i64, HandlerError> {
        let attempt = self.0;
        let (who, fence, value) = (&attempt.principal, attempt.fence(), RawJson::of(value)?);
        let state = &attempt.handles.state;
        let written = state.set_execution_state_fenced(who, fence, value, mode, if_version);
        Ok(written.await?.1)
    }
}
