//! Reads for operators: the log, and the runtime itself.

use async_graphql::{Context, Object};

use crate::{
    api::ApiError,
    graphql::{
        error::Nullable,
        loading::Caller,
        types::{
            checkpoint::LogCheckpoint, connection::WalEntryConnection, filter::WalFilter,
            page::PageArgs, rate_limit::RateLimit, runtime_status::RuntimeStatus, scalars::BigInt,
            total::Total, wal::WalEntry,
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

    /// The quotas of the caller and its tenant; empty where nothing is limited. A submit that exceeds one is answered
    /// `QUOTA_EXCEEDED`, whatever else does `RATE_LIMITED`, each with `retryAfterMs`.
    async fn rate_limit(&self, ctx: &Context<'_>) -> Result<Vec<RateLimit>, ApiError> {
        let caller = Caller::of(ctx)?;
        let left = caller.services.quotas.left(&caller.principal).await?;
        Ok(left.into_iter().map(RateLimit::from).collect())
    }

    /// A signed checkpoint of the tenant's log: the last one, or that with a number. Checkpoints are made once a minute
    /// while the log grows; null where there is none.
    async fn log_checkpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of the checkpoint; the last one when left out.")]
        number: Option<BigInt>,
    ) -> Nullable<LogCheckpoint> {
        let checkpoint = async {
            let caller = Caller::of(ctx)?;
            let number = number.map(|number| number.0);
            let events = &caller.services.events;
            let found = events.find_checkpoint(&caller.scope, number).await?;
            Ok(found.map(|(checkpoint, statement)| LogCheckpoint {
                checkpoint,
                statement,
            }))
        };
        checkpoint.await.transpose()
    }

    /// Nodes, backlog and versions; for operators.
    #[expect(clippy::unused_async, reason = "resolvers are asynchronous")]
    async fn runtime(&self, ctx: &Context<'_>) -> Result<RuntimeStatus, ApiError> {
        Caller::of(ctx)?;
        Ok(RuntimeStatus)
    }
}
