//! Walks over the lineage graph, breadth first, one statement a level, always bounded.
//!
//! A level is read by the keys of its nodes; no node's neighbours beyond the fan-out are read. Every
//! cut is reported with its reason. Parents are older than their children, so there is no cycle.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use super::super::{Error, Storage, sql};
use crate::model::{ArtifactId, TenantScope};
use sql::{Rows, get};

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
    /// At most so many steps from a root.
    pub max_depth: u32,
    /// At most so many nodes.
    pub max_nodes: u32,
    /// At most so many edges.
    pub max_edges: u32,
    /// At most so many neighbours of one node.
    pub fan_out: u32,
    /// At most so long.
    pub deadline: Duration,
    /// Only nodes of these types are shown; the walk passes the others. Empty: all.
    pub artifact_types: Vec<String>,
    /// Nodes of these types are shown and not passed.
    pub stop_at_types: Vec<String>,
}

/// A node of a lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineageNode {
    /// Steps from the nearest root.
    pub depth: u32,
    /// The artifact.
    pub artifact_id: ArtifactId,
    /// Whether the walk began here.
    pub is_root: bool,
}

/// An edge between two nodes of a lineage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineageEdge {
    /// What was used.
    pub parent_id: ArtifactId,
    /// What was made.
    pub child_id: ArtifactId,
    /// The type of the intent that made it.
    pub intent_type: String,
}

/// What a walk found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// By depth.
    pub nodes: Vec<LineageNode>,
    /// Between nodes that are shown.
    pub edges: Vec<LineageEdge>,
    /// Empty when the walk is complete.
    pub truncated_because: BTreeSet<Truncation>,
}

#[derive(Debug, Clone)]
struct Seen {
    id: ArtifactId,
    artifact_type: String,
    intent_type: String,
    depth: u32,
}

