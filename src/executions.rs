//! Executions as they stand: found, listed and counted. What changes them is the runtime.

mod timeline;

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use crate::{
    model::{Action, Execution, ExecutionId, Reach, Refusal, Step, TenantScope, Waiting},
    storage::{Count, Error, ListPlace, MOST_POINTS, Page, PageRequest, Storage, Walked},
};

pub use crate::storage::{ExecutionFilter, FailureGroup, StatsPoint, StatsRequest};
pub use timeline::{MOST_OF_TIMELINE, Span, SpanOf, SpanOutcome, Timeline};

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
        self.list_for(scope, Action::ReadExecutions, filter, page)
            .await
    }

    /// A page of the executions that fit a filter with which whoever asks may do something.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_for(
        &self,
        scope: &TenantScope,
        action: Action,
        filter: &ExecutionFilter,
        page: &PageRequest<ExecutionId>,
    ) -> Result<Page<ExecutionId, Execution>, Error> {
        match self.narrowed(scope, action, filter).await? {
            Some(filter) => self.storage.list_executions(scope, &filter, page).await,
            None => Ok(Page::empty()),
        }
    }

    /// The next part of the executions that fit a filter with which whoever asks may do something, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn walk_for(
        &self,
        scope: &TenantScope,
        action: Action,
        filter: &ExecutionFilter,
        (after, limit): (Option<ListPlace<ExecutionId>>, u32),
    ) -> Result<Walked<ExecutionId, Execution>, Error> {
        let Some(filter) = self.narrowed(scope, action, filter).await? else {
            return Ok(Walked::nothing());
        };
        let walked = self.storage.walk_executions(scope, &filter, after, limit);
        walked.await
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
        self.count_for(scope, Action::ReadExecutions, filter).await
    }

    /// Returns the number of executions that [`Self::list_for`] goes through.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_for(
        &self,
        scope: &TenantScope,
        action: Action,
        filter: &ExecutionFilter,
    ) -> Result<Count, Error> {
        match self.narrowed(scope, action, filter).await? {
            Some(filter) => self.storage.count_executions(scope, &filter).await,
            None => Ok(Count::NONE),
        }
    }

    /// The numbers of executions by time and type.
    ///
    /// # Errors
    /// [`Refusal::InvalidInput`] for more points than one answer has; when the database does not answer.
    pub async fn stats(
        &self,
        scope: &TenantScope,
        request: &StatsRequest,
    ) -> Result<Vec<StatsPoint>, Error> {
        scope.check_all(Action::ReadExecutions)?;
        let points = self.storage.count_by_time(scope, request).await?;
        if points.len() > MOST_POINTS {
            let message = "there are more than 10,000 points: ask for fewer types, a shorter time or longer buckets";
            return Err(Refusal::invalid(["filter"], message).into());
        }
        Ok(points)
    }

    /// The `most` groups of executions that failed alike, with most failures first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn failure_groups(
        &self,
        scope: &TenantScope,
        request: &StatsRequest,
        most: u32,
    ) -> Result<Vec<FailureGroup>, Error> {
        scope.check_all(Action::ReadExecutions)?;
        self.storage.list_failure_groups(scope, request, most).await
    }

    /// The filter with that with which whoever asks may do something; none when nothing can fit.
    async fn narrowed<'a>(
        &self,
        scope: &TenantScope,
        action: Action,
        filter: &'a ExecutionFilter,
    ) -> Result<Option<Cow<'a, ExecutionFilter>>, Error> {
        let reach = scope.check(action)?;
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
                        return Err(Refusal::lacking(action).into());
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

    /// What an execution did and when, up to `most` spans.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn timeline(
        &self,
        scope: &TenantScope,
        execution: &Execution,
        most: u32,
    ) -> Result<Timeline, Error> {
        let id = execution.id;
        if self.readable(scope, &[id]).await?.is_empty() {
            return Err(Refusal::not_found("execution", "executionId").into());
        }
        let (life, is_whole_life) = self.storage.list_life(scope, execution, most).await?;
        let (steps, are_all_steps) = self.storage.list_step_times(scope, id, most).await?;
        let (children, are_all) = self.storage.list_child_times(scope, id, most).await?;
        let waits_for = if execution.status.is_terminal() {
            None
        } else {
            let mut waiting = self.storage.wait_reasons(scope, &[id]).await?;
            waiting.remove(&id).map(|waiting| waiting.reason)
        };
        let recorded = timeline::Recorded {
            execution,
            life,
            steps,
            children,
            waits_for,
            is_whole: is_whole_life && are_all_steps && are_all,
            most: most as usize,
        };
        Ok(recorded.timeline())
    }

    /// Why live executions are not running; nothing for those that are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_wait_reasons(
        &self,
        scope: &TenantScope,
        ids: &[ExecutionId],
    ) -> Result<HashMap<ExecutionId, Waiting>, Error> {
        let ids = self.readable(scope, ids).await?;
        self.storage.wait_reasons(scope, &ids).await
    }
}
