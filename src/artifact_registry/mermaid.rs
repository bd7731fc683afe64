//! A lineage as Mermaid text, to paste into a renderer.

use std::{collections::HashMap, fmt::Write};

use crate::{
    model::{Artifact, ArtifactId},
    storage::Lineage,
};

/// The graph, parents above their children.
#[must_use]
pub fn mermaid(lineage: &Lineage) -> String {
    let mut text = String::from("graph TD\n");
    let mut names: HashMap<ArtifactId, usize> = HashMap::new();
    for (place, node) in lineage.nodes.iter().enumerate() {
        names.insert(node.artifact.id, place);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  n{place}[\"{}\"]", label(&node.artifact));
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
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::{
        model::{ArtifactState, ExecutionId, IntentId, RawJson, SessionId},
        storage::{LineageEdge, LineageNode},
    };

    fn artifact(id: ArtifactId, name: Option<&str>) -> Arc<Artifact> {
        Arc::new(Artifact {
            id,
            artifact_type: "table".into(),
            tenant_id: "default".parse().unwrap(),
            session_id: SessionId(Uuid::nil()),
            execution_id: ExecutionId(Uuid::nil()),
            intent_id: IntentId(Uuid::nil()),
            intent_type: "parse(v2)".into(),
            state: ArtifactState::Ready,
            semantic_descriptor: RawJson::from(&serde_json::json!({})),
            display_name: name.map(str::to_owned),
            owner: None,
            purpose: None,
            generation: 0,
            roots: vec![],
            content_hash: String::new(),
            version: 1,
            next_seq: 2,
            created_at: 0,
            updated_at: 0,
            user_id: None,
        })
    }

    #[test]
    fn an_edge_goes_from_parent_to_child_with_the_intent_in_quotes() {
        let [parent_id, child_id] = [1, 2].map(|bits| ArtifactId(Uuid::from_u128(bits)));
        let nodes = [
            (0, artifact(child_id, None)),
            (1, artifact(parent_id, Some("<a>"))),
        ];
        let lineage = Lineage {
            nodes: nodes
                .map(|(depth, artifact)| LineageNode {
                    depth,
                    artifact,
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
            "graph TD\n  n0[\"table<br/>{child_id}\"]\n  n1[\"table<br/>#60;a#62;\"]\n  \
             n1 -->|\"parse(v2)\"| n0\n"
        );
        assert_eq!(mermaid(&lineage), expected);
    }

    #[test]
    fn nothing_in_a_name_ends_the_label() {
        assert_eq!(escaped("a\"]<b>\n"), "a#34;#93;#60;b#62; ");
    }
}
