//! Reads of executions.

use async_graphql::{Context, ID, Object};

use crate::{
    api::ApiError,
    graphql::{
        error::Nullable,
        loading::Caller,
        types::{
            connection::ExecutionConnection,
            counted::Listed,
            execution::Execution,
            filter::{ExecutionFilter, ExecutionOrder},
            ids,
            page::PageArgs,
            stats::{ExecutionStats, ExecutionStatsFilter, FailureGroup, StatsBucket},
            total::Total,
        },
    },
};

#[derive(Default)]
pub(super) struct ExecutionQuery;

#[Object]
impl ExecutionQuery {
    /// An execution; null where it is absent or not the caller's.
    async fn execution(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The execution.")] id: ID,
    ) -> Nullable<Execution> {
        match ids::argument(&id, "id") {
            Ok(id) => Execution::find(ctx, id).await,
            Err(error) => Some(Err(error)),
        }
    }

    /// The place in the log after which `tenantEvents` and `executionChanges`, or `sessionEvents` of the session, tell what
    /// happens from now on: pass it as `after`. Read it before the list that you keep up to date. Null while nothing has happened.
    async fn feed_head(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session; that of the whole tenant when left out.")]
        session_id: Option<ID>,
    ) -> Result<Option<String>, ApiError> {
        let caller = Caller::of(ctx)?;
        let session = ids::optional(session_id.as_ref(), "sessionId")?;
        let head = caller.services.events.head(&caller.principal, session);
        Ok(head.await?.map(|cursor| cursor.to_string()))
    }

    /// The numbers of executions over time: how many were accepted and how many ended in each bucket, by type. Exact,
    /// from when they are durable, and not changed by retention.
    async fn execution_stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which executions, and from when on.")] filter: ExecutionStatsFilter,
        #[graphql(desc = "The length of each bucket.")] bucket: StatsBucket,
    ) -> Result<ExecutionStats, ApiError> {
        let caller = Caller::of(ctx)?;
        let request = filter.read(bucket);
        let executions = &caller.services.executions;
        let points = executions.stats(&caller.scope, &request).await?;
        Ok(points.into())
    }

    /// Executions that failed, grouped by the code of their error and their type; most failures first.
    async fn failure_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which executions, and from when on.")] filter: ExecutionStatsFilter,
        #[graphql(desc = "The most groups, 1 to 200; 50 when left out.")] first: Option<i32>,
    ) -> Result<Listed<FailureGroup>, ApiError> {
        let most = PageArgs::forward(first, None).limit()?;
        let caller = Caller::of(ctx)?;
        let request = filter.read(StatsBucket::Minute);
        let executions = &caller.services.executions;
        let groups = executions
            .failure_groups(&caller.scope, &request, most)
            .await?;
        Ok(groups.into_iter().map(FailureGroup::from).collect())
    }

    /// The tenant's executions.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn executions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which executions; all when left out.")] filter: Option<ExecutionFilter>,
        #[graphql(desc = "The order; newest first when left out.")] order_by: Option<
            ExecutionOrder,
        >,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items of the page, counted from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<ExecutionConnection, ApiError> {
        let page = PageArgs::new(first, after, last, before).request()?;
        let filter = filter
            .unwrap_or_default()
            .read(order_by.unwrap_or_default())?;
        let caller = Caller::of(ctx)?;
        let executions = &caller.services.executions;
        let page = executions.list(&caller.scope, &filter, &page).await?;
        Ok(ExecutionConnection::of(page, Total::Executions(filter)))
    }
}
