//! Children of a running execution: waiting for them gives the parent's slot to others.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{attempt::Attempt, handler_error::HandlerError, request::Submitted};
use crate::model::{Execution, ExecutionError, ExecutionId, ExecutionStatus, Payload, RawJson};

/// A child that was submitted.
pub struct Child {
    attempt: Arc<Attempt>,
    id: ExecutionId,
    /// The execution as it had ended when it was found again, if it had.
    ended: Option<Box<Execution>>,
}

/// The end of a child.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildOutcome {
    /// With a result.
    Completed(RawJson),
    /// With an error.
    Failed(ExecutionError),
    /// By a cancellation.
    Cancelled,
}

impl Child {
    /// Nothing but the id is kept of a child that has not ended: a parent may have many, and wait long.
    pub(super) fn new(attempt: Arc<Attempt>, submitted: Submitted) -> Self {
        let execution = submitted.execution;
        Self {
            attempt,
            id: execution.id,
            ended: execution.status.is_terminal().then(|| Box::new(execution)),
        }
    }

    /// Its id.
    #[must_use]
    pub fn execution_id(&self) -> ExecutionId {
        self.id
    }

    /// Waits until the child has ended, without reading its result.
    ///
    /// # Errors
    /// When the parent's attempt is over, or the database is away.
    pub async fn ended(&self) -> Result<EndedChild, HandlerError> {
        let attempt = &self.attempt;
        let _waiting = attempt.waiting();
        let execution = match &self.ended {
            Some(ended) => ended.clone(),
            // Only a wait gives the parent's slot up.
            None => attempt.until_ended(self.id).await?,
        };
        Ok(EndedChild {
            attempt: Arc::clone(attempt),
            execution,
        })
    }

    /// Waits until the child has ended; how it did.
    ///
    /// # Errors
    /// When the parent's attempt is over, or the database or the content store is away.
    pub async fn outcome(&self) -> Result<ChildOutcome, HandlerError> {
        self.ended().await?.outcome().await
    }

    /// Waits for the child's result.
    ///
    /// # Errors
    /// `CHILD_FAILED` with the child's error, `CHILD_CANCELLED`, `INVALID_RESULT`: all final, for a
    /// child has one outcome for ever.
    pub async fn result<T: DeserializeOwned>(&self) -> Result<T, HandlerError> {
        match self.outcome().await? {
            ChildOutcome::Completed(result) => result.read().map_err(|_| {
                HandlerError::fatal(
                    "INVALID_RESULT",
                    "the child's result is not what was expected",
                )
            }),
            ChildOutcome::Failed(error) => {
                let message = format!("{}: {}", error.code, error.message);
                Err(HandlerError::fatal("CHILD_FAILED", message))
            }
            ChildOutcome::Cancelled => Err(HandlerError::fatal(
                "CHILD_CANCELLED",
                "the child was cancelled",
            )),
        }
    }
}

/// A child that has ended, whose result has not been read yet.
pub struct EndedChild {
    attempt: Arc<Attempt>,
    execution: Box<Execution>,
}

impl EndedChild {
    /// The bytes of its result as JSON; 0 without one.
    #[must_use]
    pub fn result_bytes(&self) -> u64 {
        let size_of = |result: &Payload| match result.as_reference() {
            Some((_, size_bytes)) => size_bytes,
            None => result.as_str().len() as u64,
        };
        self.execution.result.as_ref().map_or(0, size_of)
    }

    /// Reads its result, and returns how it ended.
    ///
    /// # Errors
    /// When the content store, where large results are, is away.
    pub async fn outcome(self) -> Result<ChildOutcome, HandlerError> {
        let (attempt, ended) = (&self.attempt, *self.execution);
        match (ended.status, &ended.result, ended.error) {
            (ExecutionStatus::Completed, Some(result), _) => {
                let scope = attempt.principal.scope();
                let result = Box::pin(attempt.payloads().load(&scope, result)).await?;
                Ok(ChildOutcome::Completed(result))
            }
            (ExecutionStatus::Completed, None, _) => Ok(ChildOutcome::Completed(RawJson::null())),
            (ExecutionStatus::Failed, _, Some(error)) => Ok(ChildOutcome::Failed(error)),
            _ => Ok(ChildOutcome::Cancelled),
        }
    }
}
