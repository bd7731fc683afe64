//! `takeoff show`, `takeoff cancel` and `takeoff rerun`.

use std::{cell::RefCell, process::ExitCode};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::{
    client::{
        Client, Target,
        operations::{
            CancelExecution, GetArtifact, GetExecution, RerunExecution, cancel_execution,
            get_artifact, get_execution, rerun_execution,
        },
        refusal,
    },
    field::text,
    follow::follow,
    names::Kind,
    output::{self, Line, Tone},
    show::{Show, problem},
};

/// The arguments of `show`.
#[derive(Debug, Clone, Args)]
pub(super) struct Inspect {
    /// An execution or an artifact.
    id: String,
    #[command(flatten)]
    target: Target,
}

/// The arguments of `cancel`.
#[derive(Debug, Clone, Args)]
pub(super) struct Cancel {
    /// The execution; its children are cancelled with it.
    execution: String,
    /// The reason.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// The arguments of `rerun`.
#[derive(Debug, Clone, Args)]
pub(super) struct Rerun {
    /// The execution; it must have ended.
    execution: String,
    /// Makes a repetition of the command find the same new execution.
    #[arg(long)]
    key: Option<String>,
    /// Show events until the new execution has ended.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    target: Target,
}

/// One fact about a thing.
pub(super) fn fact(name: &str, tone: Tone, value: &str) {
    if !value.is_empty() {
        output::say(
            &Line::default()
                .column(Tone::Faint, name, 11)
                .toned(tone, value),
        );
    }
}

fn plain(name: &str, value: &str) {
    fact(name, Tone::Plain, value);
}

fn when(name: &str, value: &Value) {
    if let Some(time) = value.as_str() {
        let ago = output::time(time);
        let text = if ago == time {
            ago
        } else {
            format!("{time} ({ago})")
        };
        plain(name, &text);
    }
}

pub(super) fn document(name: &str, value: &Value) {
    if value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty) {
        return;
    }
    output::say(&Line::default().toned(Tone::Faint, name));
    for line in output::json(value, true).lines() {
        output::say(&Line::of("  ").then(line));
    }
}

