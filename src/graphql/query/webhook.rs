//! Reads of webhooks.

use async_graphql::{Context, ID, Object};

use crate::{
    api::ApiError,
    graphql::{
        error::Nullable,
        loading::Caller,
        types::{
            connection::WebhookConnection, ids, page::PageArgs, total::Total, webhook::Webhook,
        },
    },
};

#[derive(Default)]
pub(super) struct WebhookQuery;

#[Object]
impl WebhookQuery {
    /// A webhook; null where it is absent.
    async fn webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook.")] id: ID,
    ) -> Nullable<Webhook> {
        match ids::argument(&id, "id") {
            Ok(id) => Webhook::find(ctx, id).await,
            Err(error) => Some(Err(error)),
        }
    }

    /// The tenant's webhooks, newest first.
    async fn webhooks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
    ) -> Result<WebhookConnection, ApiError> {
        let page = PageArgs::forward(first, after).request()?;
        let caller = Caller::of(ctx)?;
        let runtime = &caller.services.runtime;
        let page = runtime.list_webhooks(&caller.scope, &page).await?;
        Ok(WebhookConnection::of(page, Total::Webhooks))
    }
}