/// A walk in progress.
struct Walk<'a> {
    storage: &'a Storage,
    request: &'a LineageRequest,
    ends: Instant,
    seen: HashMap<i64, Seen>,
    edges: HashSet<(i64, i64)>,
    cuts: BTreeSet<Truncation>,
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
        let mut walk = Walk {
            storage: self,
            request,
            ends: Instant::now() + request.deadline,
            seen: HashMap::new(),
            edges: HashSet::new(),
            cuts: BTreeSet::new(),
        };
        let mut start = Vec::new();
        for (key, root) in roots {
            let seen = Seen {
                id: root.id,
                artifact_type: root.artifact_type,
                intent_type: root.intent_type,
                depth: 0,
            };
            walk.seen.insert(key, seen);
            start.push(key);
        }
        if request.direction != Direction::Downstream {
            walk.go(start.clone(), true).await?;
        }
        if request.direction != Direction::Upstream {
            walk.go(start.clone(), false).await?;
        }
        Ok(walk.result(&start.into_iter().collect()))
    }

    /// The neighbours of `keys`: edges, and the artifacts at their far ends.
    async fn neighbours(
        &self,
        keys: &[i64],
        upstream: bool,
        fan_out: u32,
    ) -> Result<Vec<(i64, i64, Seen)>, Error> {
        let (near, far) = if upstream {
            ("child", "parent")
        } else {
            ("parent", "child")
        };
        // The inner select finds where the fan-out ends, so that both databases read one range.
        let tail = format!(
            "SELECT e.child, e.parent, a.id, a.artifact_type, a.intent_type FROM x \
             JOIN artifact_edge e ON e.{near} = x.key AND e.{far} <= COALESCE( \
             (SELECT c.{far} FROM artifact_edge c WHERE c.{near} = x.key ORDER BY c.{far} \
             LIMIT 1 OFFSET {fan_out}), 9223372036854775807) \
             JOIN artifact a ON a.key = e.{far} ORDER BY e.{near}, e.{far}"
        );
        let rows = Rows::column(&["key"], keys.iter().copied());
        let rows = rows.select(&self.db.reader, &tail).await?;
        rows.iter()
            .map(|row| {
                let seen = Seen {
                    id: ArtifactId(get(row, "id")?),
                    artifact_type: get(row, "artifact_type")?,
                    intent_type: get(row, "intent_type")?,
                    depth: 0,
                };
                Ok((get(row, "child")?, get(row, "parent")?, seen))
            })
            .collect()
    }

    /// The shortest way between two artifacts along the edges, in either direction, both ends
    /// included; none when there is none within the bounds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lineage_path(
        &self,
        scope: &TenantScope,
        from: ArtifactId,
        to: ArtifactId,
    ) -> Result<Option<Vec<ArtifactId>>, Error> {
        let ends = self.find_artifacts_keyed(scope, &[from, to]).await?;
        let key_of = |id: ArtifactId| ends.iter().find(|(_, a)| a.id == id).map(|(key, _)| *key);
        let (Some(start), Some(goal)) = (key_of(from), key_of(to)) else {
            return Ok(None);
        };
        for upstream in [true, false] {
            if let Some(path) = self.path(start, from, goal, upstream).await? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    async fn path(
        &self,
        start: i64,
        from: ArtifactId,
        goal: i64,
        upstream: bool,
    ) -> Result<Option<Vec<ArtifactId>>, Error> {
        const MOST_NODES: usize = 10_000;
        const FAN_OUT: u32 = 1_000;
        const MOST_DEPTH: u32 = 100;
        let mut came_from: HashMap<i64, (i64, ArtifactId)> =
            HashMap::from([(start, (start, from))]);
        let mut level = vec![start];
        for _ in 0..MOST_DEPTH {
            if came_from.contains_key(&goal) || level.is_empty() || came_from.len() > MOST_NODES {
                break;
            }
            let mut next = Vec::new();
            for (child, parent, seen) in self.neighbours(&level, upstream, FAN_OUT).await? {
                let (near, far) = if upstream {
                    (child, parent)
                } else {
                    (parent, child)
                };
                came_from.entry(far).or_insert_with(|| {
                    next.push(far);
                    (near, seen.id)
                });
            }
            level = next;
        }
        if !came_from.contains_key(&goal) {
            return Ok(None);
        }
        let mut path = Vec::new();
        let mut key = goal;
        while let Some((before, id)) = came_from.get(&key) {
            path.push(*id);
            if *before == key {
                break;
            }
            key = *before;
        }
        path.reverse();
        Ok(Some(path))
    }
}

impl Walk<'_> {
    /// Level by level in one direction.
    async fn go(&mut self, start: Vec<i64>, upstream: bool) -> Result<(), Error> {
        let mut level = start;
        // A node may be reached in both directions; each walk has its own visits.
        let mut visited: HashSet<i64> = level.iter().copied().collect();
        let mut depth = 0;
        while !level.is_empty() {
            if Instant::now() >= self.ends {
                self.cuts.insert(Truncation::Deadline);
                return Ok(());
            }
            let passable: Vec<i64> = level
                .iter()
                .filter(|key| self.may_pass(**key))
                .copied()
                .collect();
            let found = self
                .storage
                .neighbours(&passable, upstream, self.request.fan_out)
                .await?;
            let found = self.within_fan_out(found, upstream);
            if depth == self.request.max_depth {
                if found.iter().any(|(child, parent, _)| {
                    !self.seen.contains_key(child) || !self.seen.contains_key(parent)
                }) {
                    self.cuts.insert(Truncation::MaxDepth);
                }
                // Edges between nodes that are there are shown even at the last level.
                for (child, parent, _) in found {
                    if self.seen.contains_key(&child) && self.seen.contains_key(&parent) {
                        self.add_edge(child, parent);
                    }
                }
                return Ok(());
            }
            depth += 1;
            level = self.add_level(found, upstream, depth, &mut visited);
        }
        Ok(())
    }

    fn add_level(
        &mut self,
        found: Vec<(i64, i64, Seen)>,
        upstream: bool,
        depth: u32,
        visited: &mut HashSet<i64>,
    ) -> Vec<i64> {
        let mut next = Vec::new();
        for (child, parent, seen) in found {
            let far = if upstream { parent } else { child };
            if let Some(known) = self.seen.get_mut(&far) {
                // With several roots a node may be nearer to another one, the other way.
                known.depth = known.depth.min(depth);
            } else {
                if self.seen.len() >= self.request.max_nodes as usize {
                    self.cuts.insert(Truncation::MaxNodes);
                    continue;
                }
                self.seen.insert(far, Seen { depth, ..seen });
            }
            self.add_edge(child, parent);
            if visited.insert(far) {
                next.push(far);
            }
        }
        next
    }

    fn may_pass(&self, key: i64) -> bool {
        self.seen.get(&key).is_some_and(|seen| {
            seen.depth == 0 || !self.request.stop_at_types.contains(&seen.artifact_type)
        })
    }

    /// One neighbour more than the fan-out was read, to know that there are more.
    fn within_fan_out(
        &mut self,
        found: Vec<(i64, i64, Seen)>,
        upstream: bool,
    ) -> Vec<(i64, i64, Seen)> {
        let mut counts: HashMap<i64, u32> = HashMap::new();
        let mut kept = Vec::with_capacity(found.len());
        for edge in found {
            let near = if upstream { edge.0 } else { edge.1 };
            let count = counts.entry(near).or_default();
            *count += 1;
            if *count > self.request.fan_out {
                self.cuts.insert(Truncation::FanOut);
            } else {
                kept.push(edge);
            }
        }
        kept
    }

    fn add_edge(&mut self, child: i64, parent: i64) {
        if self.edges.contains(&(child, parent)) {
            return;
        }
        if self.edges.len() >= self.request.max_edges as usize {
            self.cuts.insert(Truncation::MaxEdges);
        } else {
            self.edges.insert((child, parent));
        }
    }

    fn result(self, roots: &HashSet<i64>) -> Lineage {
        let types = &self.request.artifact_types;
        let is_shown = |key: &i64, seen: &Seen| {
            roots.contains(key) || types.is_empty() || types.contains(&seen.artifact_type)
        };
        let shown: HashMap<i64, &Seen> = self
            .seen
            .iter()
            .filter(|(key, seen)| is_shown(key, seen))
            .map(|(key, seen)| (*key, seen))
            .collect();
        let mut nodes: Vec<LineageNode> = shown
            .iter()
            .map(|(key, seen)| LineageNode {
                depth: seen.depth,
                artifact_id: seen.id,
                is_root: roots.contains(key),
            })
            .collect();
        nodes.sort_unstable();
        let mut edges: Vec<LineageEdge> = self
            .edges
            .iter()
            .filter_map(|(child, parent)| {
                let (child, parent) = (shown.get(child)?, shown.get(parent)?);
                Some(LineageEdge {
                    parent_id: parent.id,
                    child_id: child.id,
                    intent_type: child.intent_type.clone(),
                })
            })
            .collect();
        edges.sort_unstable();
        Lineage {
            nodes,
            edges,
            truncated_because: self.cuts,
        }
    }
}
