//! Reads of executions.

use async_graphql::{Context, ID, Object};

use crate::{
    api::ApiError,
    graphql::{
        error::Nullable,
        loading::Caller,
        types::{
            connection::ExecutionConnection,
            execution::Execution,
            filter::{ExecutionFilter, ExecutionOrder},
            ids,
            page::PageArgs,
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
