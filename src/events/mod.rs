//! The tail of the log: past events after a cursor, then live ones, without gap or duplicate.
//!
//! Hints are not data. What a subscriber gets is always read from the log by ranges; a hint only
//! says when to look. A lost hint costs latency: every watched stream is looked at once a second
//! or so, one query for all.

mod changes;
mod checkpoint;
mod hub;
mod read;

use std::{sync::Arc, time::Duration};

use futures::Stream;
use tokio::sync::broadcast;

use crate::{
    model::{
        Action, Cursor, Event, Execution, ExecutionId, Principal, Reach, Refusal, SessionId,
        SessionKey, TenantId, TenantScope,
    },
    redis::HintBus,
    storage::{Error, Notice, Reading, Storage},
    telemetry::metrics::Metrics,
};
use hub::{Hub, Watch};

pub(crate) use hub::Watch as Growth;

pub use changes::{ExecutionChanges, MOST_CHANGES};
pub use checkpoint::{BadCheckpointKey, CheckpointKeys};

pub use crate::storage::{Feed, LogRange, StreamName, WalFilter};

/// The most events of one batch.
pub const BATCH_EVENTS: u32 = 100;
/// Rows of other nodes' transactions become visible in order, which may take a moment.
const FEED_SETTLES: Duration = Duration::from_millis(25);

/// Events that belong together: 1 to 100, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct EventBatch {
    /// The events.
    pub events: Arc<Vec<Event>>,
    /// Where to go on from.
    pub cursor: Cursor,
    /// True if more of the past follows at once.
    pub has_more_past_events: bool,
}

fn is_past_end(execution: &Execution, after: Cursor) -> bool {
    execution.status.is_terminal() && execution.next_seq <= after.seq.saturating_add(1)
}

/// The events of this node's subscribers. Clones are the same.
#[derive(Clone)]
pub struct Events {
    storage: Storage,
    hub: Arc<Hub>,
    metrics: Metrics,
    bus: Option<HintBus>,
    remote: broadcast::Sender<Arc<Vec<Notice>>>,
}

impl Events {
    /// Follows the commits of this node, and those of others by `bus`; looks for what was missed
    /// every `probe`.
    #[must_use]
    pub fn start(
        storage: Storage,
        bus: Option<HintBus>,
        probe: Duration,
        metrics: Metrics,
    ) -> Self {
        let (remote, _) = broadcast::channel(1024);
        let events = Self {
            storage,
            hub: Arc::default(),
            metrics,
            bus,
            remote,
        };
        tokio::spawn(events.clone().follow_commits());
        tokio::spawn(events.clone().probe(probe));
        if let Some(bus) = events.bus.clone() {
            tokio::spawn(events.clone().follow_others(bus));
        }
        events
    }

    /// Returns the notices of other nodes' commits.
    #[must_use]
    pub fn remote_notices(&self) -> broadcast::Receiver<Arc<Vec<Notice>>> {
        self.remote.subscribe()
    }

