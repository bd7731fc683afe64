//! The look of events: bars on a terminal, lines in a pipe, JSON when asked for.

use std::collections::HashMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::{
    field::text,
    output::{self, Line, Tone},
};

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
        } else if output::is_terminal() {
            let target = ProgressDrawTarget::stdout();
            Self::Bars(MultiProgress::with_draw_target(target), HashMap::new())
        } else {
            Self::Lines
        }
    }

    /// Shows an event of the execution called `name`.
    pub(super) fn event(&mut self, name: &str, event: &Value) {
        match self {
            Self::Json => output::say_json(event, false),
            Self::Lines => {
                let (kind, detail) = (text(event, "type"), detail(event));
                output::say(&Line::of(&format!(
                    "{} {name} {kind} {detail}",
                    text(event, "occurredAt")
                )));
                if let Some(reason) = reason(event) {
                    output::say(&Line::of(&format!("  {reason}")));
                }
            }
            Self::Bars(all, bars) => {
                let bar = bars
                    .entry(name.to_owned())
                    .or_insert_with(|| new_bar(all, name));
                advance(bar, event);
                if let Some(reason) = reason(event) {
                    // Above the bars, on a line of its own, which the terminal wraps.
                    let line = Line::of(name).then(": ").toned(Tone::Bad, &reason);
                    let _ = all.println(line.rendered(true));
                }
            }
        }
    }
}

/// Moves a bar on to an event.
fn advance(bar: &ProgressBar, event: &Value) {
    let kind = text(event, "type");
    let said = |tone, text: &str| Line::default().toned(tone, text).rendered(true);
    match kind {
        "execution.completed" => {
            bar.set_position(1000);
            bar.finish_with_message(said(Tone::Good, &summary(&event["result"])));
        }
        "execution.failed" => bar.abandon_with_message(said(Tone::Bad, "failed")),
        "execution.cancelled" => bar.abandon_with_message(said(Tone::Warning, "cancelled")),
        _ => {
            if let Some(fraction) = event["fraction"].as_f64() {
                bar.set_position(per_mille(fraction));
            }
            let kind = kind.strip_prefix("execution.").unwrap_or(kind);
            bar.set_message(said(Tone::Plain, &format!("{kind} {}", detail(event))));
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
    if let Ok(style) = ProgressStyle::with_template("{prefix:20!} [{bar:20}] {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(output::clean(name));
    bar
}

/// Why an execution failed or was cancelled, whole.
fn reason(event: &Value) -> Option<String> {
    match text(event, "type") {
        "execution.failed" => Some(problem(&event["error"])),
        "execution.cancelled" => Some(text(event, "reason").to_owned()).filter(|r| !r.is_empty()),
        _ => None,
    }
}

/// An execution's error in one line.
pub(super) fn problem(error: &Value) -> String {
    format!("{}: {}", text(error, "code"), text(error, "message"))
}

/// Returns the text of an event besides its type.
fn detail(event: &Value) -> String {
    match text(event, "type") {
        "execution.started" => format!("attempt {}", event["attempt"]),
        "execution.retrying" => format!(
            "attempt {} failed: {}; next at {}",
            event["attempt"],
            problem(&event["error"]),
            text(event, "nextAttemptAt")
        ),
        "execution.cancel_requested" => text(event, "reason").to_owned(),
        "execution.completed" => summary(&event["result"]),
        "step.started" | "step.completed" => text(event, "name").to_owned(),
        "progress.reported" => {
            let percent = per_mille(event["fraction"].as_f64().unwrap_or_default()) / 10;
            format!("{percent} % {}", text(event, "message"))
        }
        "artifact.registered" => {
            let artifact = &event["artifact"];
            let id = output::id(text(artifact, "id"));
            format!("{} {id}", text(artifact, "artifactType"))
        }
        "artifact.transitioned" => format!("{} to {}", text(event, "from"), text(event, "to")),
        "child.submitted" => {
            let child = &event["child"];
            let id = output::id(text(child, "id"));
            format!("{} {id}", text(&child["intent"], "intentType"))
        }
        _ if event["payload"].is_null() => String::new(),
        _ => in_short(&event["payload"]),
    }
}

/// The longest JSON that a line shows.
const MOST_CHARS: usize = 60;

/// Returns a result in short: the rows, if it counts some; itself, if it is short; else its parts.
fn summary(result: &Value) -> String {
    match rows(result, 4) {
        Some(1) => "1 row".to_owned(),
        Some(rows) => format!("{} rows", output::grouped(rows)),
        None if result.is_null() => "done".to_owned(),
        None => in_short(result),
    }
}

/// The last count of records within a result.
fn rows(value: &Value, depth: usize) -> Option<u64> {
    let object = value.as_object()?;
    let own = object.get("record_count").and_then(Value::as_u64);
    let within = || {
        let below = depth.checked_sub(1)?;
        object.values().rev().find_map(|inner| rows(inner, below))
    };
    own.or_else(within)
}

/// A value of one line, never cut in the middle: `--json` has everything.
fn in_short(value: &Value) -> String {
    let whole = value.to_string();
    if whole.chars().count() <= MOST_CHARS {
        return whole;
    }
    match value {
        Value::Object(parts) => {
            let names: Vec<&str> = parts.keys().map(String::as_str).collect();
            let names = names.join(", ");
            if names.chars().count() <= MOST_CHARS {
                format!("has {names}")
            } else {
                format!("has {} parts", parts.len())
            }
        }
        Value::Array(items) => format!("has {} items", output::grouped(items.len() as u64)),
        _ => format!("is {} characters long", whole.chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_result_is_summed_up_and_never_cut() {
        let long = "x".repeat(100);
        for (result, text) in [
            (json!({"record_count": 4883}), "4,883 rows"),
            (
                json!({"steps": {"parse": {"result": {"record_count": 1}}}}),
                "1 row",
            ),
            (json!({"text": "Hello, Ann!"}), "{\"text\":\"Hello, Ann!\"}"),
            (json!({"a": long, "b": 1}), "has a, b"),
            (json!([long, 1]), "has 2 items"),
            (json!(long), "is 102 characters long"),
            (json!(null), "done"),
        ] {
            assert_eq!(summary(&result), text);
        }
    }
}
