//! What a search has found.

use async_graphql::{Enum, ID, SimpleObject};

use super::node::Node;

/// What something found is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchKind {
    /// An artifact.
    Artifact,
    /// An execution.
    Execution,
    /// An intent.
    Intent,
    /// A registered type of intents; its name is its id.
    IntentType,
    /// A schedule.
    Schedule,
    /// A session.
    Session,
}

/// What of it is the text.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchMatch {
    /// Its id.
    Id,
    /// Its idempotency key.
    Key,
    /// A part of its name.
    Name,
}

/// Something that a text names.
#[derive(SimpleObject)]
pub(crate) struct SearchResult {
    /// What it is.
    pub(crate) kind: SearchKind,
    /// Its id; the name of an intent type.
    pub(crate) id: ID,
    /// What people know it by: the display name of an artifact, the type of an execution, the name of others.
    pub(crate) title: String,
    /// What of it is the text.
    pub(crate) by: SearchMatch,
    /// The record itself; null for a schedule and an intent type.
    pub(crate) node: Option<Node>,
}

impl SearchResult {
    /// Something that is a node.
    pub(crate) fn of_node(node: Node, by: SearchMatch) -> Self {
        let (kind, id, title) = match &node {
            Node::Intent(intent) => {
                let of = &intent.0.intent;
                (SearchKind::Intent, ID::from(of.id), of.intent_type.clone())
            }
            Node::Execution(execution) => {
                let of = &execution.0;
                let title = of.intent.intent_type.clone();
                (SearchKind::Execution, ID::from(of.id), title)
            }
            Node::Session(session) => {
                let id = session.0.id;
                (SearchKind::Session, ID::from(id), id.to_string())
            }
            Node::Artifact(artifact) => {
                let of = &artifact.0;
                let title = of.display_name.clone();
                let title = title.unwrap_or_else(|| of.id.to_string());
                (SearchKind::Artifact, ID::from(of.id), title)
            }
        };
        Self {
            kind,
            id,
            title,
            by,
            node: Some(node),
        }
    }

    /// Something with a name that has the text in it.
    pub(crate) fn named(kind: SearchKind, id: &str, name: &str) -> Self {
        Self {
            kind,
            id: id.into(),
            title: name.to_owned(),
            by: SearchMatch::Name,
            node: None,
        }
    }
}