    async fn follow_commits(self) {
        let mut notices = self.storage.notices();
        loop {
            match notices.recv().await {
                Ok(notices) => {
                    self.hub.committed(&notices);
                    if let Some(bus) = &self.bus {
                        bus.publish(&notices);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => self.look_at_everything().await,
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    async fn follow_others(self, bus: HintBus) {
        let mut notices = bus.subscribe();
        loop {
            tokio::select! {
                received = notices.recv() => match received {
                    Ok(notices) => {
                        self.hub.heard(&notices);
                        let _ = self.remote.send(notices);
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => self.look_at_everything().await,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = bus.missed() => self.look_at_everything().await,
            }
        }
    }

    async fn probe(self, pause: Duration) {
        loop {
            tokio::time::sleep(pause).await;
            self.look_at_executions().await;
            self.hub.stir_feeds();
        }
    }

    /// Tells when there may be something new in the feed of a tenant, for whoever delivers it elsewhere. They look for what
    /// no hint has told of by themselves, and less often than subscribers.
    pub(crate) fn growth(&self, tenant: &TenantId) -> Growth {
        self.hub.watch_deliveries(tenant.clone())
    }

    /// Hints were missed: one query for all watched executions; every feed looks for itself.
    async fn look_at_everything(&self) {
        self.look_at_executions().await;
        self.hub.stir_feeds();
        self.hub.stir_deliveries();
    }

    async fn look_at_executions(&self) {
        let watched = self.hub.watched_executions();
        match self.storage.stream_heads(&watched).await {
            Ok(heads) => heads
                .into_iter()
                .for_each(|(id, seq)| self.hub.grown(id, seq)),
            Err(error) => tracing::warn!(%error, "the watched streams could not be looked at"),
        }
    }

    /// The events of one execution, from the start or after a cursor; ends after the terminal one.
    ///
    /// # Errors
    /// [`Error::Refused`] when the execution is absent or the cursor another stream's;
    /// [`Error::CursorExpired`] when it names an event that is not in the log.
    pub async fn watch_execution(
        &self,
        principal: &Principal,
        id: ExecutionId,
        after: Option<Cursor>,
    ) -> Result<impl Stream<Item = Result<EventBatch, Error>> + Send + use<>, Error> {
        let reach = principal.check(Action::ReadExecutions)?;
        let scope = principal.scope();
        self.check_reached(&scope, &reach, id).await?;
        // Interest is registered before the past is read, or what happens between would be lost.
        let mut watch = self.hub.watch_execution(id);
        let mut first = None;
        if let Some(cursor) = after {
            self.get(&scope, id).await?;
            let reading = Reading::Execution(id);
            self.storage.check_position(&scope, reading, cursor).await?;
        } else {
            watch.mark_seen();
            let page = self.storage.events_after(&scope, id, 0, BATCH_EVENTS);
            // Every execution has a first event.
            let page = page.await?;
            if page.is_empty() {
                return Err(Refusal::not_found("execution", "executionId").into());
            }
            first = Some(page);
        }
        let after = after.unwrap_or_default();
        Ok(self.clone().stream_of(scope, id, watch, after, first))
    }

    /// Returns whether nothing can come after a cursor any more.
    ///
    /// # Errors
    /// [`Error::Refused`] when the execution is absent.
    pub async fn is_past_end(
        &self,
        principal: &Principal,
        id: ExecutionId,
        after: Cursor,
    ) -> Result<bool, Error> {
        let reach = principal.check(Action::ReadExecutions)?;
        let scope = principal.scope();
        self.check_reached(&scope, &reach, id).await?;
        let execution = self.get(&scope, id).await?;
        Ok(is_past_end(&execution, after))
    }

    fn stream_of(
        self,
        scope: TenantScope,
        id: ExecutionId,
        mut watch: Watch,
        mut cursor: Cursor,
        mut first: Option<Arc<Vec<Event>>>,
    ) -> impl Stream<Item = Result<EventBatch, Error>> + Send {
        async_stream::stream! {
            let _subscriber = self.metrics.subscribed();
            let mut looked_for_end = false;
            loop {
                let page = if let Some(first) = first.take() {
                    first
                } else {
                    watch.mark_seen();
                    match self.storage.events_after(&scope, id, cursor.seq, BATCH_EVENTS).await {
                        Ok(page) => page,
                        Err(error) => { yield Err(error); return; }
                    }
                };
                let Some(last) = page.last() else {
                    // A cursor at or past the end of a finished stream has nothing to wait for.
                    if !looked_for_end {
                        looked_for_end = true;
                        match self.get(&scope, id).await {
                            Ok(execution) if is_past_end(&execution, cursor) => return,
                            Ok(_) => {}
                            Err(error) => { yield Err(error); return; }
                        }
                    }
                    watch.changed().await;
                    continue;
                };
                cursor = last.cursor;
                let is_end = last.body.is_terminal();
                let has_more_past_events = !is_end && page.len() == BATCH_EVENTS as usize;
                yield Ok(EventBatch { events: page, cursor, has_more_past_events });
                if is_end {
                    return;
                }
                // What is known to be there has been read; there is nothing to look for until more is.
                while !has_more_past_events && !watch.may_be_beyond(cursor.seq) {
                    watch.changed().await;
                }
            }
        }
    }

    /// The events of every execution of a session, in one order.
    ///
    /// # Errors
    /// [`Error::Refused`] when the session is absent; [`Error::CursorTrimmed`] when events behind the cursor are no
    /// longer kept; [`Error::CursorExpired`] when it names an event that is not in the log.
    pub async fn watch_session(
        &self,
        principal: &Principal,
        id: SessionId,
        after: Option<Cursor>,
    ) -> Result<impl Stream<Item = Result<EventBatch, Error>> + Send + use<>, Error> {
        let reach = principal.check(Action::ReadSessions)?;
        let scope = principal.scope();
        let watch = self.hub.watch_session(SessionKey::of(&scope, id));
        self.check_session(&scope, &reach, id).await?;
        if let Some(cursor) = after {
            let reading = Reading::Session(id);
            self.storage.check_position(&scope, reading, cursor).await?;
        }
        Ok(self.clone().feed(scope, Feed::Session(id), watch, after))
    }

    /// The events of a tenant that fit a filter, in one order.
    ///
    /// # Errors
    /// [`Error::CursorTrimmed`] when events behind the cursor are no longer kept; [`Error::CursorExpired`] when it
    /// names an event that is not in the log.
    pub async fn watch_tenant(
        &self,
        principal: &Principal,
        feed: Feed,
        after: Option<Cursor>,
    ) -> Result<impl Stream<Item = Result<EventBatch, Error>> + Send + use<>, Error> {
        principal.check_all(Action::ReadExecutions)?;
        let scope = principal.scope();
        let watch = self.hub.watch_tenant(principal.tenant().clone());
        if let Some(cursor) = after {
            let reading = Reading::Tenant;
            self.storage.check_position(&scope, reading, cursor).await?;
        }
        Ok(self.clone().feed(scope, feed, watch, after))
    }

    /// The place after which the feed of a session, or without one that of the tenant, tells what happens from now on;
    /// none while nothing has happened.
    ///
    /// # Errors
    /// [`Error::Refused`] when the session is absent.
    pub async fn head(
        &self,
        principal: &Principal,
        session: Option<SessionId>,
    ) -> Result<Option<Cursor>, Error> {
        let scope = principal.scope();
        if let Some(id) = session {
            let reach = principal.check(Action::ReadSessions)?;
            self.check_session(&scope, &reach, id).await?;
        } else {
            principal.check_all(Action::ReadExecutions)?;
        }
        self.storage.last_place(&scope, session).await
    }

    /// Refuses a session that is beyond reach, as one that is not there.
    async fn check_session(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        id: SessionId,
    ) -> Result<(), Error> {
        let found = self.storage.find_sessions(scope, &[id]).await?;
        if self.storage.reached_sessions(reach, found).is_empty() {
            return Err(Refusal::not_found("session", "sessionId").into());
        }
        Ok(())
    }

    fn feed(
        self,
        scope: TenantScope,
        feed: Feed,
        mut watch: Watch,
        after: Option<Cursor>,
    ) -> impl Stream<Item = Result<EventBatch, Error>> + Send {
        async_stream::stream! {
            let _subscriber = self.metrics.subscribed();
            let mut cursor = after.unwrap_or_default();
            let mut settled = false;
            loop {
                watch.mark_seen();
                let page = match self.storage.feed_after(&scope, &feed, cursor, BATCH_EVENTS).await {
                    Ok(page) => page,
                    Err(error) => { yield Err(error); return; }
                };
                let moved = page.last > cursor;
                cursor = page.last;
                let has_more_past_events = page.events.len() == BATCH_EVENTS as usize;
                if !page.events.is_empty() {
                    let events = Arc::new(page.events);
                    yield Ok(EventBatch { events, cursor, has_more_past_events });
                }
                if has_more_past_events || moved {
                    settled = false;
                    continue;
                }
                // What caused the last change may be hidden until an older transaction has ended:
                // one more look a moment later, then the next change or probe.
                if settled {
                    watch.changed().await;
                } else {
                    let _ = tokio::time::timeout(FEED_SETTLES, watch.changed()).await;
                }
                settled = !settled;
            }
        }
    }

    /// Waits until an execution has ended, for the attempt that submitted it.
    ///
    /// # Errors
    /// When it is absent; when the database stays away.
    pub async fn wait_until_terminal(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
    ) -> Result<Box<Execution>, Error> {
        let mut watch = self.hub.watch_execution(id);
        loop {
            watch.mark_seen();
            let looked = match self.storage.has_ended(scope, id).await {
                Ok(Some(false)) => {
                    watch.changed().await;
                    continue;
                }
                // In boxes, or all that wait would have the room for it.
                Ok(_) => Box::pin(self.get(scope, id)).await.map(Box::new),
                Err(error) => Err(error),
            };
            match looked {
                Err(error) if error.is_retryable() => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                looked => return looked,
            }
        }
    }

    /// Refuses an execution that is beyond reach, as one that is not there.
    async fn check_reached(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        id: ExecutionId,
    ) -> Result<(), Error> {
        if self.storage.reaches_execution(scope, reach, id).await? {
            return Ok(());
        }
        Err(Refusal::not_found("execution", "executionId").into())
    }

    async fn get(&self, scope: &TenantScope, id: ExecutionId) -> Result<Execution, Error> {
        let found = self
            .storage
            .find_executions(scope, &[id])
            .await?
            .into_iter()
            .next();
        found.ok_or_else(|| Refusal::not_found("execution", "executionId").into())
    }
}
