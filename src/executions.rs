//! Executions as they stand: found, listed and counted. What changes them is the runtime.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use crate::{
    model::{Action, Execution, ExecutionId, Reach, Refusal, Step, TenantScope, WaitReason},
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
        let reach = scope.check(Action::ReadExecutions)?;
        let found = self.storage.find_executions(scope, ids).await?;
        self.storage.reached_executions(scope, &reach, found).await
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
        match self.narrowed(scope, filter).await? {
            Some(filter) => self.storage.list_executions(scope, &filter, page).await,
            None => Ok(Page::empty()),
        }
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
        match self.narrowed(scope, filter).await? {
            Some(filter) => self.storage.count_executions(scope, &filter).await,
            None => Ok(Count::NONE),
        }
    }

    /// The filter with what whoever asks may read; none when nothing can fit.
    async fn narrowed<'a>(
        &self,
        scope: &TenantScope,
        filter: &'a ExecutionFilter,
    ) -> Result<Option<Cow<'a, ExecutionFilter>>, Error> {
        let reach = scope.check(Action::ReadExecutions)?;
        if reach.is_whole() {
            return Ok(Some(Cow::Borrowed(filter)));
        }
        let storage = &self.storage;
        let mut filter = filter.clone();
        filter.idempotency_key = filter.idempotency_key.map(|key| reach.own_key(key));
        let is_reached = match (filter.session_id, filter.parent_id) {
            (Some(session), _) => storage.reaches_session(scope, &reach, session).await?,
            (None, Some(parent)) => storage.reaches_execution(scope, &reach, parent).await?,
            (None, None) => {
                match reach {
                    Reach::User(user) => filter.user_id = Some(user),
                    Reach::Session(id) => filter.session_id = Some(id),
                    Reach::Tenant | Reach::Executions(_) => {
                        return Err(Refusal::lacking(Action::ReadExecutions).into());
                    }
                }
                true
            }
        };
        Ok(is_reached.then_some(Cow::Owned(filter)))
    }

    /// Those of the ids whose executions whoever asks may read.
    async fn readable(
        &self,
        scope: &TenantScope,
        ids: &[ExecutionId],
    ) -> Result<Vec<ExecutionId>, Error> {
        let reach = scope.check(Action::ReadExecutions)?;
        self.storage.reached_execution_ids(scope, &reach, ids).await
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
        // Children are of their parent's session, and below what it is below.
        let ids = self.readable(scope, ids).await?;
        self.storage.first_children(scope, &ids, limit).await
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
        let ids = self.readable(scope, ids).await?;
        self.storage.find_steps(scope, &ids).await
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
        let ids = self.readable(scope, ids).await?;
        self.storage.wait_reasons(scope, &ids).await
    }
}
