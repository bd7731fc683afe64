//! A lineage as Mermaid text, to paste into a renderer.

use std::{collections::HashMap, fmt::Write};

use crate::{
    model::{Artifact, ArtifactId},
    storage::Lineage,
};

/// The graph, parents above their children. Artifacts that are not given appear by their id.
#[must_use]
#[expect(clippy::implicit_hasher, reason = "nobody brings another hasher")]
pub fn mermaid(lineage: &Lineage, artifacts: &HashMap<ArtifactId, Artifact>) -> String {
    let mut text = String::from("graph TD\n");
    let mut names: HashMap<ArtifactId, usize> = HashMap::new();
    for (place, node) in lineage.nodes.iter().enumerate() {
        names.insert(node.artifact_id, place);
        let label = artifacts
            .get(&node.artifact_id)
            .map_or_else(|| node.artifact_id.to_string(), label);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  n{place}[\"{label}\"]");
    }
    for edge in &lineage.edges {
        if let (Some(parent), Some(child)) = (names.get(&edge.parent_id), names.get(&edge.child_id))
        {
            let _ = writeln!(
                text,
                "  n{parent} -->|\"{}\"| n{child}",
                escaped(&edge.intent_type)
            );
        }
    }
    text
}

fn label(artifact: &Artifact) -> String {
    let kind = escaped(&artifact.artifact_type);
    let name = artifact.display_name.as_deref().map(escaped);
    name.map_or_else(
        || format!("{kind}<br/>{}", artifact.id),
        |name| format!("{kind}<br/>{name}"),
    )
}

/// Mermaid reads entity codes; what could end a label or begin a tag becomes one.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' | '<' | '>' | '&' | '#' | ';' | '|' | '[' | ']' | '{' | '}' | '`' => {
                format!("#{};", u32::from(c))
            }
            c if c.is_control() => " ".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::storage::{LineageEdge, LineageNode};

    #[test]
    fn an_edge_goes_from_parent_to_child_with_the_intent_in_quotes() {
        let [parent_id, child_id] = [1, 2].map(|bits| ArtifactId(Uuid::from_u128(bits)));
        let nodes = [(0, child_id), (1, parent_id)];
        let lineage = Lineage {
            nodes: nodes
                .map(|(depth, artifact_id)| LineageNode {
                    depth,
                    artifact_id,
                    is_root: depth == 0,
                })
                .to_vec(),
            edges: vec![LineageEdge {
                parent_id,
                child_id,
                intent_type: "parse(v2)".into(),
            }],
            ..Lineage::default()
        };
        let expected = format!(
            "graph TD\n  n0[\"{child_id}\"]\n  n1[\"{parent_id}\"]\n  n1 -->|\"parse(v2)\"| n0\n"
        );
        assert_eq!(mermaid(&lineage, &HashMap::new()), expected);
    }

    #[test]
    fn nothing_in_a_name_ends_the_label() {
        assert_eq!(escaped("a\"]<b>\n"), "a#34;#93;#60;b#62; ");
    }
}
