//! `takeoff executions`, `takeoff artifacts` and `takeoff lineage`.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    client::{
        Client, Target,
        operations::{
            GetLineage, ListArtifacts, ListExecutions, get_lineage, list_artifacts, list_executions,
        },
    },
    follow::text,
    output,
};

/// Which executions to list.
#[derive(Debug, Clone, Args)]
pub(super) struct Executions {
    /// Only of this status, e.g. FAILED; may be repeated.
    #[arg(long)]
    status: Vec<String>,
    /// Only of this intent type; may be repeated.
    #[arg(long = "type")]
    intent_type: Vec<String>,
    /// Only of this session.
    #[arg(long)]
    session: Option<String>,
    /// How many at most, newest first.
    #[arg(long, default_value_t = 50)]
    limit: i64,
    #[command(flatten)]
    target: Target,
}

/// Which artifacts to list.
#[derive(Debug, Clone, Args)]
pub(super) struct Artifacts {
    /// Only of this type; may be repeated.
    #[arg(long = "type")]
    artifact_type: Vec<String>,
    /// Only in this state, e.g. READY; may be repeated.
    #[arg(long)]
    state: Vec<String>,
    /// Only what this intent type takes as input.
    #[arg(long)]
    eligible_for: Option<String>,
    /// How many at most, newest first.
    #[arg(long, default_value_t = 50)]
    limit: i64,
    #[command(flatten)]
    target: Target,
}

/// Which lineage to show.
#[derive(Debug, Clone, Args)]
pub(super) struct Lineage {
    /// The artifact.
    artifact: String,
    /// Show what was made from it instead of what it was made from.
    #[arg(long)]
    downstream: bool,
    /// Print Mermaid text.
    #[arg(long)]
    mermaid: bool,
    #[command(flatten)]
    target: Target,
}