impl Inspect {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        if self.id.starts_with("art_") {
            let id = Kind::Artifact.whole(&client, &self.id).await?;
            let variables = get_artifact::Variables { id };
            let found = client.run::<GetArtifact>(variables).await?.artifact;
            self.say(&serde_json::to_value(found)?, artifact)
        } else {
            let id = Kind::Execution.whole(&client, &self.id).await?;
            let variables = get_execution::Variables { id };
            let found = client.run::<GetExecution>(variables).await?.execution;
            self.say(&serde_json::to_value(found)?, execution)
        }
    }

    fn say(&self, found: &Value, say: impl Fn(&Value)) -> anyhow::Result<ExitCode> {
        anyhow::ensure!(!found.is_null(), "there is nothing with the id {}", self.id);
        if self.target.json {
            output::say_json(found, true);
        } else {
            say(found);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What it waits for, with the name of a limit.
fn waiting(found: &Value) -> String {
    let reason = text(found, "waitingFor");
    match text(found, "waitingForLimit") {
        "" => reason.to_owned(),
        limit => format!("{reason} {limit}"),
    }
}

fn execution(found: &Value) {
    let status = text(found, "status");
    plain("execution", text(found, "id"));
    plain("type", text(&found["intent"], "intentType"));
    fact("status", Tone::of(status), status);
    plain("waiting for", &waiting(found));
    if !found["error"].is_null() {
        fact("error", Tone::Bad, &problem(&found["error"]));
    }
    plain("attempt", &found["attempt"].to_string());
    plain("handler", text(found, "handlerName"));
    plain("session", text(&found["intent"]["session"], "id"));
    plain("submitted by", text(found, "submittedBy"));
    plain("parent", text(&found["parent"], "id"));
    plain("rerun of", text(&found["rerunOf"], "id"));
    for (name, field) in [
        ("created", "createdAt"),
        ("run at", "runAt"),
        ("started", "startedAt"),
        ("finished", "finishedAt"),
    ] {
        when(name, &found[field]);
    }
    for step in found["steps"].as_array().into_iter().flatten() {
        plain("step", text(step, "name"));
    }
    for child in found["children"]["nodes"].as_array().into_iter().flatten() {
        let status = text(child, "status");
        let line = Line::default()
            .column(Tone::Faint, "child", 11)
            .column(Tone::Faint, &output::id(text(child, "id")), 10)
            .column(Tone::of(status), status, 9)
            .then(text(&child["intent"], "intentType"));
        output::say(&line);
        if !child["error"].is_null() {
            fact("", Tone::Bad, &problem(&child["error"]));
        }
    }
    for artifact in found["artifacts"]["nodes"].as_array().into_iter().flatten() {
        let state = text(artifact, "lifecycleState");
        let line = Line::default()
            .column(Tone::Faint, "artifact", 11)
            .column(Tone::Faint, &output::id(text(artifact, "id")), 10)
            .column(Tone::of(state), state, 9)
            .then(text(artifact, "artifactType"))
            .then(" ")
            .then(text(artifact, "displayName"));
        output::say(&line);
    }
    document("result", &found["result"]);
}

fn artifact(found: &Value) {
    let state = text(found, "lifecycleState");
    plain("artifact", text(found, "id"));
    plain("type", text(found, "artifactType"));
    fact("state", Tone::of(state), state);
    plain("name", text(found, "displayName"));
    plain("owner", text(found, "owner"));
    plain("purpose", text(found, "purpose"));
    plain("made by", text(&found["producedBy"], "intentType"));
    plain("execution", text(&found["producedBy"]["execution"], "id"));
    when("created", &found["createdAt"]);
    for parent in found["parents"]["nodes"].as_array().into_iter().flatten() {
        let id = output::id(text(parent, "id"));
        let name = text(parent, "displayName");
        plain(
            "made from",
            &format!("{id} {} {name}", text(parent, "artifactType")),
        );
    }
    for form in found["materializations"].as_array().into_iter().flatten() {
        let size = text(form, "sizeBytes").parse().unwrap_or_default();
        let size = output::grouped(size);
        plain("content", &format!("{} {size} bytes", text(form, "format")));
        plain("sha-256", text(form, "digest"));
    }
    document("described", &found["semanticDescriptor"]);
}

impl Cancel {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let input = cancel_execution::CancelExecutionInput {
            execution_id: Kind::Execution.whole(&client, &self.execution).await?,
            reason: self.reason,
        };
        let variables = cancel_execution::Variables { input };
        let answer = client.run::<CancelExecution>(variables).await?;
        refusal(&answer.cancel_execution.errors)?;
        let execution = answer.cancel_execution.execution;
        let execution = execution.context("the server names no execution")?;
        if self.target.json {
            output::say_json(&execution, true);
            return Ok(ExitCode::SUCCESS);
        }
        let shown = serde_json::to_value(&execution)?;
        let status = text(&shown, "status");
        let line = Line::of(&execution.id).then(" ");
        // It goes on to run until its handler has stopped.
        let line = match status {
            "CANCELLED" => line.toned(Tone::of(status), status),
            _ => line.toned(Tone::Warning, "is being cancelled"),
        };
        output::say(&line);
        Ok(ExitCode::SUCCESS)
    }
}

impl Rerun {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let input = rerun_execution::RerunExecutionInput {
            execution_id: Kind::Execution.whole(&client, &self.execution).await?,
            idempotency_key: self.key,
        };
        let variables = rerun_execution::Variables { input };
        let answer = client
            .run::<RerunExecution>(variables)
            .await?
            .rerun_execution;
        refusal(&answer.errors)?;
        let execution = answer.execution.context("the server names no execution")?;
        if self.watch {
            let show = RefCell::new(Show::new(self.target.json));
            let name = &execution.intent.intent_type;
            let completed = follow(&client, &execution.id, name, None, &show).await?;
            return Ok(ExitCode::from(u8::from(!completed)));
        }
        if self.target.json {
            output::say_json(&execution, true);
        } else {
            output::say_text(&execution.id);
        }
        Ok(ExitCode::SUCCESS)
    }
}
