//! Lineage as a flat graph: bounded, and always saying when and why it was cut.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use super::{artifact::Artifact, counted::Listed, scalars::int};
use crate::{
    api::ApiError,
    artifact_registry::{self, Direction, LineageRequest, Truncation},
    graphql::loading::Caller,
    model::ArtifactId,
};

const MAX_DEPTH: i32 = 100;
const MAX_NODES: i32 = 10_000;
/// Edges for each artifact that is asked for, up to [`MAX_EDGES`]; at least [`MIN_EDGES`].
const EDGES_PER_NODE: u32 = 10;
const MIN_EDGES: u32 = 5_000;
const MAX_EDGES: u32 = 50_000;
const FAN_OUT: u32 = 100;
const DEADLINE: Duration = Duration::from_secs(2);

/// Which way to walk a lineage.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Direction")]
pub(crate) enum LineageDirection {
    /// To what it was made from.
    Upstream,
    /// To what was made from it.
    Downstream,
    /// Both ways.
    Both,
}

/// Why a lineage is not complete.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Truncation")]
pub(crate) enum TruncationReason {
    /// There is more beyond `maxDepth`.
    MaxDepth,
    /// There are more artifacts than `maxNodes`.
    MaxNodes,
    /// There are more edges than one answer holds.
    MaxEdges,
    /// An artifact has more relatives than the walk follows.
    FanOut,
    /// The walk took too long.
    Deadline,
}

/// A filter of the artifacts of a lineage.
#[derive(InputObject, Debug)]
pub(crate) struct LineageFilter {
    /// Only artifacts of these types are shown; the walk goes on through the others.
    artifact_type: Option<Vec<String>>,
    /// The walk does not go beyond artifacts of these types.
    stop_at_type: Option<Vec<String>>,
}

/// The arguments of a lineage.
pub(crate) struct LineageQuestion {
    pub(crate) roots: Vec<ArtifactId>,
    pub(crate) direction: LineageDirection,
    pub(crate) max_depth: i32,
    pub(crate) max_nodes: i32,
    pub(crate) filter: Option<LineageFilter>,
}

impl LineageQuestion {
    /// Walks the lineage.
    pub(crate) async fn answer(self, caller: &Caller) -> Result<Lineage, ApiError> {
        let request = self.request()?;
        let artifacts = &caller.services.artifacts;
        Ok(Lineage(artifacts.lineage(&caller.scope, &request).await?))
    }

    fn request(self) -> Result<LineageRequest, ApiError> {
        let max_nodes = bounded(self.max_nodes, "maxNodes", 1, MAX_NODES)?;
        let filter = self.filter;
        let (artifact_types, stop_at_types) =
            filter.map_or_else(<(HashSet<_>, HashSet<_>)>::default, |filter| {
                (
                    filter.artifact_type.into_iter().flatten().collect(),
                    filter.stop_at_type.into_iter().flatten().collect(),
                )
            });
        Ok(LineageRequest {
            roots: self.roots,
            direction: self.direction.into(),
            max_depth: bounded(self.max_depth, "maxDepth", 0, MAX_DEPTH)?,
            max_nodes,
            max_edges: (max_nodes * EDGES_PER_NODE).clamp(MIN_EDGES, MAX_EDGES),
            fan_out: FAN_OUT,
            deadline: DEADLINE,
            artifact_types,
            stop_at_types,
        })
    }
}

fn bounded(number: i32, name: &str, least: i32, most: i32) -> Result<u32, ApiError> {
    u32::try_from(number)
        .ok()
        .filter(|_| (least..=most).contains(&number))
        .ok_or_else(|| ApiError::bad_input(format!("{name} must be from {least} to {most}")))
}

/// A lineage that was walked.
pub(crate) struct Lineage(artifact_registry::Lineage);

/// Artifacts and how they descend from each other.
#[Object]
impl Lineage {
    /// The artifacts, nearest first.
    async fn nodes(&self) -> Listed<LineageNode> {
        self.0.nodes.iter().map(LineageNode::from).collect()
    }

    /// The edges among the nodes, each from a parent to a child that was made from it.
    async fn edges(&self) -> Listed<LineageEdge> {
        self.0.edges.iter().map(LineageEdge::from).collect()
    }

    /// True if something was left out.
    async fn truncated(&self) -> bool {
        !self.0.truncated_because.is_empty()
    }

    /// Why something was left out; empty when nothing was.
    async fn truncated_because(&self) -> Vec<TruncationReason> {
        let reasons = self.0.truncated_because.iter();
        reasons.copied().map(Into::into).collect()
    }

    /// The same graph as Mermaid text, to paste into a renderer.
    #[expect(clippy::unused_async, reason = "resolvers are asynchronous")]
    async fn mermaid(&self, ctx: &Context<'_>) -> Result<String, ApiError> {
        let text = artifact_registry::mermaid(&self.0);
        Caller::of(ctx)?.meter.answer_text(text.len())?;
        Ok(text)
    }
}

/// An artifact in a lineage.
#[derive(SimpleObject)]
pub(crate) struct LineageNode {
    /// The artifact.
    artifact: Artifact,
    /// The number of edges between it and the nearest root.
    depth: i32,
    /// True if the walk began here.
    is_root: bool,
}

impl From<&artifact_registry::LineageNode> for LineageNode {
    fn from(node: &artifact_registry::LineageNode) -> Self {
        Self {
            artifact: Artifact(Arc::clone(&node.artifact)),
            depth: int(node.depth),
            is_root: node.is_root,
        }
    }
}

/// A child was made from a parent.
#[derive(SimpleObject)]
pub(crate) struct LineageEdge {
    /// The artifact that something was made from.
    parent_id: ID,
    /// The artifact that was made.
    child_id: ID,
    /// The type of the intent that made it.
    intent_type: String,
}

impl From<&artifact_registry::LineageEdge> for LineageEdge {
    fn from(edge: &artifact_registry::LineageEdge) -> Self {
        Self {
            parent_id: edge.parent_id.into(),
            child_id: edge.child_id.into(),
            intent_type: edge.intent_type.clone(),
        }
    }
}
