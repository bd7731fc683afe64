//! Reads of sessions.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use crate::{
    api::ApiError,
    graphql::{
        error::Nullable,
        loading::Caller,
        types::{
            connection::SessionConnection, filter::SessionFilter, ids, page::PageArgs,
            session::Session, total::Total,
        },
    },
};

#[derive(Default)]
pub(super) struct SessionQuery;

#[Object]
impl SessionQuery {
    /// A session with its state; null where it is absent or not the caller's.
    async fn session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session.")] id: ID,
    ) -> Nullable<Session> {
        let session = async {
            let caller = Caller::of(ctx)?;
            let id = ids::argument(&id, "id")?;
            let session = caller.services.state.get_session(&caller.scope, id).await?;
            Ok(session.map(|it| Session(Arc::new(it))))
        };
        session.await.transpose()
    }

    /// The tenant's sessions, newest first.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which sessions; all when left out.")] filter: Option<SessionFilter>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items of the page, counted from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<SessionConnection, ApiError> {
        let page = PageArgs::new(first, after, last, before).request()?;
        let filter = filter.unwrap_or_default().read()?;
        let caller = Caller::of(ctx)?;
        let state = &caller.services.state;
        let page = state.list_sessions(&caller.scope, &filter, &page).await?;
        Ok(SessionConnection::of(page, Total::Sessions(filter)))
    }
}
