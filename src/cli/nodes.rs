//! `takeoff nodes`, `takeoff drain` and `takeoff undrain`.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::{
    client::{
        Client, Target,
        operations::{DrainNode, ListNodes, UndrainNode, drain_node, list_nodes, undrain_node},
        refusal,
    },
    field::text,
    keys::duration,
    output::{self, Line, Tone},
};

/// The period at which `drain --wait` looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The arguments of `nodes`.
#[derive(Debug, Clone, Args)]
pub(super) struct Nodes {
    #[command(flatten)]
    target: Target,
}

/// The arguments of `drain`.
#[derive(Debug, Clone, Args)]
pub(super) struct Drain {
    /// The node: its name, its id, or the beginning of its id.
    node: String,
    /// Hand over what still runs there after this time, such as 30s, 10m or 0s; when left out it may end there.
    #[arg(long, value_name = "TIME", value_parser = time_or_none)]
    hand_over_after: Option<Duration>,
    /// Wait until the node holds nothing any more.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    target: Target,
}

/// The arguments of `undrain`.
#[derive(Debug, Clone, Args)]
pub(super) struct Undrain {
    /// The node: its name, its id, or the beginning of its id.
    node: String,
    #[command(flatten)]
    target: Target,
}

/// A time, which may be none at all.
fn time_or_none(text: &str) -> Result<Duration, String> {
    if text == "0s" {
        return Ok(Duration::ZERO);
    }
    duration(text)
}

/// The nodes that are alive, oldest first.
async fn live(client: &Client) -> anyhow::Result<Vec<Value>> {
    let found = client.run::<ListNodes>(list_nodes::Variables {}).await?;
    let nodes = found.runtime.nodes.iter().map(serde_json::to_value);
    Ok(nodes.collect::<Result<_, _>>()?)
}

/// The id of the one node that is meant.
async fn named(client: &Client, wanted: &str) -> anyhow::Result<String> {
    let nodes = live(client).await?;
    let is_meant = |node: &&Value| {
        let id = text(node, "id");
        let begins = wanted.len() > "nod_".len() && id.starts_with(wanted);
        text(node, "name") == wanted || id == wanted || begins
    };
    let mut meant = nodes.iter().filter(is_meant);
    let first = meant.next();
    let node = first.with_context(|| format!("there is no living node {wanted}"))?;
    anyhow::ensure!(
        meant.next().is_none(),
        "several nodes are {wanted}; take the id of one, as `takeoff nodes --json` prints it"
    );
    Ok(text(node, "id").to_owned())
}

fn line(node: &Value) -> Line {
    let state = text(node, "state");
    let tone = if state == "ACTIVE" {
        Tone::Good
    } else {
        Tone::Warning
    };
    let labels = node["labels"].as_array().into_iter().flatten();
    let labels: Vec<_> = labels
        .map(|label| format!("{}={}", text(label, "name"), text(label, "value")))
        .collect();
    let load = format!("{} of {}", node["running"], node["capacity"]);
    let started = format!("started {}", output::time(text(node, "startedAt")));
    let line = Line::default()
        .column(Tone::Faint, &output::id(text(node, "id")), 10)
        .column(Tone::Plain, text(node, "name"), 22)
        .column(tone, state, 8)
        .column(Tone::Plain, &load, 14)
        .column(Tone::Plain, text(node, "version"), 8)
        .then(&started);
    let line = match node["heartbeatAt"].as_str() {
        Some(at) => line.then(", renewed ").then(&output::time(at)),
        None => line,
    };
    if labels.is_empty() {
        return line;
    }
    line.then(" ").toned(Tone::Faint, &labels.join(","))
}

impl Nodes {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let nodes = live(&Client::new(&self.target)).await?;
        if self.target.json {
            output::say_json(&nodes, true);
        } else {
            for node in &nodes {
                output::say(&line(node));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Drain {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let id = named(&client, &self.node).await?;
        let seconds = self.hand_over_after.map(|time| time.as_secs());
        let seconds = seconds.map(i64::try_from).transpose()?;
        let input = drain_node::DrainNodeInput {
            id: id.clone(),
            hand_over_after_seconds: seconds,
        };
        let answer = client.run::<DrainNode>(drain_node::Variables { input });
        let answer = answer.await?.drain_node;
        refusal(&answer.errors)?;
        let node = answer.node.context("the server names no node")?;
        let mut node = serde_json::to_value(node)?;
        while self.wait && text(&node, "state") != "DRAINED" {
            tokio::time::sleep(LOOK_EVERY).await;
            let found = live(&client).await?.into_iter();
            let found = found.into_iter().find(|node| text(node, "id") == id);
            node = found.context("the node ended before it held nothing")?;
            anyhow::ensure!(
                text(&node, "state") != "ACTIVE",
                "somebody else let the node take work again"
            );
        }
        say(&node, self.target.json);
        Ok(ExitCode::SUCCESS)
    }
}

impl Undrain {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let id = named(&client, &self.node).await?;
        let input = undrain_node::UndrainNodeInput { id };
        let answer = client.run::<UndrainNode>(undrain_node::Variables { input });
        let answer = answer.await?.undrain_node;
        refusal(&answer.errors)?;
        let node = answer.node.context("the server names no node")?;
        say(&serde_json::to_value(node)?, self.target.json);
        Ok(ExitCode::SUCCESS)
    }
}

fn say(node: &Value, is_json: bool) {
    if is_json {
        output::say_json(node, true);
    } else {
        output::say(&line(node));
    }
}
