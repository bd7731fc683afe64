//! Live events: past ones after the cursor, then new ones, in order and without gaps. The events
//! service does the following; this maps its batches.

use std::sync::Arc;

use async_graphql::{Context, ID, Subscription as SubscriptionRoot};
use futures::{Stream, StreamExt};

use super::{
    loading::Caller,
    types::{
        changes::{ExecutionChanges, every},
        event::{ExecutionEvent, ExecutionEventBatch},
        filter::{EventFilter, ExecutionFilter, ExecutionOrder},
        ids,
    },
};
use crate::{api::ApiError, events::EventBatch, model::Meter};

/// Live events.
#[derive(Default)]
pub struct Subscription;

/// Live events.
#[SubscriptionRoot]
impl Subscription {
    /// Past events after the cursor, then live ones; completes after the terminal event.
    async fn execution_events<'ctx>(
        &self,
        ctx: &Context<'ctx>,
        #[graphql(desc = "The execution to watch.")] execution_id: ID,
        #[graphql(desc = "Only events after this cursor; from the first one when left out.")]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ExecutionEventBatch, ApiError>> + use<'ctx>, ApiError>
    {
        let caller = Caller::of(ctx)?;
        let (id, after) = (
            ids::argument(&execution_id, "executionId")?,
            caller.after(after.as_deref())?,
        );
        let (watcher, reads) = caller.watcher();
        let events = &caller.services.events;
        let batches = events.watch_execution(&watcher, id, after).await?;
        Ok(shown(caller, reads, batches))
    }

    /// Events of every execution of one session, in one order.
    async fn session_events<'ctx>(
        &self,
        ctx: &Context<'ctx>,
        #[graphql(desc = "The session to watch.")] session_id: ID,
        #[graphql(desc = "Only events after this cursor; from the first one when left out.")]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ExecutionEventBatch, ApiError>> + use<'ctx>, ApiError>
    {
        let caller = Caller::of(ctx)?;
        let (id, after) = (
            ids::argument(&session_id, "sessionId")?,
            caller.after(after.as_deref())?,
        );
        let (watcher, reads) = caller.watcher();
        let events = &caller.services.events;
        let batches = events.watch_session(&watcher, id, after).await?;
        Ok(shown(caller, reads, batches))
    }

    /// Events of the caller's tenant, filtered; what a dashboard watches.
    async fn tenant_events<'ctx>(
        &self,
        ctx: &Context<'ctx>,
        #[graphql(desc = "Which events; all when left out.")] filter: Option<EventFilter>,
        #[graphql(desc = "Only events after this cursor; from the first one when left out.")]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ExecutionEventBatch, ApiError>> + use<'ctx>, ApiError>
    {
        let caller = Caller::of(ctx)?;
        let (feed, after) = (
            filter.unwrap_or_default().read()?.into(),
            caller.after(after.as_deref())?,
        );
        let (watcher, reads) = caller.watcher();
        let events = &caller.services.events;
        let batches = events.watch_tenant(&watcher, feed, after).await?;
        Ok(shown(caller, reads, batches))
    }

    /// Changes of a filtered list of executions, put together: each execution once in a message, as it is then, however
    /// often it has changed; what keeps such a list up to date at a bounded cost. What `waitingFor` asks for may change
    /// without an event, and so without a message.
    async fn execution_changes<'ctx>(
        &self,
        ctx: &Context<'ctx>,
        #[graphql(desc = "Which executions, as in `executions`; all when left out.")]
        filter: Option<ExecutionFilter>,
        #[graphql(
            desc = "Only changes after this cursor. When left out it begins now, and the first message, which comes at \
                    once, has the cursor and nothing else: read the list after it."
        )]
        after: Option<String>,
        #[graphql(
            desc = "The least time between two messages in milliseconds, 100 to 5,000; 250 when left out."
        )]
        every_ms: Option<i32>,
    ) -> Result<impl Stream<Item = Result<ExecutionChanges, ApiError>> + use<'ctx>, ApiError> {
        let caller = Caller::of(ctx)?;
        let filter = filter.unwrap_or_default().read(ExecutionOrder::default())?;
        let (after, pause) = (caller.after(after.as_deref())?, every(every_ms)?);
        let (watcher, reads) = caller.watcher();
        let events = &caller.services.events;
        let changes = events.watch_changes(&watcher, filter, after, pause).await?;
        let changes = in_turn(caller, reads, changes);
        Ok(changes.map(|changes| changes.map(ExecutionChanges::from)))
    }
}

/// Batches as clients see them.
fn shown<'a, E: Into<ApiError> + 'a>(
    caller: &'a Caller,
    reads: Arc<Meter>,
    batches: impl Stream<Item = Result<EventBatch, E>> + 'a,
) -> impl Stream<Item = Result<ExecutionEventBatch, ApiError>> + 'a {
    in_turn(caller, reads, batches).map(|batch| {
        let batch = batch?;
        Ok(ExecutionEventBatch {
            cursor: batch.cursor.to_string(),
            has_more_past_events: batch.has_more_past_events,
            events: batch.events.iter().filter_map(ExecutionEvent::of).collect(),
        })
    })
}

/// What a subscription delivers. Each is resolved before the next one is asked for, so forgetting
/// what was loaded for the last one shows every one the records of its own time. It is resolved in
/// its tenant's turn, for one commit may reach thousands of subscribers.
fn in_turn<'a, T: 'a, E: Into<ApiError> + 'a>(
    caller: &'a Caller,
    reads: Arc<Meter>,
    deliveries: impl Stream<Item = Result<T, E>> + 'a,
) -> impl Stream<Item = Result<T, ApiError>> + 'a {
    deliveries.then(move |delivery| {
        reads.renew();
        async move {
            caller.meter.begin().await;
            caller.forget();
            delivery.map_err(Into::into)
        }
    })
}
