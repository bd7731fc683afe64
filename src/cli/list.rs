//! `takeoff executions`, `takeoff artifacts` and `takeoff types`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{
    client::{
        Client, Target,
        operations::{
            ListArtifacts, ListExecutions, ListIntentTypes, list_artifacts, list_executions,
            list_intent_types,
        },
    },
    failure,
    field::text,
    names::Kind,
    output::{self, Line, Tone},
    paging::{Paging, Part},
    show::problem,
    submit::parameter,
    typescript,
};

/// Which executions to list.
#[derive(Debug, Clone, Args)]
pub(super) struct Executions {
    /// Only of this status; may be repeated.
    #[arg(long, ignore_case = true,
        value_parser = ["CREATED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"])]
    status: Vec<String>,
    /// Only of this intent type; may be repeated.
    #[arg(long = "type")]
    intent_type: Vec<String>,
    /// Only of this session.
    #[arg(long)]
    session: Option<String>,
    /// Only those that no other execution submitted.
    #[arg(long)]
    roots: bool,
    /// Only the one that `submit` with this key finds, in whatever session.
    #[arg(long)]
    key: Option<String>,
    /// Only of this handler; may be repeated.
    #[arg(long)]
    handler: Vec<String>,
    /// Only those that failed with this code; may be repeated.
    #[arg(long)]
    error_code: Vec<String>,
    /// Only with this in the intent's metadata; may be repeated. The value is JSON if it can be read as
    /// JSON, else text.
    #[arg(long, value_name = "NAME=VALUE")]
    metadata: Vec<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    target: Target,
}

/// Which artifacts to list.
#[derive(Debug, Clone, Args)]
pub(super) struct Artifacts {
    /// Only of this type; may be repeated.
    #[arg(long = "type")]
    artifact_type: Vec<String>,
    /// Only in this state; may be repeated.
    #[arg(long, ignore_case = true,
        value_parser = ["PENDING", "READY", "FAILED", "ARCHIVED", "DELETED"])]
    state: Vec<String>,
    /// Only what this intent type takes as input.
    #[arg(long)]
    eligible_for: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    target: Target,
}

/// Which intent types to show.
#[derive(Debug, Clone, Args)]
pub(super) struct Types {
    /// One type, with the JSON Schema of its parameters.
    name: Option<String>,
    /// Print a module of TypeScript with the types of the parameters, for the typed `submit` of the client.
    #[arg(long)]
    ts: bool,
    #[command(flatten)]
    target: Target,
}

/// A name of an enum of the schema, as the generated type reads it.
pub(super) fn named<T: serde::de::DeserializeOwned>(
    names: &[String],
) -> anyhow::Result<Option<Vec<T>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let read = |name: &String| Ok(serde_json::from_value(json!(name.to_uppercase()))?);
    names
        .iter()
        .map(read)
        .collect::<anyhow::Result<Vec<T>>>()
        .map(Some)
}

fn some(values: &[String]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.to_vec())
}

/// Reads the pairs of `--metadata`; `member` makes the generated type of each.
pub(super) fn noted<T>(
    texts: &[String],
    member: impl Fn(String, Value) -> T,
) -> anyhow::Result<Option<Vec<T>>> {
    if texts.is_empty() {
        return Ok(None);
    }
    let read = |text: &String| parameter(text).map(|(name, value)| member(name, value));
    let members: anyhow::Result<Vec<T>> = texts.iter().map(read).collect();
    members.map(Some)
}

/// An execution in a list: on a terminal the reason of a failure has a line of its own.
pub(super) fn execution_lines(node: &Value) -> Vec<Line> {
    let status = text(node, "status");
    let line = Line::default()
        .column(Tone::Faint, &output::id(text(node, "id")), 10)
        .column(Tone::of(status), status, 9)
        .column(Tone::Plain, text(&node["intent"], "intentType"), 31)
        .column(Tone::Plain, &format!("attempt {}", node["attempt"]), 10)
        .then(&output::time(text(node, "createdAt")));
    let error = &node["error"];
    if error.is_null() {
        vec![line]
    } else if output::is_terminal() {
        let reason = Line::of("  ").toned(Tone::Bad, &problem(error));
        vec![line, reason]
    } else {
        vec![line.then(" ").then(&problem(error))]
    }
}

