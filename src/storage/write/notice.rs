//! Notices of commits, for those who wait.

use std::borrow::Cow;

use crate::model::{ExecutionId, Micros, NodeId, SessionId, TenantId};

/// The meaning of a commit to those who wait. Losing one costs latency, never data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An execution's stream has grown.
    Events {
        /// The tenant.
        tenant_id: TenantId,
        /// The session.
        session_id: SessionId,
        /// The execution.
        execution_id: ExecutionId,
        /// Its last sequence.
        seq: i64,
        /// True if the stream has ended.
        terminal: bool,
    },
    /// Something can run.
    Ready {
        /// The queue that it stands in.
        queue: Cow<'static, str>,
    },
    /// A timer was set for this time.
    Timer(Micros),
    /// A running execution should stop.
    Cancel(ExecutionId),
    /// A child of this execution has ended. Stays on the node that has committed the end.
    ChildEnded(ExecutionId),
    /// This execution was cancelled, and not yet all that is below it. Stays on the node that has
    /// committed it.
    CancelBelow(ExecutionId),
    /// An execution waits whose limit cancels what came before it. Stays on the node that has committed it.
    Overtaken {
        /// The bucket.
        bucket: String,
    },
    /// An operator asked something of this node.
    NodeAsked(NodeId),
}

impl Notice {
    /// Something can run that stands in this queue.
    #[must_use]
    pub fn ready(queue: impl Into<Cow<'static, str>>) -> Self {
        let queue = queue.into();
        Self::Ready { queue }
    }
}
