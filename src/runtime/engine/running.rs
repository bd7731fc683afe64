//! The attempts that run on this node, as others see them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::{
    model::{Execution, ExecutionId},
    storage::Fence,
    telemetry::metrics::Tracked,
};

/// A running execution.
struct Running {
    epoch: i64,
    cancellation: CancellationToken,
    lost: CancellationToken,
    _counted: Tracked,
}

/// The running executions.
#[derive(Default)]
pub(in crate::runtime) struct RunningSet(Mutex<HashMap<ExecutionId, Running>>);

impl RunningSet {
    fn with<T>(&self, look: impl FnOnce(&mut HashMap<ExecutionId, Running>) -> T) -> T {
        // The map is whole at every moment, also when a holder panicked.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes an execution in; the token is cancelled when this node has lost it.
    pub(in crate::runtime) fn add(
        &self,
        execution: &Execution,
        cancellation: CancellationToken,
        counted: Tracked,
    ) -> CancellationToken {
        let lost = CancellationToken::new();
        let running = Running {
            epoch: execution.epoch,
            cancellation,
            lost: lost.clone(),
            _counted: counted,
        };
        self.with(|all| all.insert(execution.id, running));
        lost
    }

    pub(in crate::runtime) fn remove(&self, fence: Fence) {
        self.with(|all| {
            // A later attempt of the same execution may have begun here meanwhile.
            let is_this = |running: &Running| running.epoch == fence.epoch;
            if all.get(&fence.execution_id).is_some_and(is_this) {
                all.remove(&fence.execution_id);
            }
        });
    }

    pub(super) fn count(&self) -> usize {
        self.with(|all| all.len())
    }

    pub(super) fn ids(&self) -> Vec<ExecutionId> {
        self.with(|all| all.keys().copied().collect())
    }

    pub(super) fn has(&self, id: ExecutionId) -> bool {
        self.with(|all| all.contains_key(&id))
    }

    /// Returns whether this attempt of the execution runs here.
    pub(super) fn runs(&self, fence: Fence) -> bool {
        self.with(|all| {
            let found = all.get(&fence.execution_id);
            found.is_some_and(|running| running.epoch == fence.epoch)
        })
    }

    /// Tells the handler to stop; false when the execution does not run here.
    pub(super) fn cancel(&self, id: ExecutionId) -> bool {
        self.with(|all| {
            let found = all.get(&id);
            if let Some(running) = found {
                running.cancellation.cancel();
            }
            found.is_some()
        })
    }

    /// Ends every handler without recording anything.
    pub(super) fn lose_all(&self) {
        self.with(|all| all.values().for_each(|running| running.lost.cancel()));
    }
}
