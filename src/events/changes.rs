//! The changes of a filtered list of executions, put together over a short time.
//!
//! Nothing is kept between two messages but a place in the log. Each look reads from there on which executions have
//! changed, and then those that fit: a page that takes its messages slowly, or comes back later, is told of each
//! execution once, as it is then.

use std::time::Duration;

use futures::Stream;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Events, FEED_SETTLES, hub::Watch};
use crate::{
    model::{
        Action, Cursor, Execution, ExecutionId, Principal, Reach, Refusal, SessionKey, TenantScope,
    },
    storage::{Error, ExecutionFilter, Reading},
};

/// The most executions of one message.
pub const MOST_CHANGES: usize = 100;
/// Parts of the log that are looked at for one message. A list that is further behind is read again sooner than told.
const MOST_LOOKS: usize = 16;

/// Changes of a filtered list.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionChanges {
    /// Those that have changed and fit, each once and as it is now.
    pub executions: Vec<Execution>,
    /// Those that have changed and do not fit, and may have fitted before.
    pub left: Vec<ExecutionId>,
    /// True if more have changed than are told.
    pub overflowed: bool,
    /// Where to go on from.
    pub cursor: Cursor,
}

impl ExecutionChanges {
    fn none_behind(cursor: Cursor) -> Self {
        Self {
            executions: Vec::new(),
            left: Vec::new(),
            overflowed: false,
            cursor,
        }
    }

    fn is_empty(&self) -> bool {
        self.executions.is_empty() && self.left.is_empty() && !self.overflowed
    }
}

/// A list whose changes are followed.
struct List {
    events: Events,
    scope: TenantScope,
    filter: ExecutionFilter,
    watch: Watch,
}

impl Events {
    /// What changes in a list of executions, in messages that are at least `pause` apart: behind a cursor, or from now
    /// on. The latter begins with an empty message that has the cursor.
    ///
    /// A caller who may read what is their own alone follows a session of theirs.
    ///
    /// # Errors
    /// [`Error::Refused`] when that is not permitted, or the session beyond reach; [`Error::CursorTrimmed`] when
    /// events behind the cursor are no longer kept; [`Error::CursorExpired`] when it names an event that is not in the
    /// log.
    pub async fn watch_changes(
        &self,
        principal: &Principal,
        filter: ExecutionFilter,
        after: Option<Cursor>,
        pause: Duration,
    ) -> Result<impl Stream<Item = Result<ExecutionChanges, Error>> + Send + use<>, Error> {
        let scope = principal.scope();
        let filter = self.within_reach(principal, &scope, filter).await?;
        // Interest is registered before the place is known, or what happens between would be told late.
        let watch = match filter.session_id {
            Some(id) => self.hub.watch_session(SessionKey::of(&scope, id)),
            None => self.hub.watch_tenant(principal.tenant().clone()),
        };
        let begins_now = after.is_none();
        let cursor = if let Some(cursor) = after {
            self.check_place(&scope, &filter, cursor).await?;
            cursor
        } else {
            let last = self.storage.last_place(&scope, filter.session_id).await?;
            last.unwrap_or_default()
        };
        let list = List {
            events: self.clone(),
            scope,
            filter,
            watch,
        };
        Ok(list.follow(cursor, begins_now, pause))
    }

    /// The filter with what whoever asks may follow.
    async fn within_reach(
        &self,
        principal: &Principal,
        scope: &TenantScope,
        mut filter: ExecutionFilter,
    ) -> Result<ExecutionFilter, Error> {
        let action = Action::ReadExecutions;
        let reach = principal.check(action)?;
        if reach.is_whole() {
            return Ok(filter);
        }
        filter.idempotency_key = filter.idempotency_key.map(|key| reach.own_key(key));
        match (filter.session_id, &reach) {
            (Some(id), _) => {
                if !self.storage.reaches_session(scope, &reach, id).await? {
                    return Err(Refusal::not_found("session", "sessionId").into());
                }
            }
            (None, Reach::Session(own)) => filter.session_id = Some(*own),
            // The log of a user is in no one place.
            (None, _) => principal.check_all(action)?,
        }
        Ok(filter)
    }

    async fn check_place(
        &self,
        scope: &TenantScope,
        filter: &ExecutionFilter,
        cursor: Cursor,
    ) -> Result<(), Error> {
        let reading = filter.session_id.map_or(Reading::Tenant, Reading::Session);
        match self.storage.check_position(scope, reading, cursor).await {
            // It was given out while nothing had happened.
            Err(Error::CursorExpired { .. }) if cursor == Cursor::default() => Ok(()),
            checked => checked,
        }
    }
}

impl List {
    fn follow(
        mut self,
        mut cursor: Cursor,
        begins_now: bool,
        pause: Duration,
    ) -> impl Stream<Item = Result<ExecutionChanges, Error>> + Send {
        async_stream::stream! {
            let _subscriber = self.events.metrics.subscribed();
            if begins_now {
                yield Ok(ExecutionChanges::none_behind(cursor));
            }
            let mut settled = false;
            loop {
                self.watch.mark_seen();
                let changes = match self.changes_behind(cursor).await {
                    Ok(changes) => changes,
                    Err(error) => { yield Err(error); return; }
                };
                let moved = changes.cursor > cursor;
                cursor = changes.cursor;
                if !changes.is_empty() {
                    yield Ok(changes);
                }
                // From when the message was taken.
                let next = Instant::now() + pause;
                if moved {
                    settled = false;
                    sleep_until(next).await;
                    continue;
                }
                // As in a feed, what caused the last change may be hidden for a moment.
                if settled {
                    self.watch.changed().await;
                    sleep_until(next).await;
                } else {
                    let _ = timeout(FEED_SETTLES, self.watch.changed()).await;
                }
                settled = !settled;
            }
        }
    }

    /// What has changed behind a place, up to the end of the log.
    async fn changes_behind(&self, cursor: Cursor) -> Result<ExecutionChanges, Error> {
        let (storage, scope, filter) = (&self.events.storage, &self.scope, &self.filter);
        let mut changes = ExecutionChanges::none_behind(cursor);
        let mut ids: Vec<ExecutionId> = Vec::new();
        for _ in 0..MOST_LOOKS {
            let found = storage.changed_executions(scope, filter, changes.cursor);
            let found = found.await?;
            changes.cursor = found.last;
            let new = found.ids.into_iter().filter(|id| !ids.contains(id));
            let new: Vec<_> = new.collect();
            changes.overflowed = found.has_more;
            let room = MOST_CHANGES.saturating_sub(ids.len());
            if new.len() > room {
                changes.overflowed = true;
                ids.extend(&new[..room]);
                break;
            }
            ids.extend(new);
            if !found.has_more {
                break;
            }
        }
        if changes.overflowed {
            // The list will be read again, which shows what is in between.
            let end = storage.last_place(scope, filter.session_id).await?;
            changes.cursor = end.map_or(changes.cursor, |end| end.max(changes.cursor));
        }
        let found = storage.find_changes(scope, filter, &ids).await?;
        (changes.executions, changes.left) = (found.fitting, found.left);
        Ok(changes)
    }
}
