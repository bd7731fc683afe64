//! Walks over the lineage graph, breadth first and always bounded.
//!
//! A level is read by the keys of its nodes, some hundred at a time; no node's neighbours beyond the
//! fan-out are read. Every cut is reported with its reason. Parents are older than their children,
//! so there is no cycle.

mod neighbours;
mod path;
mod walk;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use super::super::{Error, Storage};
use crate::model::{Artifact, ArtifactId, TenantScope};
use walk::Walk;

/// Which way to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what the roots were made from.
    Upstream,
    /// To what was made from the roots.
    Downstream,
    /// Both, each on its own: ancestors and descendants.
    Both,
}

/// Why a walk was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truncation {
    /// There is more beyond the depth.
    MaxDepth,
    /// There are more nodes.
    MaxNodes,
    /// There are more edges.
    MaxEdges,
    /// A node has more neighbours than were looked at.
    FanOut,
    /// Time ran out.
    Deadline,
}

/// A walk and its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageRequest {
    /// Where it begins.
    pub roots: Vec<ArtifactId>,
    /// Which way.
    pub direction: Direction,
    /// The most steps from a root.
    pub max_depth: u32,
    /// The most nodes, hidden ones included.
    pub max_nodes: u32,
    /// The most edges, those of hidden nodes included.
    pub max_edges: u32,
    /// The most neighbours of one node.
    pub fan_out: u32,
    /// The longest time.
    pub deadline: Duration,
    /// Only nodes of these types are shown; the walk passes the others. Empty: all.
    pub artifact_types: HashSet<String>,
    /// Nodes of these types are shown and not passed, unless they are roots.
    pub stop_at_types: HashSet<String>,
}

/// A node of a lineage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageNode {
    /// Steps from the nearest root.
    pub depth: u32,
    /// The artifact.
    pub artifact: Arc<Artifact>,
    /// True if the walk began here.
    pub is_root: bool,
}

/// An edge between two nodes of a lineage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineageEdge {
    /// The artifact that was used.
    pub parent_id: ArtifactId,
    /// The artifact that was made.
    pub child_id: ArtifactId,
    /// The type of the intent that made it.
    pub intent_type: String,
}

/// The nodes and edges that a walk found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// By depth, then by id.
    pub nodes: Vec<LineageNode>,
    /// Every one between nodes that are shown, unless it says otherwise below.
    pub edges: Vec<LineageEdge>,
    /// Empty when the walk is complete.
    pub truncated_because: BTreeSet<Truncation>,
}

impl Storage {
    /// The lineage of the roots; roots that are absent or not the tenant's are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lineage(
        &self,
        scope: &TenantScope,
        request: &LineageRequest,
    ) -> Result<Lineage, Error> {
        let roots = self.find_artifacts_keyed(scope, &request.roots).await?;
        let mut walk = Walk::from(self, scope, request, roots);
        if request.direction != Direction::Downstream {
            walk.upstream().await?;
        }
        if request.direction != Direction::Upstream {
            walk.downstream().await?;
        }
        walk.close().await?;
        Ok(walk.result())
    }
}
