//! The runtime itself, for operators.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::scalars::{BigInt, DateTime, int};
use crate::{api::ApiError, graphql::loading::Caller, model, services::NodeInfo};

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
    /// The most executions that it runs at the same time.
    capacity: i32,
    /// The executions that it runs now.
    running: i32,
    /// When it began to serve.
    started_at: DateTime,
    /// Until when its lease holds unless it is renewed.
    expires_at: DateTime,
    /// True for the node that answers.
    is_this: bool,
}

impl RuntimeNode {
    /// A node as `this` one sees it.
    fn of(node: NodeInfo, this: model::NodeId) -> Self {
        Self {
            id: node.id.into(),
            name: node.name,
            version: node.version,
            capacity: int(node.capacity),
            running: int(node.running),
            started_at: DateTime(node.started_at),
            expires_at: DateTime(node.expires_at),
            is_this: node.id == this,
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
