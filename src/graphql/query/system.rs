//! Reads for operators: the log, and the runtime itself.

use async_graphql::{Context, Object};

use crate::{
    api::ApiError,
    graphql::{
        loading::Caller,
        types::{
            connection::WalEntryConnection, filter::WalFilter, page::PageArgs,
            runtime_status::RuntimeStatus, total::Total, wal::WalEntry,
        },
    },
};

#[derive(Default)]
pub(super) struct SystemQuery;

#[Object]
impl SystemQuery {
    /// The tenant's part of the log, oldest first.
    async fn wal_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries; all when left out.")] filter: Option<WalFilter>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only entries after this cursor.")] after: Option<String>,
    ) -> Result<WalEntryConnection, ApiError> {
        let (size, start) = PageArgs::forward(first, after).after_cursor()?;
        let filter = filter.unwrap_or_default().read()?;
        let caller = Caller::of(ctx)?;
        let events = &caller.services.events;
        let entries = events
            .list_log(&caller.scope, &filter, start, size + 1)
            .await?;
        let has_next = entries.len() > size as usize;
        let page = entries.into_iter().take(size as usize);
        let nodes = page.map(|entry| (entry.cursor.to_string(), WalEntry(entry)));
        let total = Total::WalEntries(filter);
        Ok(WalEntryConnection::of_log(
            nodes,
            has_next,
            start.is_some_and(|cursor| cursor.tx > 0),
            total,
        ))
    }

    /// Nodes, backlog and versions; for operators.
    #[expect(clippy::unused_async, reason = "resolvers are asynchronous")]
    async fn runtime(&self, ctx: &Context<'_>) -> Result<RuntimeStatus, ApiError> {
        Caller::of(ctx)?;
        Ok(RuntimeStatus)
    }
}
