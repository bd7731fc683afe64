//! Executions as they stand: found, listed and counted. What changes them is the runtime.

use std::{collections::HashMap, sync::Arc};

use crate::{
    model::{Action, Execution, ExecutionId, Step, TenantScope, WaitReason},
    storage::{Count, Error, Page, PageRequest, Storage},
};

pub use crate::storage::ExecutionFilter;

/// Reads of executions. Clones share the database.
#[derive(Debug, Clone)]
pub struct Executions {
    /// Shared, since what starts a node moves all services from hand to hand.
    storage: Arc<Storage>,
}

impl Executions {
    /// Reads from `storage`.
    #[must_use]
    pub fn new(storage: Storage) -> Self {
        Self {
            storage: Arc::new(storage),
        }
    }

    /// An execution.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
    ) -> Result<Option<Execution>, Error> {
        Ok(self.find_many(scope, &[id]).await?.into_iter().next())
    }

    /// Those of the executions that are there, in no order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_many(
        &self,
        scope: &TenantScope,
        ids: &[ExecutionId],
    ) -> Result<Vec<Execution>, Error> {
        scope.check(Action::ReadExecutions)?;
        self.storage.find_executions(scope, ids).await
    }

    /// A page of the executions that fit a filter.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &self,
        scope: &TenantScope,
        filter: &ExecutionFilter,
        page: &PageRequest<ExecutionId>,
    ) -> Result<Page<ExecutionId, Execution>, Error> {
        scope.check(Action::ReadExecutions)?;
        self.storage.list_executions(scope, filter, page).await
    }

    /// Returns the number of executions that [`Self::list`] goes through.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count(
        &self,
        scope: &TenantScope,
        filter: &ExecutionFilter,
    ) -> Result<Count, Error> {
        scope.check(Action::ReadExecutions)?;
        self.storage.count_executions(scope, filter).await
    }

    /// The first children of each execution, oldest first, at most `limit` of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_first_children(
        &self,
        scope: &TenantScope,
        ids: &[ExecutionId],
        limit: u32,
    ) -> Result<HashMap<ExecutionId, Vec<Execution>>, Error> {
        scope.check(Action::ReadExecutions)?;
        self.storage.first_children(scope, ids, limit).await
    }

    /// The recorded steps of each execution, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_steps(
        &self,
        scope: &TenantScope,
        ids: &[ExecutionId],
    ) -> Result<HashMap<ExecutionId, Vec<Step>>, Error> {
        scope.check(Action::ReadExecutions)?;
        self.storage.find_steps(scope, ids).await
    }

    /// Why live executions are not running; nothing for those that are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_wait_reasons(
        &self,
        scope: &TenantScope,
        ids: &[ExecutionId],
    ) -> Result<HashMap<ExecutionId, WaitReason>, Error> {
        scope.check(Action::ReadExecutions)?;
        self.storage.wait_reasons(scope, ids).await
    }
}
