//! Following executions: every event as it arrives, to the end, across broken connections.

use std::{cell::RefCell, time::Duration};

use anyhow::Context;
use serde_json::Value;

use super::{
    client::{
        Client, Error,
        operations::{
            GetExecution, WatchExecution, WatchSession, get_execution, watch_execution,
            watch_session,
        },
    },
    field::text,
    show::Show,
};

/// The number of times that a broken connection is made again before the command gives up.
const RECONNECTS: u32 = 10;

/// Returns whether an execution's stream ends with this event.
pub(super) fn is_end(event: &Value) -> bool {
    matches!(
        text(event, "type"),
        "execution.completed" | "execution.failed" | "execution.cancelled"
    )
}

/// Shows events after a cursor until the execution has ended; whether it completed.
pub(super) async fn follow(
    client: &Client,
    id: &str,
    name: &str,
    after: Option<String>,
    show: &RefCell<Show>,
) -> anyhow::Result<bool> {
    let mut completed = None;
    let feed = Feed::Execution(id.to_owned());
    feed.follow(client, after, |event| {
        show.borrow_mut().event(name, event);
        if is_end(event) {
            completed = Some(text(event, "type") == "execution.completed");
        }
        true
    })
    .await?;
    if let Some(completed) = completed {
        return Ok(completed);
    }
    // The stream was already at its end: the execution itself says how it ended.
    let found = client
        .run::<GetExecution>(get_execution::Variables { id: id.to_owned() })
        .await?;
    let execution = found.execution.context("there is no such execution")?;
    Ok(matches!(
        execution.brief.status,
        get_execution::ExecutionStatus::COMPLETED
    ))
}

/// The events that are followed.
#[derive(Debug, Clone)]
pub(super) enum Feed {
    Execution(String),
    Session(String),
}

impl Feed {
    /// Calls `each` for every event after a cursor, in order, until it says to stop or the feed is complete. A broken
    /// connection is made again, and the feed goes on after the last event.
    pub(super) async fn follow(
        &self,
        client: &Client,
        mut after: Option<String>,
        mut each: impl FnMut(&Value) -> bool,
    ) -> Result<(), Error> {
        let mut failures = 0;
        loop {
            let before = after.clone();
            match self.part(client, &mut after, &mut each).await {
                Err(error) if error.is_passing() && failures < RECONNECTS => {
                    failures = if after == before { failures + 1 } else { 1 };
                    tokio::time::sleep(Duration::from_millis(100 << failures.min(6))).await;
                }
                ended => return ended,
            }
        }
    }

    async fn part(
        &self,
        client: &Client,
        after: &mut Option<String>,
        each: &mut impl FnMut(&Value) -> bool,
    ) -> Result<(), Error> {
        let mut subscription = match self {
            Self::Execution(id) => {
                let variables = watch_execution::Variables {
                    id: id.clone(),
                    after: after.clone(),
                };
                client.subscribe::<WatchExecution>(variables).await?
            }
            Self::Session(id) => {
                let variables = watch_session::Variables {
                    id: id.clone(),
                    after: after.clone(),
                };
                client.subscribe::<WatchSession>(variables).await?
            }
        };
        loop {
            let (events, cursor) = match self {
                Self::Execution(_) => match subscription.next::<WatchExecution>().await? {
                    Some(data) => {
                        let batch = data.execution_events;
                        (serde_json::to_value(batch.events), batch.cursor)
                    }
                    None => return Ok(()),
                },
                Self::Session(_) => match subscription.next::<WatchSession>().await? {
                    Some(data) => {
                        let batch = data.session_events;
                        (serde_json::to_value(batch.events), batch.cursor)
                    }
                    None => return Ok(()),
                },
            };
            let events = events.map_err(|e| Error::Protocol(e.to_string()))?;
            for event in events.as_array().into_iter().flatten() {
                if !each(event) {
                    return Ok(());
                }
            }
            *after = Some(cursor);
        }
    }
}
