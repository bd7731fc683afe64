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
    follow::text,
    names::{Kind, say_if_empty},
    output::{self, Line, Tone},
    show::problem,
};

/// Which part of a list to show.
#[derive(Debug, Clone, Args)]
pub(super) struct Paging {
    /// How many at most, newest first.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Go on after this cursor, which an earlier call named.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// All of them, however many.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// A page of a list, and where the next one begins.
pub(super) type Page = (Vec<Value>, Option<String>);

impl Paging {
    /// Items of a list, page by page.
    pub(super) async fn collect(
        &self,
        mut page: impl AsyncFnMut(i64, Option<String>) -> anyhow::Result<Page>,
    ) -> anyhow::Result<Page> {
        const LARGEST: usize = 200;
        let most = if self.all { usize::MAX } else { self.limit };
        let (mut items, mut after) = (Vec::new(), self.after.clone());
        loop {
            let wanted = (most - items.len()).min(LARGEST);
            let (more, next) = page(i64::try_from(wanted)?, after).await?;
            items.extend(more);
            after = next;
            if after.is_none() || items.len() >= most {
                return Ok((items, after));
            }
        }
    }
}

/// Shows a list: as JSON, or a line an item; then where it goes on, beside the output.
pub(super) fn say_list(page: &Page, is_json: bool, what: &str, line: impl Fn(&Value) -> Vec<Line>) {
    let (items, next) = page;
    if is_json {
        output::say_json(items, true);
    } else {
        items
            .iter()
            .flat_map(line)
            .for_each(|line| output::say(&line));
        say_if_empty(items.is_empty(), what);
    }
    match next {
        Some(after) if is_json => output::complain_json(&json!({"more": {"after": after}})),
        Some(after) => output::complain(&format!("there are more: --after {after}")),
        None => {}
    }
}

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
        let page = self.paging.collect(async |first, after| {
            let filter = list_executions::ExecutionFilter {
                status: named(&self.status)?,
                intent_type: some(&self.intent_type),
                session_id: session_id.clone(),
                created_after: None,
                created_before: None,
            };
            let variables = list_executions::Variables {
                filter: Some(filter),
                first: Some(first),
                after,
            };
            let page = client.run::<ListExecutions>(variables).await?.executions;
            let next = page
                .page_info
                .end_cursor
                .filter(|_| page.page_info.has_next_page);
            let nodes: Result<_, _> = page.nodes.iter().map(serde_json::to_value).collect();
            Ok((nodes?, next))
        });
        say_list(
            &page.await?,
            self.target.json,
            "such executions",
            execution_lines,
        );
        Ok(ExitCode::SUCCESS)
    }
}

impl Artifacts {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let page = self.paging.collect(async |first, after| {
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
            let variables = list_artifacts::Variables {
                filter: Some(filter),
                first: Some(first),
                after,
            };
            let page = client.run::<ListArtifacts>(variables).await?.artifacts;
            let next = page
                .page_info
                .end_cursor
                .filter(|_| page.page_info.has_next_page);
            let nodes: Result<_, _> = page.nodes.iter().map(serde_json::to_value).collect();
            Ok((nodes?, next))
        });
        say_list(
            &page.await?,
            self.target.json,
            "such artifacts",
            artifact_line,
        );
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
