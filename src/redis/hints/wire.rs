//! Hints as they travel: compact JSON with short names. A message that a node cannot read, because
//! a later version wrote it, is treated as a gap.

use serde::{Deserialize, Serialize};

use crate::{
    model::{ExecutionId, Micros, NodeId, Queue, SessionId, TenantId},
    storage::Notice,
};

/// The executions that one message names at most.
const MAX_NOTICES: usize = 500;

/// One message.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Message {
    /// Who says it.
    #[serde(rename = "n")]
    pub(super) node: NodeId,
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    hints: Vec<Hint>,
    /// The sender left out hints.
    #[serde(rename = "d", default, skip_serializing_if = "is_false")]
    pub(super) dropped: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
enum Hint {
    #[serde(rename = "e")]
    Events(TenantId, SessionId, ExecutionId, i64, bool),
    /// Something is in the queue of the nodes.
    #[serde(rename = "r")]
    Ready,
    /// Something is in the queue of this name.
    #[serde(rename = "q")]
    ReadyIn(String),
    #[serde(rename = "t")]
    Timer(Micros),
    #[serde(rename = "c")]
    Cancel(ExecutionId),
    #[serde(rename = "a")]
    NodeAsked(NodeId),
}

impl Message {
    /// The messages that say `notices`; one that says nothing but `dropped` if need be.
    pub(super) fn of(node: NodeId, notices: Vec<Notice>, dropped: bool) -> Vec<Self> {
        let mut hints = notices.into_iter().map(Hint::from).peekable();
        let mut messages = Vec::new();
        while hints.peek().is_some() || (dropped && messages.is_empty()) {
            messages.push(Self {
                node,
                hints: hints.by_ref().take(MAX_NOTICES).collect(),
                dropped: dropped && messages.is_empty(),
            });
        }
        messages
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    pub(super) fn into_notices(self) -> Vec<Notice> {
        self.hints.into_iter().map(Notice::from).collect()
    }
}

impl From<Notice> for Hint {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Events {
                tenant_id,
                session_id,
                execution_id,
                seq,
                terminal,
            } => Self::Events(tenant_id, session_id, execution_id, seq, terminal),
            Notice::Ready { queue } if queue != Queue::Node.name() => {
                Self::ReadyIn(queue.into_owned())
            }
            // The others are told to no other node.
            Notice::Ready { .. }
            | Notice::ChildEnded(_)
            | Notice::CancelBelow(_)
            | Notice::Overtaken { .. } => Self::Ready,
            Notice::Timer(at) => Self::Timer(at),
            Notice::Cancel(id) => Self::Cancel(id),
            Notice::NodeAsked(node) => Self::NodeAsked(node),
        }
    }
}

impl From<Hint> for Notice {
    fn from(hint: Hint) -> Self {
        match hint {
            Hint::Events(tenant_id, session_id, execution_id, seq, terminal) => Self::Events {
                tenant_id,
                session_id,
                execution_id,
                seq,
                terminal,
            },
            Hint::Ready => Self::ready(Queue::Node.name()),
            Hint::ReadyIn(queue) => Self::ready(queue),
            Hint::Timer(at) => Self::Timer(at),
            Hint::Cancel(id) => Self::Cancel(id),
            Hint::NodeAsked(node) => Self::NodeAsked(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn notices() -> Vec<Notice> {
        vec![
            Notice::Events {
                tenant_id: TenantId::default_tenant(),
                session_id: SessionId(Uuid::from_u128(1)),
                execution_id: ExecutionId(Uuid::from_u128(2)),
                seq: 3,
                terminal: true,
            },
            Notice::ready("node"),
            Notice::ready("worker:translate/remote"),
            Notice::Timer(4),
            Notice::Cancel(ExecutionId(Uuid::from_u128(5))),
            Notice::NodeAsked(NodeId(Uuid::from_u128(6))),
        ]
    }

    #[test]
    fn every_kind_of_notice_is_read_back() {
        let node = NodeId(Uuid::from_u128(9));
        let mut messages = Message::of(node, notices(), true);
        assert_eq!(messages.len(), 1);
        let bytes = messages.remove(0).encode().unwrap();
        let read = Message::decode(&bytes).unwrap();
        assert_eq!((read.node, read.dropped), (node, true));
        assert_eq!(read.into_notices(), notices());
    }

    #[test]
    fn many_notices_are_cut_into_messages_and_the_gap_is_told_once() {
        let node = NodeId(Uuid::from_u128(9));
        let many = vec![Notice::ready("node"); MAX_NOTICES + 1];
        let messages = Message::of(node, many, true);
        let dropped: Vec<bool> = messages.iter().map(|message| message.dropped).collect();
        assert_eq!(dropped, [true, false]);
        assert_eq!(Message::of(node, vec![], true).len(), 1);
        assert!(Message::of(node, vec![], false).is_empty());
    }

    #[test]
    fn an_unknown_kind_of_hint_cannot_be_read() {
        let text = r#"{"n":"nod_00000000000000000000000009","h":[{"x":1}]}"#;
        assert!(Message::decode(text.as_bytes()).is_err());
    }
}
