//! Reads of the API's keys.

use async_graphql::{Context, Object};

use crate::{
    api::ApiError,
    graphql::{
        loading::Caller,
        types::{connection::ApiKeyConnection, page::PageArgs, total::Total},
    },
};

#[derive(Default)]
pub(super) struct ApiKeyQuery;

#[Object]
impl ApiKeyQuery {
    /// The tenant's keys, newest first, those that were revoked included. Needs the scope `keys:manage`.
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
    ) -> Result<ApiKeyConnection, ApiError> {
        let page = PageArgs::forward(first, after).request()?;
        let caller = Caller::of(ctx)?;
        let page = caller.services.keys.list(&caller.principal, &page).await?;
        Ok(ApiKeyConnection::of(page, Total::ApiKeys))
    }
}
