//! Following executions: every lifecycle event as it arrives, to the end, across broken connections.

use std::{collections::HashMap, io::IsTerminal, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use super::{
    client::{
        Client, Error,
        operations::{WatchExecution, WatchSession, watch_execution, watch_session},
    },
    output,
};

/// How often a broken connection is made again before the command gives up.
const RECONNECTS: u32 = 10;

/// Where events are shown.
pub(super) enum Show {
    /// One JSON object a line.
    Json,
    /// One line an event.
    Lines,
    /// A bar an execution.
    Bars(MultiProgress, HashMap<String, ProgressBar>),
}

impl Show {
    /// Bars on a terminal, lines in a pipe, JSON when asked for.
    pub(super) fn new(json: bool) -> Self {
        if json {
            Self::Json
        } else if std::io::stdout().is_terminal() {
            Self::Bars(MultiProgress::new(), HashMap::new())
        } else {
            Self::Lines
        }
    }

    /// Shows an event of the execution called `name`.
    pub(super) fn event(&mut self, name: &str, event: &Value) {
        let (kind, detail) = (text(event, "type"), detail(event));
        match self {
            Self::Json => output::say_json(event, false),
            Self::Lines => {
                let line = format!("{} {name} {kind} {detail}", text(event, "occurredAt"));
                output::say(line.trim_end());
            }
            Self::Bars(all, bars) => {
                let bar = bars
                    .entry(name.to_owned())
                    .or_insert_with(|| new_bar(all, name));
                bar.set_message(format!("{kind} {detail}"));
                if let Some(fraction) = event["fraction"].as_f64() {
                    bar.set_position(per_mille(fraction));
                }
                match kind {
                    "execution.completed" => {
                        bar.set_position(1000);
                        bar.finish();
                    }
                    "execution.failed" | "execution.cancelled" => bar.abandon(),
                    _ => {}
                }
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is between 0 and 1000"
)]
fn per_mille(fraction: f64) -> u64 {
    (fraction.clamp(0.0, 1.0) * 1000.0) as u64
}

fn new_bar(all: &MultiProgress, name: &str) -> ProgressBar {
    let bar = all.add(ProgressBar::new(1000));
    if let Ok(style) = ProgressStyle::with_template("{prefix:24!} [{bar:30}] {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(name.to_owned());
    bar
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// What an event says besides its type.
fn detail(event: &Value) -> String {
    match text(event, "type") {
        "execution.started" => format!("attempt {}", event["attempt"]),
        "execution.retrying" => format!(
            "attempt {} failed: {} {}; next at {}",
            event["attempt"],
            text(&event["error"], "code"),
            text(&event["error"], "message"),
            text(event, "nextAttemptAt")
        ),
        "execution.failed" => {
            format!(
                "{} {}",
                text(&event["error"], "code"),
                text(&event["error"], "message")
            )
        }
        "execution.cancelled" | "execution.cancel_requested" => text(event, "reason").to_owned(),
        "execution.completed" => shortened(&event["result"].to_string()),
        "step.completed" => text(event, "name").to_owned(),
        "progress.reported" => {
            format!(
                "{} % {}",
                per_mille(event["fraction"].as_f64().unwrap_or_default()) / 10,
                text(event, "message")
            )
        }
        "artifact.registered" => {
            let artifact = &event["artifact"];
            format!(
                "{} {}",
                text(artifact, "artifactType"),
                text(artifact, "id")
            )
        }
        "artifact.transitioned" => format!("{} to {}", text(event, "from"), text(event, "to")),
        "child.submitted" => {
            let child = &event["child"];
            format!(
                "{} {}",
                text(&child["intent"], "intentType"),
                text(child, "id")
            )
        }
        _ if event["payload"].is_null() => String::new(),
        _ => shortened(&event["payload"].to_string()),
    }
}

/// A line is for reading; `--json` has everything.
fn shortened(text: &str) -> String {
    const MOST_CHARS: usize = 120;
    if text.chars().count() <= MOST_CHARS {
        return text.to_owned();
    }
    text.chars().take(MOST_CHARS).chain("…".chars()).collect()
}

/// Whether an execution's stream ends with this event.
pub(super) fn is_end(event: &Value) -> bool {
    matches!(
        text(event, "type"),
        "execution.completed" | "execution.failed" | "execution.cancelled"
    )
}

/// What is followed.
#[derive(Debug, Clone)]
pub(super) enum Feed {
    Execution(String),
    Session(String),
}

impl Feed {
    /// Calls `each` for every event in order until it says to stop or the feed is complete. A broken
    /// connection is made again, and the feed goes on after the last event.
    pub(super) async fn follow(
        &self,
        client: &Client,
        mut each: impl FnMut(&Value) -> bool,
    ) -> Result<(), Error> {
        let mut after: Option<String> = None;
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
