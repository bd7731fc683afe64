//! Reads of bulk operations.

use async_graphql::{Context, ID, Object};

use crate::{
    api::ApiError,
    graphql::{
        error::Nullable,
        loading::Caller,
        types::{
            connection::OperationConnection, ids, operation::BulkOperation, page::PageArgs,
            total::Total,
        },
    },
};

#[derive(Default)]
pub(super) struct OperationQuery;

#[Object]
impl OperationQuery {
    /// A bulk operation; null where it is absent or not the caller's.
    async fn operation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The operation.")] id: ID,
    ) -> Nullable<BulkOperation> {
        match ids::argument(&id, "id") {
            Ok(id) => BulkOperation::find(ctx, id).await,
            Err(error) => Some(Err(error)),
        }
    }

    /// The tenant's bulk operations, newest first; the caller's own where they may read no more than that.
    async fn operations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
    ) -> Result<OperationConnection, ApiError> {
        let page = PageArgs::forward(first, after).request()?;
        let caller = Caller::of(ctx)?;
        let runtime = &caller.services.runtime;
        let page = runtime.list_operations(&caller.scope, &page).await?;
        Ok(OperationConnection::of(page, Total::Operations))
    }
}
