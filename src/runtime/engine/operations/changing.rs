//! The change of one thing that a bulk operation makes, as whoever asked for it.

use std::sync::Arc;

use super::{
    super::{
        super::{Error, submit::RerunKey},
        Engine,
    },
    TRIED_AGAIN_MICROS,
};
use crate::{
    model::{
        ArtifactId, ArtifactState, BulkOperation, ExecutionId, Micros, OperationKind, Principal,
        Reach, Refusal, TransitionRequest,
    },
    storage, vault,
};

/// What became of a thing that was to be changed.
pub(super) enum Tried {
    Done,
    /// There is nothing to change any more.
    Skipped,
    Refused(Refusal),
    /// It cannot be changed, whenever it is tried.
    Failed,
    /// It cannot be changed before this time.
    Later(Micros),
    /// This node cannot change it, and another one perhaps can.
    Elsewhere,
}

impl Engine {
    /// Changes one thing, as if whoever asked did.
    pub(super) async fn try_one(
        self: &Arc<Self>,
        principal: &Principal,
        reach: &Reach,
        operation: &BulkOperation,
        id: &str,
    ) -> Tried {
        let tried = match operation.kind {
            OperationKind::CancelExecutions => match id.parse() {
                Ok(id) => self.try_cancel(principal, reach, operation, id).await,
                Err(_) => return Tried::Skipped,
            },
            OperationKind::RerunExecutions => match id.parse() {
                Ok(id) => {
                    let key = RerunKey::Operation(format!("{}/{id}", operation.id));
                    let rerun = self.rerun(principal, reach, id, Some(key)).await;
                    rerun.map(|_| Tried::Done)
                }
                Err(_) => return Tried::Skipped,
            },
            OperationKind::ArchiveArtifacts => match id.parse() {
                Ok(id) => self.try_archive(principal, operation, id).await,
                Err(_) => return Tried::Skipped,
            },
        };
        let now = self.clock.now();
        match tried {
            Ok(tried) => tried,
            // It is gone.
            Err(Error::Refused(Refusal::NotFound { what, .. })) if what != "session" => {
                Tried::Skipped
            }
            Err(Error::Refused(Refusal::QuotaExceeded { retry_after_ms, .. })) => {
                let after = i64::try_from(retry_after_ms).unwrap_or(i64::MAX);
                Tried::Later(now.saturating_add(after.saturating_mul(1_000)))
            }
            Err(Error::Refused(refusal)) => Tried::Refused(refusal),
            Err(error) if !is_outage(&error) => {
                tracing::error!(%error, operation_id = %operation.id, %id, "it cannot be changed");
                Tried::Failed
            }
            Err(error) => {
                tracing::warn!(%error, operation_id = %operation.id, %id, "it is tried again later");
                Tried::Later(now.saturating_add(TRIED_AGAIN_MICROS))
            }
        }
    }

    async fn try_cancel(
        &self,
        principal: &Principal,
        reach: &Reach,
        operation: &BulkOperation,
        id: ExecutionId,
    ) -> Result<Tried, Error> {
        let reason = Some(reason_of(operation));
        let cancelled = self.cancel(principal, reach, id, reason).await;
        let Err(Error::Refused(Refusal::AlreadyTerminal { .. })) = cancelled else {
            return cancelled.map(|_| Tried::Done);
        };
        let scope = principal.scope();
        let found = self.storage.find_executions(&scope, &[id]).await?;
        let is_done = |reason: &str| is_reason_of(operation, reason);
        let mut reasons = found.iter().filter_map(|it| it.cancel_reason.as_deref());
        Ok(if reasons.any(is_done) {
            Tried::Done
        } else {
            Tried::Skipped
        })
    }

    async fn try_archive(
        &self,
        principal: &Principal,
        operation: &BulkOperation,
        id: ArtifactId,
    ) -> Result<Tried, Error> {
        let request = TransitionRequest {
            artifact_id: id,
            to: ArtifactState::Archived,
            actor: principal.actor().to_string(),
            reason: Some(reason_of(operation)),
        };
        match self.artifacts.transition(principal, request).await {
            Ok(_) => Ok(Tried::Done),
            Err(storage::Error::Refused(Refusal::InvalidTransition { .. })) => {
                let (scope, ids) = (principal.scope(), [id]);
                let histories = self.storage.find_transitions(&scope, &ids).await?;
                let mut steps = histories.values().flatten();
                let is_done = steps.any(|step| {
                    let reason = step.reason.as_deref();
                    step.to == ArtifactState::Archived
                        && reason.is_some_and(|reason| is_reason_of(operation, reason))
                });
                Ok(if is_done { Tried::Done } else { Tried::Skipped })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Cancels an execution within reach, and everything below it.
    pub(in crate::runtime) async fn cancel(
        &self,
        principal: &Principal,
        reach: &Reach,
        id: ExecutionId,
        reason: Option<String>,
    ) -> Result<crate::model::Execution, Error> {
        let (scope, actor) = (principal.scope(), principal.actor().to_string());
        if !self.storage.reaches_execution(&scope, reach, id).await? {
            return Err(Refusal::not_found("execution", "executionId").into());
        }
        Ok(self.storage.cancel(scope, id, reason, actor).await?)
    }
}

/// Returns whether the same may succeed later.
fn is_outage(error: &Error) -> bool {
    match error {
        Error::Storage(error) => error.is_retryable(),
        Error::Content(error) => error.is_outage(),
        Error::Fingerprint { is_outage, .. } => *is_outage,
        // Another node may have the key.
        Error::Vault(vault::Error::NoKeys | vault::Error::MissingKey(_)) | Error::ShuttingDown => {
            true
        }
        Error::Refused(_) | Error::Vault(_) => false,
    }
}

/// Why a thing is changed: what whoever asked has said, with the operation.
fn reason_of(operation: &BulkOperation) -> String {
    match &operation.reason {
        Some(reason) => format!("{reason} ({})", operation.id),
        None => format!("bulk operation ({})", operation.id),
    }
}

fn is_reason_of(operation: &BulkOperation, reason: &str) -> bool {
    reason.ends_with(&format!("({})", operation.id))
}
