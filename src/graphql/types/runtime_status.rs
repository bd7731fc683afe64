//! The runtime itself, for operators.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::scalars::{BigInt, DateTime, int};
use crate::{
    api::ApiError,
    graphql::loading::Caller,
    model,
    services::{self, NodeInfo},
};

/// The state of the runtime.
pub(crate) struct RuntimeStatus;

/// Nodes, backlog and versions.
#[Object]
impl RuntimeStatus {
    /// The version of the node that answers.
    async fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The nodes that hold a lease.
    async fn nodes(&self, ctx: &Context<'_>) -> Result<Vec<RuntimeNode>, ApiError> {
        let caller = Caller::of(ctx)?;
        let _running = caller.meter.statement().await;
        let runtime = &caller.services.runtime;
        let this = runtime.node_id();
        let nodes = runtime.nodes(&caller.principal).await?.into_iter();
        Ok(nodes.map(|node| RuntimeNode::of(node, this)).collect())
    }

    /// Numbers of executions that wait and that run, over all tenants.
    async fn backlog(&self, ctx: &Context<'_>) -> Result<RuntimeBacklog, ApiError> {
        let caller = Caller::of(ctx)?;
        // It counts what waits of all tenants, which may be much.
        let _running = caller.meter.statement().await;
        let backlog = caller.services.runtime.backlog(&caller.principal).await?;
        Ok(RuntimeBacklog {
            ready: BigInt(backlog.ready),
            scheduled: BigInt(backlog.scheduled),
            running: BigInt(backlog.running),
        })
    }
}

/// One start of one node.
#[derive(SimpleObject)]
pub(crate) struct RuntimeNode {
    /// Opaque id of the form `nod_…`, another one at each start.
    id: ID,
    /// The name that its operator gave it.
    name: String,
    /// The version it runs.
    version: String,
    /// Its labels, which intent types may need.
    labels: Vec<NodeLabel>,
    /// Whether it takes executions.
    state: NodeState,
    /// The most executions that it runs at the same time.
    capacity: i32,
    /// The executions that it runs now.
    running: i32,
    /// When it began to serve.
    started_at: DateTime,
    /// When it last renewed its lease, and told what it runs; null for a node of a version that does not say.
    heartbeat_at: Option<DateTime>,
    /// Until when its lease holds unless it is renewed.
    expires_at: DateTime,
    /// When an operator asked it to drain; null where none did.
    drain_requested_at: Option<DateTime>,
    /// When it hands over what then still runs; null where that may end there.
    hand_over_at: Option<DateTime>,
    /// True for the node that answers.
    is_this: bool,
}

impl RuntimeNode {
    /// A node as `this` one sees it.
    pub(crate) fn of(node: NodeInfo, this: model::NodeId) -> Self {
        let state = node.state().into();
        let label = |(name, value): (&str, &str)| NodeLabel {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let labels = node.labels.iter().map(label).collect();
        Self {
            id: node.id.into(),
            name: node.name,
            version: node.version,
            labels,
            state,
            capacity: int(node.capacity),
            running: int(node.running),
            started_at: DateTime(node.started_at),
            heartbeat_at: node.beat_at.map(DateTime),
            drain_requested_at: node.drain_requested_at.map(DateTime),
            hand_over_at: node.hand_over_at.map(DateTime),
            expires_at: DateTime(node.expires_at),
            is_this: node.id == this,
        }
    }
}

/// A label of a node.
#[derive(SimpleObject)]
pub(crate) struct NodeLabel {
    /// Its name, e.g. `gpu`.
    name: String,
    /// Its value, e.g. `true`.
    value: String,
}

/// Whether a node takes executions.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// It does.
    Active,
    /// It is asked to take none, or it stops, and it may still run some.
    Draining,
    /// It takes none and holds none.
    Drained,
}

impl From<services::NodeState> for NodeState {
    fn from(state: services::NodeState) -> Self {
        match state {
            services::NodeState::Active => Self::Active,
            services::NodeState::Draining => Self::Draining,
            services::NodeState::Drained => Self::Drained,
        }
    }
}

/// Executions that wait and that run.
#[derive(SimpleObject)]
pub(crate) struct RuntimeBacklog {
    /// Could run now and wait for a slot.
    ready: BigInt,
    /// Wait for a time: retries, delays.
    scheduled: BigInt,
    /// Run now.
    running: BigInt,
}
