//! Changes of a filtered list of executions.

use std::{sync::Arc, time::Duration};

use async_graphql::{ID, SimpleObject};

use super::{counted::Listed, execution::Execution};
use crate::{api::ApiError, events};

/// The least time between two messages when the client does not say, in milliseconds.
const USUAL_PAUSE_MS: i32 = 250;
const SHORTEST_PAUSE_MS: i32 = 100;
const LONGEST_PAUSE_MS: i32 = 5_000;

/// Executions of a filtered list that have changed since the message before.
#[derive(SimpleObject)]
pub(crate) struct ExecutionChanges {
    /// Those that fit the filter, each once and as it is now, in the order in which they first changed; at most 100.
    executions: Listed<Execution>,
    /// The ids of those that do not fit the filter now and may have before: drop them where they are shown. What never
    /// could fit, as an execution of another type, is not among them.
    left_ids: Vec<ID>,
    /// True if more have changed than this message tells, which no later one tells: read the list again.
    overflowed: bool,
    /// Pass it as `after` to go on from here, on any node, after any time.
    cursor: String,
}

impl From<events::ExecutionChanges> for ExecutionChanges {
    fn from(changes: events::ExecutionChanges) -> Self {
        let executions = changes.executions.into_iter().map(Arc::new);
        Self {
            executions: executions.map(Execution).collect(),
            left_ids: changes.left.into_iter().map(ID::from).collect(),
            overflowed: changes.overflowed,
            cursor: changes.cursor.to_string(),
        }
    }
}

/// The least time between two messages that an argument asks for.
pub(crate) fn every(asked_ms: Option<i32>) -> Result<Duration, ApiError> {
    let pause_ms = asked_ms.unwrap_or(USUAL_PAUSE_MS);
    let range = SHORTEST_PAUSE_MS..=LONGEST_PAUSE_MS;
    let pause_ms = u64::try_from(pause_ms)
        .ok()
        .filter(|_| range.contains(&pause_ms));
    let pause_ms = pause_ms.ok_or_else(|| {
        let message = format!("everyMs: expected {SHORTEST_PAUSE_MS} to {LONGEST_PAUSE_MS}");
        ApiError::bad_input(message)
    })?;
    Ok(Duration::from_millis(pause_ms))
}
