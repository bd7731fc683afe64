//! State that belongs to one execution; only its running attempt writes it.

use super::{Error, StateSurface, copies};
use crate::{
    model::{ExecutionId, Principal, RawJson, StateWriteMode, TenantScope},
    storage::{Fence, StateTarget},
};

impl StateSurface {
    /// The execution's state and its version, for its own attempt; none before the first write.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_execution_state(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
    ) -> Result<Option<(RawJson, i64)>, Error> {
        let inner = &self.0;
        let Some(stamp) = inner.storage.execution_state_stamp(scope, id).await? else {
            return Ok(None);
        };
        let key = copies::execution_key(scope, id);
        if let Some(state) = inner.copies.find(&key, stamp).await {
            return Ok(Some((state, stamp.version)));
        }
        let found = inner.storage.execution_state(scope, id).await?;
        if let Some((state, stamp)) = &found {
            inner.copies.keep(&key, *stamp, state).await;
        }
        Ok(found.map(|(state, stamp)| (state, stamp.version)))
    }

    /// Writes the execution's own state; the state after and its version.
    ///
    /// # Errors
    /// [`Error::Storage`] when the attempt is no longer the execution's; [`Error::Refused`] for a
    /// stale version or a state too large.
    pub async fn set_execution_state_fenced(
        &self,
        principal: &Principal,
        fence: Fence,
        state: RawJson,
        mode: StateWriteMode,
        if_version: Option<i64>,
    ) -> Result<(RawJson, i64), Error> {
        let target = StateTarget::Execution(fence.execution_id);
        let written = self
            .write(principal, Some(fence), target, state, mode, if_version)
            .await?;
        Ok((written.state, written.version))
    }
}