fn artifact_line(node: &Value) -> Vec<Line> {
    let state = text(node, "lifecycleState");
    let line = Line::default()
        .column(Tone::Faint, &output::id(text(node, "id")), 10)
        .column(Tone::of(state), state, 8)
        .column(Tone::Plain, text(node, "artifactType"), 26)
        .then(text(node, "displayName"));
    vec![line]
}

impl Executions {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let session_id = match &self.session {
            Some(session) => Some(Kind::Session.whole(&client, session).await?),
            None => None,
        };
        let metadata = noted(&self.metadata, |key, value| {
            list_executions::MetadataFilter { key, value }
        })?;
        let filter = list_executions::ExecutionFilter {
            status: named(&self.status)?,
            intent_type: some(&self.intent_type),
            session_id,
            created_after: None,
            created_before: None,
            roots_only: self.roots.then_some(true),
            idempotency_key: self.key.clone(),
            metadata,
            handler_name: some(&self.handler),
            rerun_of: None,
            waiting_for: None,
            error_code: some(&self.error_code),
            finished_after: None,
            finished_before: None,
        };
        let list = self.paging.collect(async |first, after| {
            let variables = list_executions::Variables {
                filter: Some(filter.clone()),
                first: Some(first),
                after,
            };
            Part::of(&client.run::<ListExecutions>(variables).await?.executions)
        });
        let list = list.await?;
        list.say(self.target.json, "such executions", execution_lines);
        Ok(ExitCode::SUCCESS)
    }
}

impl Artifacts {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let filter = list_artifacts::ArtifactFilter {
            artifact_type: some(&self.artifact_type),
            lifecycle_state: named(&self.state)?,
            eligible_for: self.eligible_for.clone(),
            execution_id: None,
            session_id: None,
            created_after: None,
            created_before: None,
            name_contains: None,
        };
        let list = self.paging.collect(async |first, after| {
            let variables = list_artifacts::Variables {
                filter: Some(filter.clone()),
                first: Some(first),
                after,
            };
            Part::of(&client.run::<ListArtifacts>(variables).await?.artifacts)
        });
        let list = list.await?;
        list.say(self.target.json, "such artifacts", artifact_line);
        Ok(ExitCode::SUCCESS)
    }
}

impl Types {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let variables = list_intent_types::Variables {};
        let found = client.run::<ListIntentTypes>(variables).await?;
        let all = serde_json::to_value(found.intent_types)?;
        let all = all.as_array().cloned().unwrap_or_default();
        let is_wanted = |one: &Value| self.name.as_deref().is_none_or(|n| n == text(one, "name"));
        let wanted: Vec<&Value> = all.iter().filter(|one| is_wanted(one)).collect();
        if let (Some(name), true) = (&self.name, wanted.is_empty()) {
            failure::report(
                &anyhow::anyhow!("there is no intent type {name}"),
                self.target.json,
            );
            return Ok(ExitCode::from(1));
        }
        if self.ts {
            let module = typescript::module(&wanted);
            output::say_lines(module.trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        if self.target.json {
            output::say_json(&wanted, true);
            return Ok(ExitCode::SUCCESS);
        }
        for one in wanted {
            for handler in one["handlers"].as_array().into_iter().flatten() {
                let mut line = Line::default()
                    .column(Tone::Good, text(one, "name"), 31)
                    .column(Tone::Faint, text(handler, "handlerName"), 10);
                if handler["remote"] == true {
                    line = line.toned(Tone::Warning, "(remote) ");
                }
                output::say(&line);
                output::say(&Line::of("  ").then(text(handler, "description")));
                if self.name.is_some() {
                    output::say_lines(&output::json(&handler["parametersSchema"], true));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