/// A name of an enum of the schema, as the generated type reads it.
fn named<T: serde::de::DeserializeOwned>(names: &[String]) -> anyhow::Result<Option<Vec<T>>> {
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

impl Executions {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let filter = list_executions::ExecutionFilter {
            status: named(&self.status)?,
            intent_type: some(&self.intent_type),
            session_id: self.session.clone(),
            created_after: None,
            created_before: None,
        };
        let variables = list_executions::Variables {
            filter: Some(filter),
            first: Some(self.limit),
            after: None,
        };
        let page = client.run::<ListExecutions>(variables).await?.executions;
        if self.target.json {
            output::say_json(&page.nodes, true);
            return Ok(ExitCode::SUCCESS);
        }
        for node in &page.nodes {
            let node = serde_json::to_value(node)?;
            let error = text(&node["error"], "code");
            let line = format!(
                "{} {:9} {:32} attempt {} {} {error}",
                text(&node, "id"),
                text(&node, "status"),
                text(&node["intent"], "intentType"),
                node["attempt"],
                text(&node, "createdAt"),
            );
            output::say(line.trim_end());
        }
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
        let variables = list_artifacts::Variables {
            filter: Some(filter),
            first: Some(self.limit),
            after: None,
        };
        let page = client.run::<ListArtifacts>(variables).await?.artifacts;
        if self.target.json {
            output::say_json(&page.nodes, true);
            return Ok(ExitCode::SUCCESS);
        }
        for node in &page.nodes {
            let node = serde_json::to_value(node)?;
            let line = format!(
                "{} {:8} {:26} {}",
                text(&node, "id"),
                text(&node, "lifecycleState"),
                text(&node, "artifactType"),
                text(&node, "displayName"),
            );
            output::say(line.trim_end());
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Lineage {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let lineage = lineage(&client, &self.artifact, !self.downstream).await?;
        if self.target.json {
            output::say_json(&lineage, true);
        } else if self.mermaid {
            output::say(text(&lineage, "mermaid").trim_end());
        } else {
            for line in tree(&lineage, !self.downstream) {
                output::say(&line);
            }
        }
        let found = lineage["nodes"]
            .as_array()
            .is_some_and(|nodes| !nodes.is_empty());
        if !found {
            output::complain("there is no artifact with this id");
        }
        Ok(ExitCode::from(u8::from(!found)))
    }
}

/// The lineage of an artifact, as the API gives it.
pub(super) async fn lineage(client: &Client, id: &str, upstream: bool) -> anyhow::Result<Value> {
    let direction = if upstream {
        get_lineage::LineageDirection::UPSTREAM
    } else {
        get_lineage::LineageDirection::DOWNSTREAM
    };
    let variables = get_lineage::Variables {
        roots: vec![id.to_owned()],
        direction,
    };
    Ok(serde_json::to_value(
        client.run::<GetLineage>(variables).await?.lineage,
    )?)
}

/// The graph as a tree from its roots; what was shown before is named and not unfolded again.
pub(super) fn tree(lineage: &Value, upstream: bool) -> Vec<String> {
    let (near, far) = if upstream {
        ("childId", "parentId")
    } else {
        ("parentId", "childId")
    };
    let mut below: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for edge in lineage["edges"].as_array().into_iter().flatten() {
        let next = (text(edge, far), text(edge, "intentType"));
        below.entry(text(edge, near)).or_default().push(next);
    }
    let mut names = BTreeMap::new();
    let mut roots = Vec::new();
    for node in lineage["nodes"].as_array().into_iter().flatten() {
        let artifact = &node["artifact"];
        let label = format!(
            "{} {} ({}) {}",
            text(artifact, "artifactType"),
            text(artifact, "displayName"),
            text(artifact, "lifecycleState"),
            text(artifact, "id")
        );
        names.insert(text(artifact, "id"), label);
        if node["isRoot"] == true {
            roots.push(text(artifact, "id"));
        }
    }
    let mut lines = Vec::new();
    let mut shown = BTreeSet::new();
    for root in roots {
        branch(root, "", "", &names, &below, &mut shown, &mut lines);
    }
    if lineage["truncated"] == true {
        lines.push(format!("cut: {}", lineage["truncatedBecause"]));
    }
    lines
}

fn branch<'a>(
    id: &'a str,
    lead: &str,
    indent: &str,
    names: &BTreeMap<&'a str, String>,
    below: &BTreeMap<&'a str, Vec<(&'a str, &'a str)>>,
    shown: &mut BTreeSet<&'a str>,
    lines: &mut Vec<String>,
) {
    let name = names.get(id).map_or(id, String::as_str);
    let is_new = shown.insert(id);
    lines.push(format!(
        "{lead}{name}{}",
        if is_new { "" } else { " (see above)" }
    ));
    let next = below
        .get(id)
        .filter(|_| is_new)
        .map(Vec::as_slice)
        .unwrap_or_default();
    for (place, (far, _)) in next.iter().enumerate() {
        let last = place + 1 == next.len();
        let lead = format!("{indent}{}", if last { "└── " } else { "├── " });
        let indent = format!("{indent}{}", if last { "    " } else { "│   " });
        branch(far, &lead, &indent, names, below, shown, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diamond_is_unfolded_once() {
        let node = |id: &str, is_root: bool| {
            json!({"isRoot": is_root, "artifact": {"id": id, "artifactType": "t",
                "displayName": id, "lifecycleState": "READY"}})
        };
        let edge = |child: &str, parent: &str| json!({"childId": child, "parentId": parent, "intentType": "i"});
        let lineage = json!({
            "nodes": [node("d", true), node("b", false), node("c", false), node("a", false)],
            "edges": [edge("d", "b"), edge("d", "c"), edge("b", "a"), edge("c", "a")],
            "truncated": false,
        });
        assert_eq!(
            tree(&lineage, true),
            [
                "t d (READY) d",
                "├── t b (READY) b",
                "│   └── t a (READY) a",
                "└── t c (READY) c",
                "    └── t a (READY) a (see above)",
            ]
        );
    }
}
