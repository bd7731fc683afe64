//! `takeoff lineage`.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use clap::Args;
use serde_json::Value;

use super::{
    client::{
        Client, Target,
        operations::{GetLineage, get_lineage},
    },
    field::text,
    names::Kind,
    output::{self, Line, Tone},
};

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

impl Lineage {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let root = Kind::Artifact.whole(&client, &self.artifact).await?;
        let lineage = lineage(&client, &root, !self.downstream).await?;
        if self.target.json {
            output::say_json(&lineage, true);
        } else if self.mermaid {
            output::say_lines(text(&lineage, "mermaid").trim_end());
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
pub(super) fn tree(lineage: &Value, upstream: bool) -> Vec<Line> {
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
        let (name, state) = (
            text(artifact, "displayName"),
            text(artifact, "lifecycleState"),
        );
        let label = Line::of(&format!("{} {name} (", text(artifact, "artifactType")))
            .toned(Tone::of(state), state)
            .then(") ")
            .then(&output::id(text(artifact, "id")));
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
        let reasons = &lineage["truncatedBecause"];
        lines.push(Line::default().toned(Tone::Warning, &format!("cut: {reasons}")));
    }
    lines
}

fn branch<'a>(
    id: &'a str,
    lead: &str,
    indent: &str,
    names: &BTreeMap<&'a str, Line>,
    below: &BTreeMap<&'a str, Vec<(&'a str, &'a str)>>,
    shown: &mut BTreeSet<&'a str>,
    lines: &mut Vec<Line>,
) {
    let name = names.get(id).cloned().unwrap_or_else(|| Line::of(id));
    let is_new = shown.insert(id);
    let mark = if is_new { "" } else { " (see above)" };
    lines.push(Line::of(lead).followed_by(name).then(mark));
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
    use serde_json::json;

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
        let lines: Vec<String> = tree(&lineage, true)
            .iter()
            .map(|line| line.rendered(false))
            .collect();
        assert_eq!(
            lines,
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
